"""No curvature: the identity."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from torchattr.influence.curvature.risk_operator import RiskOperator
from torchattr.influence.empirical_risk import EmpiricalRisk

__all__ = ["Identity"]


class Identity(RiskOperator):
    """The identity, as a curvature; influence becomes a product of gradients.

    Args:
        risk: Whose parameters it is for.
        loader: Not read; there so that all curvatures are made alike.

    Attributes:
        risk: The risk.

    Example:
        >>> import torch
        >>> risk = EmpiricalRisk(torch.nn.Linear(1, 1), torch.nn.MSELoss())
        >>> Identity(risk) @ torch.tensor([1.0, 2.0])
        tensor([1., 2.])
    """

    def __init__(
        self, risk: EmpiricalRisk, loader: Iterable[Any] | None = None
    ) -> None:
        super().__init__(risk)

    def _multiplied(self, columns: Tensor) -> Tensor:
        """The same columns."""
        return columns.clone()
