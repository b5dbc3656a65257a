"""An operator on the parameters of a risk."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.influence.empirical_risk import EmpiricalRisk

__all__ = ["RiskOperator"]


class RiskOperator(ABC):
    """A ``(P, P)`` matrix for the parameters of a risk, which can be multiplied with.

    Args:
        risk: The model, the loss and the parameters.

    Attributes:
        risk: The risk.

    Example:
        >>> from torchattr.influence import Identity
        >>> risk = EmpiricalRisk(torch.nn.Linear(2, 1), torch.nn.MSELoss())
        >>> isinstance(Identity(risk), RiskOperator), Identity(risk).shape
        (True, (3, 3))
    """

    def __init__(self, risk: EmpiricalRisk) -> None:
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
        """Products with vectors.

        Args:
            vectors: ``(P, R)``, or ``(P,)``.

        Returns:
            The same shape.

        Raises:
            InputError: If the vectors have another shape.
        """
        columns = vectors.unsqueeze(1) if vectors.ndim == 1 else vectors
        if columns.ndim != 2 or len(columns) != self.shape[1]:
            raise InputError(
                f"expected vectors of shape ({self.shape[1]}, R); got "
                f"{tuple(vectors.shape)}"
            )
        return self._multiplied(columns).reshape(vectors.shape)

    @abstractmethod
    def _multiplied(self, columns: Tensor) -> Tensor:
        """``(P, R)``: the product with columns ``(P, R)``."""
