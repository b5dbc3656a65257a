"""Solving with a Kronecker-factored Fisher matrix, in its eigenbasis."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.curvature.kronecker_fisher import KroneckerFisher
from torchattr.influence.solvers.solver import Solved, Solver

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["KroneckerEigenbasis"]


class KroneckerEigenbasis(Solver):
    r"""Solves by :math:`U (\Lambda + \lambda)^{-1} U^\top`, for any :math:`\lambda`.

    With :math:`\lambda = 0`, directions without curvature, which nearly every network
    has, are left out: :math:`\Lambda^{-1}` is a pseudo-inverse, the limit of small
    :math:`\lambda` for right-hand sides without a part in these directions.
    Relative residuals show the part that others have.

    Args:
        curvature: A :class:`KFAC` or :class:`EKFAC`.

    Raises:
        InputError: If it is another curvature.

    Note:
        ``2 * R * o * i * (o + i)`` multiplications for each layer.

    Example:
        >>> from torchattr.influence import KFAC, EmpiricalRisk
        >>> risk = EmpiricalRisk(torch.nn.Linear(1, 1, bias=False), torch.nn.MSELoss())
        >>> curvature = KFAC(risk, (torch.tensor([[3.0]]), torch.zeros(1, 1)))
        >>> KroneckerEigenbasis(curvature).solve(torch.ones(1, 1), 2.0).vectors
        tensor([[0.0500]])
    """

    def __init__(self, curvature: LinearOperator) -> None:
        if not isinstance(curvature, KroneckerFisher):
            raise InputError(
                "KroneckerEigenbasis solves with a KFAC or an EKFAC; got "
                f"{type(curvature).__name__}"
            )
        super().__init__(curvature)
        self._fisher = curvature

    def solve(self, vectors: Tensor, regularization: float) -> Solved:
        r"""Solutions for some right-hand sides.

        Args:
            vectors: ``(R, P)``.
            regularization: :math:`\lambda \ge 0`.

        Returns:
            The solutions, exact but for rounding.
        """
        inverse = partial(_inverse, regularization)
        return Solved(self._fisher.applied(vectors, inverse))

    def trace(self) -> float:
        """Sum of the eigenvalues, exact."""
        return self._fisher.trace()

    def to(self, device: torch.device | str) -> Self:
        """Move bases and eigenvalues.

        Args:
            device: Where to.

        Returns:
            This object.
        """
        self._fisher.to(device)
        return self


def _inverse(regularization: float, eigenvalues: Tensor) -> Tensor:
    if regularization:
        return 1 / (eigenvalues + regularization)
    precision = torch.finfo(eigenvalues.dtype).eps * max(eigenvalues.shape)
    kept = eigenvalues > precision * eigenvalues.amax()
    return torch.where(kept, 1 / eigenvalues, 0.0)
