"""What turns a curvature and gradients into preconditioned gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from torchattr.influence.curvature.curvature import LinearOperator

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ConvergenceWarning", "Solved", "Solver", "relative_residuals"]


class ConvergenceWarning(UserWarning):
    """A solver stopped before its tolerance; the message has the residual it reached.

    Example:
        >>> issubclass(ConvergenceWarning, UserWarning)
        True
    """


class Solved(NamedTuple):
    r"""Solutions, and how an iteration got there.

    Attributes:
        vectors: ``(R, P)``: one solution for each right-hand side.
        relative_residuals: ``(R,)``: :math:`\|(C + \lambda) z - g\| / \|g\|` where
            the solver iterates on it, otherwise ``None``.
        iterations: ``(R,)`` int64: after how many iterations each was done, otherwise
            ``None``.

    Example:
        >>> Solved(torch.ones(1, 2)).relative_residuals is None
        True
    """

    vectors: Tensor
    relative_residuals: Tensor | None = None
    iterations: Tensor | None = None


class Solver(ABC):
    r"""Solves :math:`(C + \lambda I) z = g`, for a curvature :math:`C` that is fixed.

    What does not depend on :math:`\lambda` is done once, when the solver is made; so
    another :math:`\lambda` reads no training data where the solver can do without.

    Args:
        curvature: Any symmetric operator.

    Attributes:
        curvature: The operator that residuals are measured against.

    Example:
        >>> from torchattr.influence import Cholesky
        >>> Cholesky(torch.eye(2)).solve(torch.ones(1, 2), 1.0).vectors
        tensor([[0.5000, 0.5000]])
    """

    def __init__(self, curvature: LinearOperator) -> None:
        self.curvature = curvature

    @abstractmethod
    def solve(self, vectors: Tensor, regularization: float) -> Solved:
        r"""Solutions for some right-hand sides.

        Args:
            vectors: ``(R, P)``: right-hand sides :math:`g`, in rows.
            regularization: :math:`\lambda \ge 0`.

        Returns:
            The solutions, in rows.

        Raises:
            InputError: If the matrix is singular to working precision.
        """

    @abstractmethod
    def trace(self) -> float:
        """Sum of the eigenvalues of the curvature, exact or by a seeded estimate."""

    @abstractmethod
    def to(self, device: torch.device | str) -> Self:
        """Move what is held to a device (the model is moved by its owner).

        Args:
            device: Where to.

        Returns:
            This object.
        """


def relative_residuals(
    curvature: LinearOperator, regularization: float, solutions: Tensor, sides: Tensor
) -> Tensor:
    r"""How far solutions are from solving: :math:`\|(C + \lambda I) z - g\| / \|g\|`.

    Args:
        curvature: :math:`C`.
        regularization: :math:`\lambda`.
        solutions: ``(R, P)``.
        sides: ``(R, P)``: the right-hand sides.

    Returns:
        ``(R,)``; 0 where the right-hand side is 0 and so is the solution.

    Example:
        >>> relative_residuals(torch.eye(1), 1.0, torch.ones(1, 1), torch.ones(1, 1))
        tensor([1.])
    """
    reached = (curvature @ solutions.T).T + regularization * solutions
    missing = torch.linalg.vector_norm(reached - sides, dim=1)
    sizes = torch.linalg.vector_norm(sides, dim=1)
    return torch.where(missing == 0, missing, missing / sizes)
