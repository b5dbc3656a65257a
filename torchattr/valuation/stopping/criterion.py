"""A question asked of results as they come, and how questions combine."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn, Protocol, final

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError
from torchattr.estimation.stopping import StoppingRule
from torchattr.valuation.result import Status, ValuationResult

__all__ = ["Resettable", "StoppingCriterion", "as_criterion", "never"]

NEVER = sys.maxsize
"""More updates than any run can make."""

RULES = (
    "a rule of torchattr.estimation.stopping (StandardErrorBelow, MaxEvaluations, ...)"
)


class Resettable(Protocol):
    """What remembers something and can forget it."""

    def reset(self) -> None:
        """Forget it."""


def _one(_: ValuationResult) -> int:
    return 1


def never(_: ValuationResult) -> int:
    """How many updates a criterion needs that is never met."""
    return NEVER


def _least(parts: Sequence[StoppingCriterion], result: ValuationResult) -> int:
    return min(part.remaining(result) for part in parts)


def _most(parts: Sequence[StoppingCriterion], result: ValuationResult) -> int:
    return max(part.remaining(result) for part in parts)


class StoppingCriterion(ABC):
    """Whether a valuation has done enough, asked of each result that it arrives at.

    A call answers with a :class:`~torchattr.valuation.Status`, which is true
    where the run should end, and leaves :attr:`converged` and :meth:`completion`
    behind. Criteria remember what they need; ``reset()`` makes them forget it, and a
    valuation does so before it starts. They combine by ``|`` (either), ``&`` (both),
    ``~`` (not), as statuses do.

    A subclass writes ``_check(result)``, which returns a status and may set
    ``self._converged``, and :meth:`completion`.

    Args:
        parts: What to reset along with the criterion.
        updates_needed: How many more updates of every index are certainly needed before
            it can be met, given a result; by default one.

    Example:
        >>> from torchattr.valuation.stopping import MaxTime, MinUpdates
        >>> is_done = MinUpdates(3) | MaxTime(60)
        >>> is_done(ValuationResult(values=[1.0, 2.0], counts=[3, 2]))
        <Status.Pending: 'pending'>
        >>> is_done.converged
        array([ True, False])
    """

    _parts: Sequence[Resettable] = ()
    _updates_needed: Callable[[ValuationResult], int] = staticmethod(_one)
    _count: int = 0
    _converged: NDArray[np.bool_] = np.zeros(0, dtype=bool)

    def __init__(
        self,
        *,
        parts: Sequence[Resettable] = (),
        updates_needed: Callable[[ValuationResult], int] = _one,
    ) -> None:
        self._parts = tuple(parts)
        self._updates_needed = updates_needed

    @abstractmethod
    def _check(self, result: ValuationResult) -> Status:
        """The answer for one result; may set ``self._converged``, ``(n,)``."""

    @abstractmethod
    def completion(self) -> float:
        """How much of the way is done, from 0 to 1."""

    @final
    def __call__(self, result: ValuationResult) -> Status:
        """Whether the run that arrived at this result should end.

        Args:
            result: Where the run is.

        Returns:
            ``Pending``, or else that it should.

        Raises:
            InputError: If it is no result.
        """
        if not isinstance(result, ValuationResult):
            raise InputError(
                "a criterion is asked of a ValuationResult, got "
                f"{type(result).__name__}"
            )
        self._count += 1
        self._converged = np.zeros(0, dtype=bool)
        status = self._check(result)
        if len(self._converged) != len(result):
            self._converged = np.full(len(result), status is Status.Converged)
        return status

    @property
    @final
    def converged(self) -> NDArray[np.bool_]:
        """``(n,)``: for which indices of the last result the criterion is met."""
        return self._converged

    @property
    @final
    def count(self) -> int:
        """How many times the criterion was asked since it was reset."""
        return self._count

    def reset(self) -> None:
        """Forget all results, and whatever the criterion is made of."""
        self._count = 0
        self._converged = np.zeros(0, dtype=bool)
        for part in self._parts:
            part.reset()

    @final
    def remaining(self, result: ValuationResult) -> int:
        """A lower bound on how much is left to do.

        Args:
            result: Where the run is.

        Returns:
            How many more updates of every index are certainly needed before the
            criterion can be met, at least 1.
        """
        return max(1, self._updates_needed(result))

    def __or__(self, other: StoppingCriterion) -> StoppingCriterion:
        return _Either(self, as_criterion(other))

    def __and__(self, other: StoppingCriterion) -> StoppingCriterion:
        return _Both(self, as_criterion(other))

    def __invert__(self) -> StoppingCriterion:
        return _Not(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @property
    @final
    def max_evaluations(self) -> NoReturn:
        """Refused, as criteria are no rules of :mod:`torchattr.estimation.stopping`.

        Raises:
            InputError: Always.
        """
        raise InputError(
            f"{self!r} is a criterion of torchattr.valuation.stopping and ends a "
            f"valuation's fit(); here is needed {RULES}"
        )


def as_criterion(criterion: object) -> StoppingCriterion:
    """A criterion, if it is one.

    Args:
        criterion: What a user passed.

    Returns:
        The same.

    Raises:
        InputError: If it is something else, such as a rule of the estimators.

    Example:
        >>> from torchattr.valuation.stopping import MinUpdates
        >>> as_criterion(MinUpdates(3))
        MinUpdates(3)
    """
    if isinstance(criterion, StoppingCriterion):
        return criterion
    if isinstance(criterion, StoppingRule):
        raise InputError(
            f"{criterion!r} is {RULES}, which ends an attribution; a valuation needs a "
            "criterion of torchattr.valuation.stopping (AbsoluteStandardError, "
            "MinUpdates, MaxTime, ...)"
        )
    raise InputError(
        "a criterion must be a StoppingCriterion (AbsoluteStandardError, MinUpdates, "
        f"MaxTime, ... or a subclass), got {type(criterion).__name__}"
    )


@final
class _Either(StoppingCriterion):
    def __init__(self, left: StoppingCriterion, right: StoppingCriterion) -> None:
        both = (left, right)
        super().__init__(parts=both, updates_needed=partial(_least, both))
        self.left, self.right = left, right

    def _check(self, result: ValuationResult) -> Status:
        status = self.left(result) | self.right(result)
        self._converged = self.left.converged | self.right.converged
        return status

    def completion(self) -> float:
        return max(self.left.completion(), self.right.completion())

    def __repr__(self) -> str:
        return f"({self.left!r} | {self.right!r})"


@final
class _Both(StoppingCriterion):
    def __init__(self, left: StoppingCriterion, right: StoppingCriterion) -> None:
        both = (left, right)
        super().__init__(parts=both, updates_needed=partial(_most, both))
        self.left, self.right = left, right

    def _check(self, result: ValuationResult) -> Status:
        status = self.left(result) & self.right(result)
        self._converged = self.left.converged & self.right.converged
        return status

    def completion(self) -> float:
        return min(self.left.completion(), self.right.completion())

    def __repr__(self) -> str:
        return f"({self.left!r} & {self.right!r})"


@final
class _Not(StoppingCriterion):
    def __init__(self, criterion: StoppingCriterion) -> None:
        super().__init__(parts=(criterion,))
        self.criterion = criterion

    def _check(self, result: ValuationResult) -> Status:
        status = ~self.criterion(result)
        self._converged = ~self.criterion.converged
        return status

    def completion(self) -> float:
        return 1.0 - self.criterion.completion()

    def __repr__(self) -> str:
        return f"~{self.criterion!r}"
