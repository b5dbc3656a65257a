"""Factors of a symmetric matrix: made once, used for many right-hand sides."""

from __future__ import annotations

import sys
from typing import NamedTuple

import torch
from torch import Tensor

from torchattr.errors import InputError

__all__ = ["SymmetricFactors", "factorized"]

#: Probes and steps of the power iteration that estimates the norm of an inverse.
_PROBES, _STEPS = 4, 2


class SymmetricFactors(NamedTuple):
    """Triangular factors of a symmetric matrix, definite or not.

    Attributes:
        triangle: ``(P, P)``: the lower factor of Cholesky, or both of LU.
        pivots: Those of LU; ``None`` for Cholesky.

    Example:
        >>> factorized(torch.eye(2), 1.0).solve(torch.ones(2, 1)).flatten()
        tensor([0.5000, 0.5000])
    """

    triangle: Tensor
    pivots: Tensor | None

    def solve(self, columns: Tensor) -> Tensor:
        """Solutions, one for each right-hand side.

        Args:
            columns: ``(P, R)``.

        Returns:
            ``(P, R)``.
        """
        if self.pivots is not None:
            eliminated: Tensor = torch.linalg.lu_solve(
                self.triangle, self.pivots, columns
            )
            return eliminated
        # torch.cholesky_solve copies the factor at each call, and takes twice to three
        # times as long for 20 right-hand sides and 2,410 parameters.
        half = torch.linalg.solve_triangular(self.triangle, columns, upper=False)
        solved: Tensor = torch.linalg.solve_triangular(
            self.triangle.mT, half, upper=True
        )
        return solved


def factorized(
    matrix: Tensor, regularization: float, dtype: torch.dtype | None = None
) -> SymmetricFactors:
    r"""Factors of :math:`C + \lambda I`.

    Cholesky where it is positive definite; otherwise LU with pivots, for which the sign
    of eigenvalues does not matter.

    Args:
        matrix: ``(P, P)``, symmetric.
        regularization: :math:`\lambda`.
        dtype: Precision of the factors; that of the matrix if ``None``.

    Returns:
        The factors.

    Raises:
        InputError: If the matrix is singular to its own precision; with a
            regularization for which it is not.

    Note:
        :math:`P^3/3` multiplications, twice as many and once more where it is not
        positive definite, and memory for two more matrices.

    Example:
        >>> indefinite = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> factorized(indefinite, 0.0).solve(torch.tensor([[1.0], [2.0]])).flatten()
        tensor([2., 1.])
    """
    dtype = dtype or matrix.dtype
    factors, condition = _attempt(matrix, regularization, dtype)
    limit = 1 / torch.finfo(matrix.dtype).eps
    if condition < limit:
        return factors
    enough = _rounded(max(regularization, _size(matrix) / limit**0.5, 1 / limit))
    while not _attempt(matrix, enough, dtype)[1] < limit:
        enough = _rounded(4 * enough)
    raise InputError(
        f"the curvature plus {regularization:g} on its diagonal is singular to working "
        f"precision: its condition number is about {condition:.0e}, and "
        f"{matrix.dtype} resolves {limit:.0e}. Pass regularization={enough}, which "
        "would do"
    )


def _attempt(
    matrix: Tensor, regularization: float, dtype: torch.dtype
) -> tuple[SymmetricFactors, float]:
    """Factors, and an estimate of the condition number that is rather too small."""
    shifted = matrix.to(dtype, copy=True)
    shifted.diagonal().add_(regularization)
    triangle, failed = torch.linalg.cholesky_ex(shifted)
    factors = SymmetricFactors(triangle, None)
    if bool(failed):
        factors = SymmetricFactors(*torch.linalg.lu_factor_ex(shifted)[:2])
    inverse_size = _inverse_size(factors)
    # (A matrix of zeros has the size 0, and its inverse none.)
    return factors, max(_size(shifted), 1 / sys.float_info.max) * inverse_size


def _rounded(number: float) -> float:
    """What a message can say and a user type, so that just that is tried."""
    return float(f"{number:.1e}")


def _size(matrix: Tensor) -> float:
    """At least the largest |eigenvalue|: the smaller of two norms that are cheap."""
    rows = torch.linalg.vector_norm(matrix, ord=1, dim=1).max()
    return float(torch.minimum(rows, torch.linalg.vector_norm(matrix)))


def _inverse_size(factors: SymmetricFactors) -> float:
    """At most the largest |eigenvalue| of the inverse, by a seeded power iteration."""
    like = factors.triangle
    draws = torch.Generator().manual_seed(0)
    probes = torch.randn(len(like), _PROBES, generator=draws, dtype=torch.float64)
    probes = probes.to(like)
    for _ in range(_STEPS):
        probes = factors.solve(probes / torch.linalg.vector_norm(probes, dim=0))
    sizes = torch.linalg.vector_norm(probes, dim=0)
    # A pivot that is exactly 0 gives infinity or NaN.
    return float(torch.where(torch.isfinite(sizes), sizes, torch.inf).max())
