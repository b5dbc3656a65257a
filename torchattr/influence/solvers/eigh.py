"""Solving with all eigenpairs of a dense curvature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.solvers.eigenpairs import eigenpairs
from torchattr.influence.solvers.solver import Solved, Solver
from torchattr.influence.solvers.symmetric_matrix import moved

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Eigh"]


class Eigh(Solver):
    r"""Exact solutions by an eigendecomposition, for many :math:`\lambda`.

    :math:`z = V (D + \lambda)^{-1} V^\top g`. It takes some ten times as long as
    :class:`Cholesky` once, and nothing when :math:`\lambda` changes.

    Args:
        curvature: Any symmetric operator.

    Raises:
        InputError: If the matrix is not finite, or not symmetric.

    Note:
        Memory: four ``(P, P)`` matrices in double precision for a moment, one that is
        kept. Time: about :math:`10 P^3` multiplications, then :math:`2 P^2` for each
        right-hand side.

    Example:
        >>> solver = Eigh(torch.tensor([[2.0, 0.0], [0.0, -3.0]]))
        >>> solver.eigenvalues
        tensor([-3.,  2.])
        >>> solver.solve(torch.ones(1, 2), 1.0).vectors
        tensor([[ 0.3333, -0.5000]])
    """

    def __init__(self, curvature: LinearOperator) -> None:
        super().__init__(curvature)
        self._pairs = eigenpairs(curvature)

    @property
    def eigenvalues(self) -> Tensor:
        """``(P,)``, ascending."""
        return self._pairs.values

    def solve(self, vectors: Tensor, regularization: float) -> Solved:
        """Exact solutions, for any regularization at the same cost."""
        return Solved(self._pairs.solved(vectors, regularization, complement=False))

    def trace(self) -> float:
        """The sum of the eigenvalues."""
        return float(self._pairs.values.sum(dtype=torch.float64))

    def to(self, device: torch.device | str) -> Self:
        """Move the eigenvectors."""
        self.curvature = moved(self.curvature, device)
        self._pairs = self._pairs.to(device)
        return self
