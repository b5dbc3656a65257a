"""The last results that a criterion saw."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError
from torchattr.valuation.result import ValuationResult

__all__ = ["RollingMemory", "Snapshot"]


class Snapshot(NamedTuple):
    """What is kept of a result, in the order of the first one that was seen.

    Attributes:
        values: ``(n,)``.
        counts: ``(n,)``.
    """

    values: NDArray[np.float64]
    counts: NDArray[np.int64]

    def updated_since(self, earlier: Snapshot) -> NDArray[np.bool_]:
        """Which indices were updated since, of whose values both say something.

        Where no count has changed at all, the results are taken to come without counts,
        and all indices to be updated by each.

        Args:
            earlier: An earlier snapshot of the same run.

        Returns:
            ``(n,)``.
        """
        known = np.isfinite(self.values) & np.isfinite(earlier.values)
        known &= (self.counts > 0) & (earlier.counts > 0)
        updated = self.counts > earlier.counts
        return known & updated if updated.any() else known


class RollingMemory:
    """Values and counts of the last results, whatever the order of their rows.

    Args:
        size: How many results are kept.
        skip: How many are let pass at the beginning.
    """

    def __init__(self, size: int, skip: int = 0) -> None:
        self.size, self.skip = size, skip
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._seen = 0
        self._indices: NDArray[np.int64] | None = None
        self._snapshots: deque[Snapshot] = deque(maxlen=self.size)
        self.rows: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    @property
    def is_full(self) -> bool:
        """Whether as many results are kept as there is room for."""
        return len(self._snapshots) == self.size

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """What is kept, the oldest first."""
        return tuple(self._snapshots)

    def keep(self, result: ValuationResult) -> Snapshot:
        """Remember a result; ``rows`` says where in it the indices of the first are.

        Args:
            result: Of the same indices as those before.

        Returns:
            What is kept of it.

        Raises:
            InputError: If its indices are others.
        """
        if self._indices is None:
            self._indices = result.indices
        if np.array_equal(self._indices, result.indices):
            self.rows = np.arange(len(result))
        elif np.array_equal(np.sort(self._indices), np.sort(result.indices)):
            self.rows = result.positions(self._indices)
        else:
            raise InputError(
                "this criterion remembers results of other indices; reset() it before "
                "it is used for other data"
            )
        snapshot = Snapshot(result.values[self.rows], result.counts[self.rows])
        self._seen += 1
        if self._seen > self.skip:
            self._snapshots.append(snapshot)
        return snapshot

    def in_order_of_result(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask over the rows of the result that came last.

        Args:
            mask: ``(n,)`` over the indices as they are kept.

        Returns:
            ``(n,)``.
        """
        there = np.zeros_like(mask)
        there[self.rows] = mask
        return there
