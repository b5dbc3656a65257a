"""Steps of a Krylov iteration: which direction to go, for many sides at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from torchattr.influence.solvers.conjugate_directions import (
    ConjugateDirections,
    gram,
    orthonormal_rows,
)

__all__ = ["KrylovSteps", "Rows", "SeparateSpaces", "SharedSpace", "Step"]

#: A linear map of ``(R, P)`` to ``(R, P)``, row by row.
Rows = Callable[[Tensor], Tensor]


class Step(NamedTuple):
    """A change of solutions, and what it changes.

    Attributes:
        change: ``(R, P)``.
        product: ``(R, P)``: the matrix times the change.
        exhausted: Whether the space has no other direction.
    """

    change: Tensor
    product: Tensor
    exhausted: bool = False


class KrylovSteps(ABC):
    """What an iteration knows of the matrix, and where it goes next.

    Args:
        multiply: The matrix.
        precondition: About its inverse.

    Attributes:
        indefinite: Whether a direction of negative curvature was met.
    """

    def __init__(self, multiply: Rows, precondition: Rows) -> None:
        self.multiply = multiply
        self.precondition = precondition
        self.indefinite = False

    @abstractmethod
    def step(self, residuals: Tensor) -> Step:
        """The next change of each solution; one multiplication.

        Args:
            residuals: ``(R, P)``, none of them 0.
        """

    @abstractmethod
    def keep(self, rows: Tensor) -> None:
        """Go on with some of the sides only.

        Args:
            rows: Their positions among the present ones.
        """

    @abstractmethod
    def restart(self) -> None:
        """Expect residuals, next time, that no step led to."""


class SharedSpace(KrylovSteps):
    r"""Block conjugate gradients: every side gains by the directions of all.

    A step multiplies an orthonormal basis of the residuals, as many vectors as are
    linearly independent, which is what makes it free of breakdowns (`Ji and Li, 2017
    <https://doi.org/10.1007/s10543-016-0631-z>`_). They are made conjugate to all
    directions that fit in memory, not to the latest alone, so that after :math:`P`
    directions there is nothing left, in practice too.

    Args:
        multiply: The matrix.
        precondition: About its inverse.
        sides: ``(R, P)``.

    Example:
        >>> sides = torch.tensor([[2.0, 0.0], [0.0, 4.0], [2.0, 4.0]])
        >>> space = SharedSpace(lambda rows: 2 * rows, lambda rows: rows, sides)
        >>> space.step(sides).change.round(decimals=4).abs()
        tensor([[1., 0.],
                [0., 2.],
                [1., 2.]])
    """

    def __init__(self, multiply: Rows, precondition: Rows, sides: Tensor) -> None:
        super().__init__(multiply, precondition)
        self._known = ConjugateDirections(sides, block=min(sides.shape))
        self._largest = 0.0

    def step(self, residuals: Tensor) -> Step:
        """One multiplication with at most ``min(R, P)`` vectors."""
        # Residuals are orthogonal to known directions, except for what rounding, or a
        # restart, has brought in.
        change, product = self._known.corrections(residuals)
        left = residuals - product
        vectors = self._known.conjugated(_unit(self.precondition(left)))
        sizes = _sizes(vectors)
        vectors = vectors[(sizes > 100 * _eps(sizes)).squeeze(1)]
        if len(vectors) == 0:
            return Step(change, product, exhausted=True)
        basis = self._known.conjugated(orthonormal_rows(_unit(vectors)))
        directions, products, signs = self._scaled(basis, self.multiply(basis))
        self._known.add(directions, products, signs)
        weights = (left @ directions.T) * signs
        return Step(
            change + weights @ directions,
            product + weights @ products,
            exhausted=len(signs) == 0,
        )

    def _scaled(self, basis: Tensor, products: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        matrix = gram(basis, products)
        values, mixing = torch.linalg.eigh((matrix + matrix.T) / 2)
        self._largest = max(self._largest, values.abs().max().item())
        rounding = 10 * _eps(basis) * self._largest
        kept = values.abs() > rounding
        self.indefinite |= bool((values < -rounding).any())
        scaled = (mixing[:, kept] / values[kept].abs().sqrt()).T.to(basis.dtype)
        signs = values[kept].sign().to(basis.dtype)
        return scaled @ basis, scaled @ products, signs

    def keep(self, rows: Tensor) -> None:
        """The directions are everyone's."""

    def restart(self) -> None:
        """The directions know the matrix as well as before."""


class SeparateSpaces(KrylovSteps):
    """Conjugate gradients of each side by itself, multiplied all at once.

    Args:
        multiply: The matrix.
        precondition: About its inverse.

    Example:
        >>> def double(rows): return 2 * rows
        >>> SeparateSpaces(double, lambda rows: rows).step(torch.eye(2)).change
        tensor([[0.5000, 0.0000],
                [0.0000, 0.5000]])
    """

    def __init__(self, multiply: Rows, precondition: Rows) -> None:
        super().__init__(multiply, precondition)
        self._directions = self._before = torch.empty(0)

    def step(self, residuals: Tensor) -> Step:
        """One multiplication with ``R`` vectors."""
        towards = self.precondition(residuals)
        products = (residuals * towards).sum(1, keepdim=True)
        if len(self._before):
            towards = torch.addcmul(towards, products / self._before, self._directions)
        self._directions = towards
        self._before = products
        image = self.multiply(self._directions)
        curvatures = (self._directions * image).sum(1, keepdim=True)
        rounding = 10 * _eps(image) * _sizes(self._directions) * _sizes(image)
        self.indefinite |= bool((curvatures < -rounding).any())
        lengths = torch.where(curvatures.abs() > rounding, products / curvatures, 0)
        return Step(lengths * self._directions, lengths * image)

    def keep(self, rows: Tensor) -> None:
        """Forget what the others did."""
        self._directions = self._directions[rows]
        self._before = self._before[rows]

    def restart(self) -> None:
        """Forget the last directions."""
        self._directions = self._before = torch.empty(0)


def _unit(vectors: Tensor) -> Tensor:
    return vectors / _sizes(vectors).clamp_min(torch.finfo(vectors.dtype).tiny)


def _sizes(vectors: Tensor) -> Tensor:
    sizes: Tensor = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return sizes


def _eps(vectors: Tensor) -> float:
    return torch.finfo(vectors.dtype).eps
