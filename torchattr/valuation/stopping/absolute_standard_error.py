"""Stop when values are known well enough."""

from __future__ import annotations

import math
from functools import partial
from typing import final

from torchattr.errors import InputError
from torchattr.games.counts import as_count
from torchattr.valuation.result import Status, ValuationResult
from torchattr.valuation.stopping.criterion import StoppingCriterion
from torchattr.valuation.stopping.update_counts import number_of, updates_until

__all__ = ["AbsoluteStandardError", "check_share"]


def check_share(name: str, share: float) -> float:
    """A share of the indices, above 0 and at most 1.

    Args:
        name: How an error calls it.
        share: What a user passed.

    Returns:
        The same.

    Raises:
        InputError: If it is out of range.
    """
    if not 0 < share <= 1:
        raise InputError(f"{name} must be above 0 and at most 1, got {share!r}")
    return share


@final
class AbsoluteStandardError(StoppingCriterion):
    """Stop when the standard errors of enough indices are small.

    An index has converged when its standard error is below the threshold and it was
    updated more than ``burn_in`` times. A standard error that is not known (NaN) is
    never small.

    Args:
        threshold: In the unit of the values, positive.
        fraction: Which share of the indices must have converged.
        burn_in: Updates before which a standard error is not trusted.

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> result = ValuationResult(
        ...     values=[1.0, 2.0], variances=[0.04, 4.0], counts=[100, 100]
        ... )
        >>> is_done = AbsoluteStandardError(0.1, fraction=0.5)
        >>> is_done(result), is_done.converged
        (<Status.Converged: 'converged'>, array([ True, False]))
    """

    def __init__(
        self, threshold: float, fraction: float = 1.0, burn_in: int = 4
    ) -> None:
        if not 0 < threshold < math.inf:
            raise InputError(
                f"threshold must be positive and finite, got {threshold!r}"
            )
        self.threshold = threshold
        self.fraction = check_share("fraction", fraction)
        self.burn_in = as_count("burn_in", burn_in, at_least=0)
        super().__init__(
            updates_needed=partial(updates_until, self.burn_in + 1, self.fraction)
        )

    def _check(self, result: ValuationResult) -> Status:
        small = result.stderr < self.threshold
        self._converged = small & (result.counts > self.burn_in)
        enough = number_of(self.fraction, len(result))
        return Status.Converged if self._converged.sum() >= enough else Status.Pending

    def completion(self) -> float:
        """The share of the indices that have converged, over the one needed."""
        if not len(self._converged):
            return 0.0
        return min(1.0, float(self._converged.mean()) / self.fraction)

    def __repr__(self) -> str:
        return (
            f"AbsoluteStandardError({self.threshold}, fraction={self.fraction}, "
            f"burn_in={self.burn_in})"
        )
