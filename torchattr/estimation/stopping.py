r"""When to stop sampling.

A rule is a predicate of the estimates seen at the checks of a run. It has no state, so
one rule can serve many runs, and rules combine: ``|`` (either), ``&`` (both), ``~``
(not). Checks are made at fixed numbers of draws, :func:`check_schedule`, never at the
boundaries of batches: a stopped run does not depend on the batch size.

Looking often and stopping at the first success makes intervals somewhat too narrow;
that is why the checks are few. A standard error of NaN (a single replicate) never
counts as small.

Example:
    >>> rule = StandardErrorBelow(0.01) | MaxEvaluations(5_000) & ~MaxTime(60)
    >>> rule.max_evaluations
    inf
    >>> (StandardErrorBelow(0.01) | MaxEvaluations(5_000)).max_evaluations
    5000
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.estimation.estimate import Estimate
from torchattr.games.counts import as_count

__all__ = [
    "MaxEvaluations",
    "MaxTime",
    "RankStable",
    "RelativeErrorBelow",
    "StandardErrorBelow",
    "StoppingRule",
    "check_schedule",
]


class StoppingRule(ABC):
    """Whether a run has done enough, judged from its estimates so far."""

    @abstractmethod
    def is_met(self, history: Sequence[Estimate]) -> bool:
        """Whether to stop now.

        Args:
            history: The estimates at the checks so far, the current one last.

        Returns:
            True to stop.
        """

    @property
    def max_evaluations(self) -> float:
        """The most evaluations that the rule allows; infinite where it does not say."""
        return math.inf

    def __or__(self, other: StoppingRule) -> StoppingRule:
        return _Either(self, other)

    def __and__(self, other: StoppingRule) -> StoppingRule:
        return _Both(self, other)

    def __invert__(self) -> StoppingRule:
        return _Not(self)


@final
@dataclass(frozen=True)
class StandardErrorBelow(StoppingRule):
    r"""Stop when :math:`\max_i \mathrm{se}_i \le` ``tolerance``.

    The largest standard error is over players, examples and outputs. Nothing else is
    asked: two replicates that agree exactly, as on an additive game, are enough.

    Args:
        tolerance: In units of the game's values, positive.

    Raises:
        InputError: If the tolerance is not positive and finite.

    Example:
        >>> one = torch.ones(3)
        >>> now = Estimate(one, 0.1 * one, n_draws=10, n_evaluations=22)
        >>> [StandardErrorBelow(t).is_met([now]) for t in (0.2, 0.05)]
        [True, False]
    """

    tolerance: float

    def __post_init__(self) -> None:
        _check_positive("tolerance", self.tolerance)

    def is_met(self, history: Sequence[Estimate]) -> bool:
        """Whether no standard error exceeds the tolerance.

        Args:
            history: The estimates at the checks so far.

        Returns:
            True to stop.
        """
        return bool((history[-1].standard_errors <= self.tolerance).all())


@final
@dataclass(frozen=True)
class RelativeErrorBelow(StoppingRule):
    r"""Stop when errors are small beside the spread of the values.

    For every example and output,
    :math:`\max_i \mathrm{se}_i \le t\,(\max_i \phi_i - \min_i \phi_i)` with
    :math:`t` the ``tolerance``.

    A player that never varied in fewer than ten replicates, while others did, has not
    shown what it does: the rule waits. If no player of an output varies (an additive
    game) there is nothing to wait for.

    Args:
        tolerance: A share of the spread, positive; 0.01 to 0.02 is usual.

    Raises:
        InputError: If the tolerance is not positive and finite.

    Example:
        >>> values = torch.tensor([0.0, 2.0, 4.0])
        >>> now = Estimate(values, torch.full((3,), 0.1), n_draws=10, n_evaluations=22)
        >>> [RelativeErrorBelow(t).is_met([now]) for t in (0.05, 0.01)]
        [True, False]

    References:
        Covert and Lee (2021), *Improving KernelSHAP*.
    """

    tolerance: float

    def __post_init__(self) -> None:
        _check_positive("tolerance", self.tolerance)

    def is_met(self, history: Sequence[Estimate]) -> bool:
        """Whether every output is known to the tolerance.

        Args:
            history: The estimates at the checks so far.

        Returns:
            True to stop.
        """
        now = history[-1]
        errors, spread = now.standard_errors, now.spread
        small = errors.amax(0) <= self.tolerance * spread
        if 0 < now.n_draws < 10:
            still = errors <= 1e-6 * spread  # rounding is not variation
            small &= still.all(0) | ~still.any(0)
        return bool(small.all())


@final
@dataclass(frozen=True)
class MaxEvaluations(StoppingRule):
    """Stop when no further evaluation is allowed; the limit is never exceeded.

    Args:
        limit: Coalitions evaluated in all, the empty and the full one included.

    Raises:
        InputError: If the limit is not a positive integer.

    Example:
        >>> MaxEvaluations(1_000).max_evaluations
        1000
    """

    limit: int

    def __post_init__(self) -> None:
        as_count("limit", self.limit)

    def is_met(self, history: Sequence[Estimate]) -> bool:
        """Whether the limit is reached.

        Args:
            history: The estimates at the checks so far.

        Returns:
            True to stop.
        """
        return history[-1].n_evaluations >= self.limit

    @property
    def max_evaluations(self) -> float:
        """The limit."""
        return self.limit


@final
@dataclass(frozen=True)
class MaxTime(StoppingRule):
    """Stop at the first check after some time; such a run is not reproducible.

    Args:
        limit: Seconds since the run began, positive.

    Raises:
        InputError: If the limit is not positive and finite.

    Example:
        >>> one = torch.ones(3)
        >>> late = Estimate(one, one, n_draws=10, n_evaluations=22, seconds=61.0)
        >>> MaxTime(60).is_met([late])
        True
    """

    limit: float

    def __post_init__(self) -> None:
        _check_positive("limit", self.limit)

    def is_met(self, history: Sequence[Estimate]) -> bool:
        """Whether the time is up.

        Args:
            history: The estimates at the checks so far.

        Returns:
            True to stop.
        """
        return history[-1].seconds >= self.limit


@final
@dataclass(frozen=True)
class RankStable(StoppingRule):
    r"""Stop when the order of the players no longer changes.

    Spearman's rank correlation between the estimates at consecutive checks is at least
    ``correlation``, ``n_checks`` times in a row, for every example and output. Tied
    players share their mean rank. It says nothing about the size of the errors, and
    players of equal value keep changing places.

    Args:
        correlation: The least rank correlation, above 0 and at most 1.
        n_checks: How many times in a row.

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> one = torch.ones(3)
        >>> now = Estimate(torch.tensor([3.0, 1, 2]), one, n_draws=4, n_evaluations=10)
        >>> [RankStable(n_checks=2).is_met([now] * k) for k in (2, 3)]
        [False, True]
    """

    correlation: float = 0.99
    n_checks: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.correlation <= 1:
            raise InputError(
                f"correlation must be above 0 and at most 1, got {self.correlation!r}"
            )
        as_count("n_checks", self.n_checks)

    def is_met(self, history: Sequence[Estimate]) -> bool:
        """Whether the order was stable over the last checks.

        Args:
            history: The estimates at the checks so far.

        Returns:
            True to stop.
        """
        if len(history) <= self.n_checks:
            return False
        recent = [_outputs(check) for check in history[-self.n_checks - 1 :]]
        values = torch.stack(recent)  # (checks, V, n)
        if bool(values.isnan().any()):
            return False
        ranks = _centred_ranks(values)
        lengths = ranks.norm(dim=-1)
        products = (ranks[1:] * ranks[:-1]).sum(-1)
        needed = self.correlation * lengths[1:] * lengths[:-1]
        # All players tied at one check only: the order did change.
        same_ties = (lengths[1:] == 0) == (lengths[:-1] == 0)
        rounding = 1e-12 * lengths[1:] * lengths[:-1]
        return bool(((products >= needed - rounding) & same_ties).all())


def check_schedule(max_draws: int) -> list[int]:
    r"""Numbers of draws at which a stopping rule is asked.

    Every number up to 8, then growing by a quarter at a time, so that a run ends at
    most a quarter later than it could have, after some :math:`10 \log_{10} R` checks.

    Args:
        max_draws: The last number of the schedule.

    Returns:
        Increasing numbers of draws, from 2 (one draw has no standard error).

    Raises:
        InputError: If ``max_draws`` is not a positive integer.

    Example:
        >>> check_schedule(25)
        [2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 25]
    """
    last = as_count("max_draws", max_draws)
    checks, draws = [], 2
    while draws < last:
        checks.append(draws)
        draws = max(draws + 1, draws * 5 // 4)
    return [*checks, last]


@final
@dataclass(frozen=True)
class _Either(StoppingRule):
    left: StoppingRule
    right: StoppingRule

    def is_met(self, history: Sequence[Estimate]) -> bool:
        return self.left.is_met(history) or self.right.is_met(history)

    @property
    def max_evaluations(self) -> float:
        return min(self.left.max_evaluations, self.right.max_evaluations)


@final
@dataclass(frozen=True)
class _Both(StoppingRule):
    left: StoppingRule
    right: StoppingRule

    def is_met(self, history: Sequence[Estimate]) -> bool:
        return self.left.is_met(history) and self.right.is_met(history)

    @property
    def max_evaluations(self) -> float:
        return max(self.left.max_evaluations, self.right.max_evaluations)


@final
@dataclass(frozen=True)
class _Not(StoppingRule):
    rule: StoppingRule

    def is_met(self, history: Sequence[Estimate]) -> bool:
        return not self.rule.is_met(history)


def _outputs(estimate: Estimate) -> Tensor:
    """``(V, n)``: the values of the players, one row for each output."""
    return estimate.values.reshape(len(estimate.values), -1).T


def _centred_ranks(values: Tensor) -> Tensor:
    """Mean ranks of ties along the last dimension, minus their mean; float64."""
    values = values.contiguous()
    ordered = values.sort(dim=-1).values
    first = torch.searchsorted(ordered, values)
    behind = torch.searchsorted(ordered, values, right=True)
    return (first + behind).double() / 2 - values.shape[-1] / 2


def _check_positive(name: str, number: float) -> None:
    if not 0 < number < math.inf:
        raise InputError(f"{name} must be positive and finite, got {number!r}")
