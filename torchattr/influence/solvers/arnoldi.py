"""Solving with the eigenvectors of largest absolute eigenvalue."""

from __future__ import annotations

import math
import warnings
from numbers import Real
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.counts import as_count
from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.solvers.block_lanczos import largest_eigenpairs
from torchattr.influence.solvers.callers_frame import frames_to_the_user
from torchattr.influence.solvers.deflated_trace import deflated_trace
from torchattr.influence.solvers.eigenpairs import Eigenpairs, eigenpairs
from torchattr.influence.solvers.solver import ConvergenceWarning, Solved, Solver
from torchattr.influence.solvers.symmetric_matrix import moved

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Arnoldi", "check_arnoldi"]

#: Columns of the basis: this many times the rank and some, but no fewer than the least.
_COLUMNS, _SPARE, _LEAST_COLUMNS = 3, 5, 60
#: Products with a block, unless the caller says how many.
_PASSES = 100


class Arnoldi(Solver):
    r"""Solutions in the space of the eigenvectors of largest :math:`|d_i|`.

    .. math:: z = V (D + \lambda)^{-1} V^\top g
        \quad \Bigl[{} + \frac1\lambda (I - V V^\top) g \text{ with } `use_woodbury`
        \Bigr]

    What is outside these eigenvectors is dropped, or taken as curvature 0. Neither
    solves the system with the whole curvature: the eigenvalues that are left out should
    be small beside :math:`\lambda`. ``relative_residuals`` says how far off it is.
    Negative eigenvalues are kept as they are, so that with one near :math:`-\lambda` a
    score is large, as it is with the whole matrix. :math:`\lambda = 0` gives the
    pseudo-inverse within :math:`V`, where no eigenvalue that is kept may be 0, and is
    refused with ``use_woodbury``.

    Eigenvectors come from block Lanczos iterations, which find an eigenvalue as often
    as it occurs; and from a dense eigendecomposition if the rank, or the basis that it
    needs, is as large as the matrix.

    Args:
        curvature: Any symmetric operator.
        rank: How many eigenvectors; with ``P`` or more the solution is exact.
        krylov_dimension: Most columns of the basis that is built; some 3 times the rank
            if ``None``.
        tol: :math:`\|C v_i - d_i v_i\|` that is allowed, relative to the largest
            :math:`|d_i|`; no less than 20 times the precision of the numbers.
        max_iter: Most products with a block of vectors, 100 if ``None``.
        use_woodbury: Whether the complement is added.
        seed: Of the first vectors.

    Attributes:
        residual: Which was reached, in the measure of ``tol``.

    Raises:
        InputError: If an argument is out of range.

    Note:
        Some ten passes over the training data where eigenvalues decay, at most
        ``max_iter``. Memory: two times ``krylov_dimension`` vectors of ``P`` numbers,
        ``rank`` that are kept.

    Example:
        >>> matrix = torch.diag(torch.tensor([1.0, -5.0, 4.0]))
        >>> solver = Arnoldi(matrix, rank=2)
        >>> solver.eigenvalues
        tensor([-5.,  4.])
        >>> solver.solve(torch.ones(1, 3), 1.0).vectors
        tensor([[ 0.0000, -0.2500,  0.2000]])
    """

    def __init__(
        self,
        curvature: LinearOperator,
        *,
        rank: int = 10,
        krylov_dimension: int | None = None,
        tol: float = 1e-6,
        max_iter: int | None = None,
        use_woodbury: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(curvature)
        check_arnoldi(rank, krylov_dimension, tol, max_iter)
        rank, self._use_woodbury, self._seed = int(rank), use_woodbury, seed
        tol = max(float(tol), 20 * torch.finfo(curvature.dtype).eps)
        size = curvature.shape[0]
        n_columns = krylov_dimension or max(_COLUMNS * (rank + _SPARE), _LEAST_COLUMNS)
        self.residual = 0.0
        if n_columns + rank + _SPARE > size:
            self._pairs = _largest(eigenpairs(curvature), rank)
            return
        passes = max_iter or _PASSES
        found = largest_eigenpairs(
            curvature, rank, n_columns=n_columns, tol=tol, max_iter=passes, seed=seed
        )
        self._pairs, self.residual = found.pairs, found.residual
        if not self.residual <= tol:
            warnings.warn(
                f"the {rank} eigenvectors did not converge in {found.passes} products: "
                f"their residual is {self.residual:.1e}, tol is {tol:.1e}. Pass a "
                "larger max_iter or krylov_dimension, or another rank",
                ConvergenceWarning,
                stacklevel=frames_to_the_user(),
            )

    @property
    def eigenvalues(self) -> Tensor:
        """``(rank,)``: those that are kept, largest absolute value first."""
        return self._pairs.values

    def solve(self, vectors: Tensor, regularization: float) -> Solved:
        """Solutions within the eigenvectors, and their complement if it is wanted."""
        return Solved(
            self._pairs.solved(vectors, regularization, complement=self._use_woodbury)
        )

    def trace(self) -> float:
        """An estimate: exact within the eigenvectors, from random signs outside."""
        return deflated_trace(self.curvature, self._pairs.vectors, seed=self._seed)

    def to(self, device: torch.device | str) -> Self:
        """Move the eigenvectors."""
        self.curvature = moved(self.curvature, device)
        self._pairs = self._pairs.to(device)
        return self


def check_arnoldi(
    rank: object, krylov_dimension: object, tol: object, max_iter: object
) -> None:
    """Refuse arguments that are out of range.

    Args:
        rank: As for the solver.
        krylov_dimension: As for the solver.
        tol: As for the solver.
        max_iter: As for the solver.

    Raises:
        InputError: If one is.

    Example:
        >>> check_arnoldi(10, None, 1e-6, None)
    """
    least = as_count("rank", rank)
    if max_iter is not None:
        as_count("max_iter", max_iter)
    if krylov_dimension is not None and (
        as_count("krylov_dimension", krylov_dimension) <= least
    ):
        raise InputError(
            f"krylov_dimension must be larger than the rank, {least}; got "
            f"{krylov_dimension}"
        )
    if not isinstance(tol, Real) or not 0 <= float(tol) < math.inf:
        raise InputError(f"tol must be a number >= 0; got {tol!r}")


def _largest(pairs: Eigenpairs, rank: int) -> Eigenpairs:
    order = pairs.values.abs().argsort(descending=True)[:rank]
    # A copy of the columns: a view would keep the whole matrix.
    return Eigenpairs(pairs.vectors[:, order], pairs.values[order])
