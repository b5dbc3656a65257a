"""Directions that are conjugate to each other: what a Krylov iteration remembers."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["ConjugateDirections", "gram", "orthonormal_rows"]

#: Numbers that are kept, directions and their products together: 128 MB in single
#: precision.
_ELEMENTS = 2**25
#: Columns that are multiplied at once in double precision.
_COLUMNS = 2**16


class ConjugateDirections:
    r"""Directions :math:`d_i` with :math:`d_i^\top A d_j = \pm\delta_{ij}`.

    All are kept while they fit in memory, 128 MB in single precision, then the latest.
    In exact arithmetic those of the previous step would do. With rounding, single
    precision and small regularization, the recursion forgets the others, and needs
    twice the steps; where the matrix is indefinite, it gets nowhere.

    Args:
        like: ``(*, P)``, of the dtype and on the device of the directions.
        block: The most directions that are added at once.

    Example:
        >>> directions = ConjugateDirections(torch.ones(1, 2), block=1)
        >>> first = torch.tensor([[1.0, 0.0]])
        >>> directions.add(first, first, torch.ones(1))
        >>> directions.conjugated(torch.ones(1, 2))
        tensor([[0., 1.]])
    """

    def __init__(self, like: Tensor, block: int) -> None:
        size = like.shape[1]
        self._capacity = min(max(_ELEMENTS // (2 * size), 2 * block), size + block)
        self._directions = like.new_empty(0, size)
        self._products = like.new_empty(0, size)
        self._signs = like.new_empty(0)
        self._next = 0

    def add(self, directions: Tensor, products: Tensor, signs: Tensor) -> None:
        """Remember some more, over the oldest where memory is full.

        Args:
            directions: ``(s, P)``.
            products: ``(s, P)``: the matrix times each.
            signs: ``(s,)``: 1 or -1, that of each product with its direction.
        """
        if self._next + len(directions) > self._capacity:
            self._next = 0
        stop = self._next + len(directions)
        self._reserve(stop)
        self._directions[self._next : stop] = directions
        self._products[self._next : stop] = products
        self._signs[self._next : stop] = signs
        self._next = stop

    def conjugated(self, vectors: Tensor) -> Tensor:
        """Vectors without their components along the directions.

        Args:
            vectors: ``(R, P)``.

        Returns:
            ``(R, P)``, conjugate to each direction.
        """
        weights = (vectors @ self._products.T) * self._signs
        return vectors - weights @ self._directions

    def corrections(self, residuals: Tensor) -> tuple[Tensor, Tensor]:
        """The best changes of solutions along the directions, and what they change.

        Args:
            residuals: ``(R, P)``.

        Returns:
            ``(R, P)`` and the matrix times it, ``(R, P)``.
        """
        weights = (residuals @ self._directions.T) * self._signs
        return weights @ self._directions, weights @ self._products

    def _reserve(self, count: int) -> None:
        missing = count - len(self._signs)
        if missing > 0:
            self._directions = _longer(self._directions, missing)
            self._products = _longer(self._products, missing)
            self._signs = _longer(self._signs, missing)


def gram(first: Tensor, second: Tensor) -> Tensor:
    """Inner products of rows, in double precision.

    Args:
        first: ``(R, P)``.
        second: ``(S, P)``.

    Returns:
        ``(R, S)``, of float64.

    Example:
        >>> gram(torch.ones(1, 3), torch.ones(1, 3))
        tensor([[3.]], dtype=torch.float64)
    """
    total = first.new_zeros(len(first), len(second), dtype=torch.float64)
    for start in range(0, first.shape[1], _COLUMNS):
        part = slice(start, start + _COLUMNS)
        total.addmm_(first[:, part].double(), second[:, part].double().T)
    return total


def orthonormal_rows(vectors: Tensor) -> Tensor:
    """An orthonormal basis of the span of some rows.

    Combinations that are rounding errors of the rows are left out.

    Args:
        vectors: ``(R, P)``, of about unit length.

    Returns:
        ``(s, P)``, where ``s`` is at most ``R`` and at most ``P``.

    Example:
        >>> orthonormal_rows(torch.eye(2)[[0, 0]]).abs()
        tensor([[1., 0.]])
    """
    squares, mixing = torch.linalg.eigh(gram(vectors, vectors))
    # Double precision resolves squares down to 1e-15; what is left out here is still in
    # the residuals, and comes back once it is the largest part of one.
    rounding = max(1e3 * torch.finfo(vectors.dtype).eps, 1e-6)
    kept = squares > rounding**2 * squares[-1:]
    basis = mixing[:, kept] / squares[kept].sqrt()
    rows: Tensor = basis.T.to(vectors.dtype) @ vectors
    return rows


def _longer(stored: Tensor, missing: int) -> Tensor:
    # A fixed share more than is asked for, so that few copies are made.
    spare = max(missing, len(stored) // 2)
    return torch.cat([stored, stored.new_zeros(spare, *stored.shape[1:])])
