"""Stop when values no longer move, in proportion to their size."""

from __future__ import annotations

import math
from typing import final

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError
from torchattr.games.counts import as_count
from torchattr.valuation.result import Status, ValuationResult
from torchattr.valuation.stopping.criterion import StoppingCriterion
from torchattr.valuation.stopping.rolling_memory import RollingMemory, Snapshot

__all__ = ["HistoryDeviation"]


@final
class HistoryDeviation(StoppingCriterion):
    r"""Stop when values changed little over the last results.

    With :math:`v_{i,t}` the value of index :math:`i` in result :math:`t`, and :math:`m`
    the number of steps, it is met when

    .. math:: \frac1n \sum_i \frac{|v_{i,t} - v_{i,t-m}|}{|v_{i,t}|} < \mathrm{rtol}.

    A value that stayed 0 contributes nothing, one that became 0 forbids. The mean is
    over indices that were updated in between and, with ``pin_converged``, have not yet
    converged. The rule looks at changes of a mean, which shrink whether or not it is
    known well: prefer :class:`AbsoluteStandardError` where you can name a tolerance.

    Args:
        n_steps: Over how many results, positive.
        rtol: Relative tolerance, positive.
        pin_converged: Whether an index that has converged stays so.

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> is_done, t = HistoryDeviation(n_steps=2, rtol=0.1), 1
        >>> while not is_done(ValuationResult(values=[-1 / t], counts=[t])):
        ...     t += 1
        >>> t > (1 + 1 / 0.1) * 2, t
        (True, 23)

    References:
        Ghorbani and Zou (2019), *Data Shapley*, where the rule has ``n_steps=100`` and
        ``rtol=0.05``.
    """

    def __init__(
        self,
        n_steps: int,
        rtol: float,
        pin_converged: bool = True,  # ruff: ignore[boolean-type-hint-positional-argument, boolean-default-value-positional-argument] (pyDVL's argument)
    ) -> None:
        if not 0 < rtol < math.inf:
            raise InputError(f"rtol must be positive and finite, got {rtol!r}")
        self.n_steps = as_count("n_steps", n_steps)
        self.rtol = rtol
        self.pin_converged = pin_converged
        self._memory = RollingMemory(self.n_steps + 1)
        self._pinned = _Pinned()
        self._completion = 0.0
        super().__init__(parts=(self._memory, self._pinned))

    def _check(self, result: ValuationResult) -> Status:
        now = self._memory.keep(result)
        before = self._pinned.mask(len(result))
        self._completion = float(before.mean()) if len(result) else 0.0
        met = before.copy()
        if self._memory.is_full:
            then = self._memory.snapshots[0]
            asked = now.updated_since(then) & ~before
            change = _mean_relative_change(now, then, asked)
            if change < self.rtol:
                met |= asked
            elif asked.any():
                self._completion = max(self._completion, self.rtol / change)
        if self.pin_converged:
            self._pinned.of = met
        self._converged = self._memory.in_order_of_result(met)
        if len(result) and met.all():
            self._completion = 1.0
            return Status.Converged
        return Status.Pending

    def completion(self) -> float:
        """Tolerance over change, or the share that has converged if that is more."""
        return self._completion if self._count else 0.0

    def __repr__(self) -> str:
        return f"HistoryDeviation({self.n_steps}, rtol={self.rtol})"


class _Pinned:
    """Which indices have converged for good."""

    def __init__(self) -> None:
        self.of: NDArray[np.bool_] | None = None

    def reset(self) -> None:
        self.of = None

    def mask(self, size: int) -> NDArray[np.bool_]:
        return np.zeros(size, dtype=bool) if self.of is None else self.of


def _mean_relative_change(
    now: Snapshot, then: Snapshot, asked: NDArray[np.bool_]
) -> float:
    """NaN where nobody is asked, infinite where one became 0."""
    if not asked.any():
        return math.nan
    change = np.abs(now.values - then.values)[asked]
    size = np.abs(now.values)[asked]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        relative = np.where(change == 0, 0.0, change / size)
    return float(relative.mean())
