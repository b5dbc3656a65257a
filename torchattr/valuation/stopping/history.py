"""Values as they developed."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from torchattr.games.counts import as_count
from torchattr.valuation.result import Status, ValuationResult
from torchattr.valuation.stopping.criterion import StoppingCriterion, never
from torchattr.valuation.stopping.rolling_memory import RollingMemory

__all__ = ["History"]


@final
class History(StoppingCriterion):
    """Never stop, but keep the values of the last results, for curves of convergence.

    Args:
        n_steps: How many results are kept.
        skip_steps: How many are let pass at the beginning.

    Raises:
        InputError: If an argument is not a whole number in range.

    Example:
        >>> history = History(n_steps=2)
        >>> for value in (1.0, 0.5, 0.25):
        ...     _ = history(ValuationResult(values=[value, -value]))
        >>> history.data
        array([[ 0.5 ,  0.25],
               [-0.5 , -0.25]])
    """

    def __init__(self, n_steps: int, skip_steps: int = 0) -> None:
        self._memory = RollingMemory(
            as_count("n_steps", n_steps), as_count("skip_steps", skip_steps, at_least=0)
        )
        super().__init__(parts=(self._memory,), updates_needed=never)

    def _check(self, result: ValuationResult) -> Status:
        self._memory.keep(result)
        return Status.Pending

    def completion(self) -> float:
        """0: there is no end to it."""
        return 0.0

    @property
    def data(self) -> NDArray[np.float64]:
        """``(n, T)`` values, rows as in the first result, the newest column last.

        There are as many columns as results were kept, at most ``n_steps``.
        """
        kept = [snapshot.values for snapshot in self._memory.snapshots]
        return np.stack(kept, axis=1) if kept else np.zeros((0, 0))

    def __len__(self) -> int:
        return len(self._memory.snapshots)

    def __repr__(self) -> str:
        return f"History({self._memory.size}, skip_steps={self._memory.skip})"
