"""Sums of matrices that are kept small until all examples are in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from torch import Tensor

__all__ = ["Columns", "MatrixSum", "Term", "Whole"]


@dataclass(eq=False)
class Term(ABC):
    """A part of a symmetric matrix: a function of a tensor, linear in it.

    Attributes:
        key: Terms with the same key are the same function.
        total: The tensor.
    """

    key: Hashable
    total: Tensor

    @abstractmethod
    def add_to(self, matrix: Tensor) -> None:
        """Add the part to a matrix.

        Args:
            matrix: ``(P, P)``, changed in place.
        """


@dataclass(eq=False)
class Whole(Term):
    """All of the matrix, or twice that when its transpose is added.

    Example:
        >>> import torch
        >>> matrix = torch.zeros(2, 2)
        >>> Whole("whole", torch.tensor([[1.0, 2.0], [0.0, 1.0]])).add_to(matrix)
        >>> matrix
        tensor([[1., 1.],
                [1., 1.]])
    """

    def add_to(self, matrix: Tensor) -> None:
        """Add the symmetric part of the total."""
        matrix.add_(self.total, alpha=0.5).add_(self.total.T, alpha=0.5)


@dataclass(eq=False)
class Columns(Term):
    """Some columns, and the rows that are their transposes.

    Attributes:
        index: Positions of the columns, ``(K,)``; the total is ``(P, K)``.

    Example:
        >>> import torch
        >>> matrix = torch.zeros(2, 2)
        >>> Columns("columns", torch.ones(2, 1), torch.tensor([1])).add_to(matrix)
        >>> matrix
        tensor([[0., 1.],
                [1., 1.]])
    """

    index: Tensor

    def add_to(self, matrix: Tensor) -> None:
        """Add the columns, and the rows where they are none of the columns."""
        crossing = self.total[self.index]
        columns = self.total.index_copy(0, self.index, (crossing + crossing.T) / 2)
        matrix.index_add_(1, self.index, columns)
        columns[self.index] = 0
        matrix.index_add_(0, self.index, columns.T)


class MatrixSum:
    """A sum of symmetric matrices, by its terms.

    Args:
        terms: Whose sum it is. Their tensors are changed when more is added.

    Example:
        >>> import torch
        >>> one = MatrixSum([Whole("whole", torch.eye(2))])
        >>> one.add_(MatrixSum([Whole("whole", torch.eye(2))])).dense(2)
        tensor([[2., 0.],
                [0., 2.]])
    """

    def __init__(self, terms: Iterable[Term] = ()) -> None:
        self._terms: dict[Hashable, Term] = {}
        for term in terms:
            self._add(term)

    def add_(self, other: MatrixSum) -> MatrixSum:
        """Add another sum to this one.

        Args:
            other: Whose tensors may be taken over.

        Returns:
            This sum.
        """
        for term in other._terms.values():
            self._add(term)
        return self

    def dense(self, size: int) -> Tensor:
        """The matrix.

        Args:
            size: ``P``.

        Returns:
            ``(P, P)``, symmetric up to rounding.
        """
        terms = list(self._terms.values())
        matrix = terms[0].total.new_zeros(size, size)
        for term in terms:
            term.add_to(matrix)
        return matrix

    def _add(self, term: Term) -> None:
        if term.key in self._terms:
            self._terms[term.key].total.add_(term.total)
        else:
            self._terms[term.key] = term
