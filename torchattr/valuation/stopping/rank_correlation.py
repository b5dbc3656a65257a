"""Stop when the order of the values no longer changes."""

from __future__ import annotations

import math
from typing import final

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError
from torchattr.games.counts import as_count
from torchattr.valuation.result import Status, ValuationResult
from torchattr.valuation.stopping.absolute_standard_error import check_share
from torchattr.valuation.stopping.criterion import StoppingCriterion
from torchattr.valuation.stopping.rolling_memory import RollingMemory, Snapshot
from torchattr.valuation.stopping.update_counts import number_of

__all__ = ["RankCorrelation"]


@final
class RankCorrelation(StoppingCriterion):
    r"""Stop when the ranking is the one that half of the updates gave.

    It is met when Spearman's correlation :math:`\rho` between the values now and those
    at a time when there had been half as many updates, or fewer, satisfies
    :math:`1 - \rho < \mathrm{rtol}`. Rankings by means of :math:`t` and of
    :math:`t + 1` updates nearly agree however far both are from the truth. Those of
    :math:`t` and :math:`t/2` differ by as much as the values at :math:`t` differ from
    the truth, and so show slow drift.

    Args:
        rtol: How far the correlation may be from 1, positive.
        burn_in: Updates before which an index is not ranked.
        fraction: The share of the indices that must have been updated more than
            ``burn_in`` times, and since the earlier ranking; the correlation is over
            those.

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> is_done, t = RankCorrelation(rtol=0.01, burn_in=10), 1
        >>> while not is_done(ValuationResult(values=[3.0, 1, 2], counts=[t] * 3)):
        ...     t += 1
        >>> t
        11

    References:
        Wang et al. (2024), *Rethinking data Shapley for data selection tasks*, where
        consecutive rankings are compared.
    """

    def __init__(self, rtol: float, burn_in: int, fraction: float = 1) -> None:
        if not 0 < rtol < math.inf:
            raise InputError(f"rtol must be positive and finite, got {rtol!r}")
        self.rtol = rtol
        self.burn_in = as_count("burn_in", burn_in, at_least=0)
        self.fraction = check_share("fraction", fraction)
        self._memory = RollingMemory(1)
        self._doublings = _Doublings(self.fraction)
        self._completion = 0.0
        super().__init__(parts=(self._memory, self._doublings))

    def _check(self, result: ValuationResult) -> Status:
        if not len(result):
            return Status.Pending
        now = self._memory.keep(result)
        earlier = self._doublings.half_as_old(now)
        self._completion, met = 0.0, np.zeros(len(result), dtype=bool)
        if earlier is not None:
            ranked = now.updated_since(earlier)
            ranked &= self._doublings.updates(now) > self.burn_in
            if ranked.sum() >= number_of(self.fraction, len(result)):
                distance = 1 - _spearman(now.values[ranked], earlier.values[ranked])
                met = ranked & (distance < self.rtol)
                self._completion = min(1.0, self.rtol / max(distance, 1e-300))
        self._converged = self._memory.in_order_of_result(met)
        return Status.Converged if met.any() else Status.Pending

    def completion(self) -> float:
        """Tolerance over distance from 1."""
        return self._completion if self._count else 0.0

    def __repr__(self) -> str:
        return (
            f"RankCorrelation({self.rtol}, burn_in={self.burn_in}, "
            f"fraction={self.fraction})"
        )


class _Doublings:
    """Snapshots at numbers of updates each at least twice the one before.

    The last but one is always at most half as old as now, at least a quarter if it was
    asked often enough, and two are all that is ever needed.
    """

    def __init__(self, fraction: float) -> None:
        self.fraction = fraction
        self.reset()

    def reset(self) -> None:
        self.calls = 0
        self.first_counts: NDArray[np.int64] | None = None
        self.is_counted = False
        self.kept: list[tuple[Snapshot, int]] = []  # with the number of the call

    def half_as_old(self, now: Snapshot) -> Snapshot | None:
        """The snapshot to compare with, if there is one yet."""
        self.calls += 1
        if self.first_counts is None:
            self.first_counts = now.counts
        # Results that come without counts are counted by the call.
        self.is_counted |= bool((now.counts != self.first_counts).any())
        age = self._age(now, self.calls)
        if age and (not self.kept or age >= 2 * self._age(*self.kept[-1])):
            self.kept = [*self.kept[-1:], (now, self.calls)]
        return self.kept[0][0] if len(self.kept) == 2 else None

    def updates(self, now: Snapshot) -> NDArray[np.int64]:
        return now.counts if self.is_counted else np.full_like(now.counts, self.calls)

    def _age(self, snapshot: Snapshot, call: int) -> int:
        """Updates that the required share of the indices has had."""
        if not self.is_counted:
            return call
        position = len(snapshot.counts) - number_of(self.fraction, len(snapshot.counts))
        return int(np.partition(snapshot.counts, position)[position])


def _spearman(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Rank correlation, ties sharing their mean rank; 1 where both are all tied."""
    a, b = _centred_ranks(left), _centred_ranks(right)
    lengths = math.sqrt(float(a @ a) * float(b @ b))
    if lengths == 0:
        return 1.0 if not a.any() and not b.any() else 0.0
    return float(a @ b) / lengths


def _centred_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    ordered = np.sort(values)
    first = np.searchsorted(ordered, values, side="left")
    behind = np.searchsorted(ordered, values, side="right")
    return (first + behind - len(values)) / 2
