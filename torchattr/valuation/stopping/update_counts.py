"""Criteria that count: updates of indices, and questions."""

from __future__ import annotations

import math
from functools import partial
from typing import final

import numpy as np

from torchattr.games.counts import as_count
from torchattr.valuation.result import Status, ValuationResult
from torchattr.valuation.stopping.criterion import StoppingCriterion

__all__ = ["MaxChecks", "MaxUpdates", "MinUpdates", "number_of", "updates_until"]


def number_of(share: float, size: int) -> int:
    """How many of ``size`` indices are a share of them, at least one.

    Args:
        share: From 0 to 1.
        size: Number of indices.

    Returns:
        The least whole number that is not below ``share * size``, up to rounding.
    """
    return max(1, math.ceil(share * size - 1e-9))


def updates_until(count: int, share: float, result: ValuationResult) -> int:
    """How many updates a share of the indices still needs to be updated so often.

    Args:
        count: The number of updates to be reached.
        share: By which share of the indices.
        result: Where the run is.

    Returns:
        Updates of every index that are needed at least; not positive if none is.
    """
    if not len(result):
        return count
    position = len(result) - number_of(share, len(result))
    return count - int(np.partition(result.counts, position)[position])


@final
class MinUpdates(StoppingCriterion):
    """Stop when every index was updated at least so often.

    Args:
        n_updates: The count that all are to reach.

    Raises:
        InputError: If it is not a positive integer.

    Example:
        >>> is_done = MinUpdates(3)
        >>> bool(is_done(ValuationResult(values=[1.0, 2.0], counts=[5, 2])))
        False
    """

    def __init__(self, n_updates: int) -> None:
        self.n_updates = as_count("n_updates", n_updates)
        super().__init__(updates_needed=partial(updates_until, self.n_updates, 1.0))
        self._completion = 0.0

    def _check(self, result: ValuationResult) -> Status:
        self._converged = result.counts >= self.n_updates
        least = int(result.counts.min(initial=self.n_updates)) if len(result) else 0
        self._completion = least / self.n_updates
        return Status.Converged if least >= self.n_updates else Status.Pending

    def completion(self) -> float:
        """The least count over the one to reach."""
        return self._completion if self._count else 0.0

    def __repr__(self) -> str:
        return f"MinUpdates({self.n_updates})"


@final
class MaxUpdates(StoppingCriterion):
    """Stop when any index was updated so often.

    Args:
        n_updates: The count that one is to reach.

    Raises:
        InputError: If it is not a positive integer.

    Example:
        >>> is_done = MaxUpdates(3)
        >>> bool(is_done(ValuationResult(values=[1.0, 2.0], counts=[5, 2])))
        True
    """

    def __init__(self, n_updates: int) -> None:
        self.n_updates = as_count("n_updates", n_updates)
        super().__init__(updates_needed=partial(updates_until, self.n_updates, 0.0))
        self._completion = 0.0

    def _check(self, result: ValuationResult) -> Status:
        self._converged = result.counts >= self.n_updates
        most = int(result.counts.max(initial=0))
        self._completion = min(1.0, most / self.n_updates)
        return Status.Converged if most >= self.n_updates else Status.Pending

    def completion(self) -> float:
        """The largest count over the one to reach."""
        return self._completion if self._count else 0.0

    def __repr__(self) -> str:
        return f"MaxUpdates({self.n_updates})"


@final
class MaxChecks(StoppingCriterion):
    """Stop when asked so often.

    A valuation asks after every round of its sampler (a permutation, an antithetic pair
    of them, or one sample for each index), whatever the batch size; where each sample
    values everybody, after eight or more.

    Args:
        n_checks: Number of questions.

    Raises:
        InputError: If it is not a positive integer.

    Example:
        >>> is_done, result = MaxChecks(2), ValuationResult(values=[1.0])
        >>> bool(is_done(result)), bool(is_done(result))
        (False, True)
    """

    def __init__(self, n_checks: int) -> None:
        super().__init__()
        self.n_checks = as_count("n_checks", n_checks)

    def _check(self, result: ValuationResult) -> Status:
        return Status.Converged if self._count >= self.n_checks else Status.Pending

    def completion(self) -> float:
        """The share of the questions that were asked."""
        return min(1.0, self._count / self.n_checks)

    def __repr__(self) -> str:
        return f"MaxChecks({self.n_checks})"
