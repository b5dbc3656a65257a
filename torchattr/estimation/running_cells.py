"""Running means and variances of many cells, each with a count of its own."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

__all__ = ["RunningCells"]

# Fewer values than this share of the cells are folded in at their own cells only.
_SPARSE = 0.25


@dataclass
class RunningCells:
    r"""Count, mean and sum of squared deviations of what fell into each cell.

    NumPy arrays, for they are small and many: a call costs a third of PyTorch's.
    Deviations are from the running mean, or from a cell's first value, so a constant
    has a variance of exactly 0, and many digits in common cost none of the rest.

    Attributes:
        counts: ``(cells,)`` int64.
        means: ``(cells,)`` float64.
        squares: ``(cells,)`` float64, :math:`M_2 = \sum_k (x_k - \bar x)^2`.

    Example:
        >>> cells = RunningCells.none(2)
        >>> cells.add(np.array([0, 1, 0]), np.array([2.0, 7.0, 4.0]))
        >>> cells.means, cells.variances
        (array([3., 7.]), array([ 2., nan]))

    References:
        Chan, Golub and LeVeque (1983), *Algorithms for computing the sample variance*.
    """

    counts: NDArray[np.int64]
    means: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def none(cls, n_cells: int) -> RunningCells:
        """Cells into which nothing has fallen.

        Args:
            n_cells: How many there are.

        Returns:
            Cells with a count of 0.
        """
        return cls(np.zeros(n_cells, np.int64), np.zeros(n_cells), np.zeros(n_cells))

    @property
    def variances(self) -> NDArray[np.float64]:
        """Unbiased variances, NaN for less than two values."""
        few = self.counts < 2
        spread: NDArray[np.float64] = self.squares / np.where(few, 1, self.counts - 1)
        return np.where(few, np.nan, spread)

    def add(self, cells: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Fold values in, any number into each cell.

        Args:
            cells: ``(C,)``: the cell of each value.
            values: ``(C,)``.
        """
        if len(cells) < _SPARSE * len(self.counts):
            touched, inverse = np.unique(cells, return_inverse=True)
            part = self._at(touched)
            part._add(inverse, values)
            for name in _ARRAYS:
                getattr(self, name)[touched] = getattr(part, name)
        else:
            self._add(cells, values)

    def merge(self, other: RunningCells, keep: NDArray[np.bool_] | None = None) -> None:
        """Fold in what other cells have seen.

        Args:
            other: As many cells.
            keep: ``(cells,)``: cells that stay as they are.
        """
        added = other.counts if keep is None else np.where(keep, 0, other.counts)
        both = self.counts + added
        share = added / np.maximum(both, 1)
        shift = other.means - self.means
        self.squares += np.where(added > 0, other.squares, 0.0)
        self.squares += shift**2 * (self.counts * share)
        # An empty cell takes the other's mean to the last digit.
        moved = self.means + shift * share
        self.means = np.where(self.counts > 0, moved, np.where(added, other.means, 0.0))
        self.counts = both

    def copy(self) -> RunningCells:
        """The same cells, to go on with apart from these.

        Returns:
            A copy.
        """
        return RunningCells(*(getattr(self, name).copy() for name in _ARRAYS))

    def _at(self, cells: NDArray[np.int64]) -> RunningCells:
        return RunningCells(*(getattr(self, name)[cells] for name in _ARRAYS))

    def _add(self, cells: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        n = len(self.counts)
        # The first value of each cell: where cells repeat, the last assignment stays.
        first = np.zeros(n)
        first[cells[::-1]] = values[::-1]
        origin = np.where(self.counts > 0, self.means, first)
        deviations = values - origin[cells]
        number = np.bincount(cells, minlength=n)
        mean = np.bincount(cells, deviations, minlength=n) / np.maximum(number, 1)
        squares = np.bincount(cells, (deviations - mean[cells]) ** 2, minlength=n)
        both = self.counts + number
        share = number / np.maximum(both, 1)
        self.squares = self.squares + squares + mean**2 * (self.counts * share)
        self.means = origin + mean * share
        self.counts = both


_ARRAYS = tuple(field.name for field in fields(RunningCells))
