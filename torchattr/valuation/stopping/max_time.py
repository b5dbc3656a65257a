"""A limit to the time."""

from __future__ import annotations

import math
import time
from typing import final

from torchattr.errors import InputError
from torchattr.valuation.result import Status, ValuationResult
from torchattr.valuation.stopping.criterion import StoppingCriterion

__all__ = ["MaxTime"]


class _Stopwatch:
    """Seconds since it was reset, or first looked at."""

    def __init__(self) -> None:
        self.began: float | None = None

    def reset(self) -> None:
        self.began = time.monotonic()

    def look(self) -> float:
        if self.began is None:
            self.reset()
        return self.seconds

    @property
    def seconds(self) -> float:
        return 0.0 if self.began is None else time.monotonic() - self.began


@final
class MaxTime(StoppingCriterion):
    """Stop at the first question after some time; such a run is not reproducible.

    Time runs from the reset with which a valuation starts, or else from the first
    question: not from construction.

    Args:
        seconds: The limit, positive.

    Raises:
        InputError: If it is not positive and finite.

    Example:
        >>> bool(MaxTime(3600)(ValuationResult(values=[1.0])))
        False
    """

    def __init__(self, seconds: float) -> None:
        if not 0 < seconds < math.inf:
            raise InputError(f"seconds must be positive and finite, got {seconds!r}")
        self.seconds = seconds
        self._stopwatch = _Stopwatch()
        super().__init__(parts=(self._stopwatch,))

    def _check(self, result: ValuationResult) -> Status:
        late = self._stopwatch.look() >= self.seconds
        return Status.Converged if late else Status.Pending

    def completion(self) -> float:
        """The share of the time that is gone."""
        return min(1.0, self._stopwatch.seconds / self.seconds)

    def __repr__(self) -> str:
        return f"MaxTime({self.seconds})"
