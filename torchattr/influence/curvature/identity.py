"""No curvature: the identity."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from torchattr.influence.empirical_risk import EmpiricalRisk

__all__ = ["Identity"]


class Identity:
    """The identity, as a curvature; influence becomes a product of gradients.

    Args:
        risk: Whose parameters it is for.
        loader: Not read; there so that all curvatures are made alike.

    Attributes:
        risk: The risk.

    Example:
        >>> risk = EmpiricalRisk(torch.nn.Linear(1, 1), torch.nn.MSELoss())
        >>> Identity(risk) @ torch.tensor([1.0, 2.0])
        tensor([1., 2.])
    """

    def __init__(
        self, risk: EmpiricalRisk, loader: Iterable[Any] | None = None
    ) -> None:
        self.risk = risk

    @property
    def shape(self) -> tuple[int, int]:
        """``(P, P)``."""
        return self.risk.n_parameters, self.risk.n_parameters

    @property
    def dtype(self) -> torch.dtype:
        """The model's."""
        return self.risk.dtype

    @property
    def device(self) -> torch.device:
        """The model's."""
        return self.risk.device

    def __matmul__(self, vectors: Tensor) -> Tensor:
        return vectors.clone()
