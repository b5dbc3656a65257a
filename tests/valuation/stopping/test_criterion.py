"""Criteria combine as statuses do, and forget everything when they are reset."""

from __future__ import annotations

import copy
import itertools
import pickle
import sys

import pytest
import torch

from torchattr.attr import ShapleyValueSampling
from torchattr.errors import InputError
from torchattr.estimation import monte_carlo
from torchattr.estimation.stopping import MaxEvaluations, StandardErrorBelow
from torchattr.games import AdditiveGame
from torchattr.sampling import Permutations
from torchattr.valuation.result import Status, ValuationResult
from torchattr.valuation.stopping import (
    AbsoluteStandardError,
    History,
    HistoryDeviation,
    MaxChecks,
    MaxTime,
    MaxUpdates,
    MinUpdates,
    NoStopping,
    RankCorrelation,
    StoppingCriterion,
    as_criterion,
)


class Says(StoppingCriterion):
    """As users of pyDVL write them: without a call of super().__init__()."""

    def __init__(self, status, done=0.0):
        self.status, self.done = status, done

    def _check(self, result):
        return self.status

    def completion(self):
        return self.done


RESULT = ValuationResult(values=[1.0, 2.0, 3.0], counts=[3, 2, 5])
STATUSES = list(Status)


@pytest.mark.parametrize(("a", "b"), list(itertools.product(STATUSES, STATUSES)))
def test_criteria_combine_as_statuses_do(a, b):
    assert (Says(a) | Says(b))(RESULT) is (a | b)
    assert (Says(a) & Says(b))(RESULT) is (a & b)
    assert (~Says(a))(RESULT) is ~a


def test_masks_and_completions_combine():
    either, both = MinUpdates(3) | MaxUpdates(5), MinUpdates(3) & MaxUpdates(5)
    for criterion in (either, both):
        criterion(RESULT)
    assert either.converged.tolist() == [True, False, True]
    assert both.converged.tolist() == [False, False, True]
    assert either.completion() == 1
    assert both.completion() == pytest.approx(2 / 3)
    negated = ~MinUpdates(3)
    negated(RESULT)
    assert negated.converged.tolist() == [False, True, False]
    assert negated.completion() == pytest.approx(1 / 3)


def test_both_sides_are_asked_every_time():
    left, right = MaxChecks(1), History(5)
    criterion = left | right
    criterion(RESULT)
    criterion(RESULT)
    assert (left.count, right.count, criterion.count) == (2, 2, 2)
    assert len(right) == 2


def test_a_subclass_need_not_say_which_indices_have_converged():
    for status in STATUSES:
        criterion = Says(status)
        criterion(RESULT)
        assert criterion.converged.tolist() == [status is Status.Converged] * 3
        criterion(RESULT[:1])
        assert len(criterion.converged) == 1
        assert criterion.count == 2


def test_resetting_a_composite_resets_its_parts():
    history, checks = History(5), MaxChecks(2)
    deviation, ranks = HistoryDeviation(1, 10.0), RankCorrelation(0.5, burn_in=0)
    criterion = (~checks & history) | (deviation & ranks)
    for count in range(1, 5):
        criterion(ValuationResult(values=[1.0, 2.0], counts=[count] * 2))
    assert deviation.converged.all()
    criterion.reset()
    parts = [criterion, history, checks, deviation, ranks]
    assert [part.count for part in parts] == [0] * 5
    assert all(part.completion() == 0 for part in parts[1:])
    assert not any(len(part.converged) for part in parts)
    assert len(history) == 0
    # What was seen before a reset, of other indices, is of no account after it.
    assert not criterion(ValuationResult(values=[1.0], indices=[7], counts=[9]))
    assert checks.count == 1
    assert not deviation.converged.any()


def test_a_fit_after_a_reset_goes_as_the_first_one():
    criterion = HistoryDeviation(3, 0.2) | RankCorrelation(1e-9, burn_in=100)

    def calls():
        criterion.reset()
        return next(
            t
            for t in range(1, 1000)
            if criterion(ValuationResult(values=[1 / t, 2 / t], counts=[t, t]))
        )

    assert calls() == calls() == 19


@pytest.mark.parametrize(
    ("criterion", "remaining"),
    [
        (MinUpdates(10), 8),  # the least count is 2
        (MinUpdates(2), 1),
        (MaxUpdates(10), 5),  # the largest is 5
        (MaxUpdates(3), 1),
        (AbsoluteStandardError(0.1, burn_in=10), 9),
        (AbsoluteStandardError(0.1, burn_in=10, fraction=0.5), 8),  # two of three
        (AbsoluteStandardError(0.1, burn_in=10, fraction=0.3), 6),  # one
        (MaxChecks(10), 1),
        (MaxTime(10), 1),
        (HistoryDeviation(5, 0.1), 1),
        (RankCorrelation(0.1, 5), 1),
        (NoStopping(), sys.maxsize),
        (History(5), sys.maxsize),
        (MinUpdates(10) | MaxUpdates(10), 5),
        (MinUpdates(10) & MaxUpdates(10), 8),
        (~MinUpdates(10), 1),
        (NoStopping() | MinUpdates(10), 8),
        (NoStopping() & MinUpdates(10), sys.maxsize),
        (Says(Status.Pending), 1),
    ],
    ids=repr,
)
def test_what_is_certainly_left_to_do(criterion, remaining):
    assert criterion.remaining(RESULT) == remaining
    assert criterion.count == 0  # to be asked this is not to be asked


@pytest.mark.parametrize(
    "criterion",
    [
        MinUpdates(10),
        MaxUpdates(10),
        AbsoluteStandardError(1e9, burn_in=7, fraction=0.5),
        MinUpdates(10) | MaxUpdates(12),
        MinUpdates(10) & AbsoluteStandardError(1e9, burn_in=12),
    ],
    ids=repr,
)
def test_what_is_left_is_never_more_than_it_takes(criterion):
    counts, needed = RESULT.counts, criterion.remaining(RESULT)
    for more in range(1, 30):
        later = ValuationResult(
            values=RESULT.values, counts=counts + more, variances=[1.0] * 3
        )
        if criterion(later):
            assert more == needed
            return
    pytest.fail("it was never met")


@pytest.mark.parametrize(
    "criterion",
    [
        MinUpdates(1),
        MaxUpdates(1),
        AbsoluteStandardError(1.0),
        HistoryDeviation(1, 1.0),
        RankCorrelation(0.1, 0),
        NoStopping(),
        History(2),
    ],
    ids=repr,
)
def test_a_result_without_points_is_never_converged(criterion):
    for _ in range(4):
        assert criterion(ValuationResult.empty()) is Status.Pending
        assert 0 <= criterion.completion() <= 1
    assert criterion.remaining(ValuationResult.empty()) >= 1


def test_criteria_say_what_they_are():
    criterion = ~MinUpdates(3) & (MaxTime(2.5) | AbsoluteStandardError(0.1))
    assert repr(criterion) == (
        "(~MinUpdates(3) & (MaxTime(2.5) | "
        "AbsoluteStandardError(0.1, fraction=1.0, burn_in=4)))"
    )


def test_criteria_can_be_copied_and_sent():
    criterion = MinUpdates(10) | (NoStopping() & ~HistoryDeviation(5, 0.1))
    criterion(RESULT)
    for other in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        assert other.remaining(RESULT) == 8
        other(RESULT)
        assert (other.count, criterion.count) == (2, 1)


@pytest.mark.parametrize("wrong", [1, lambda result: True, None, MinUpdates])
def test_only_criteria_are_criteria(wrong):
    with pytest.raises(InputError, match="must be a StoppingCriterion"):
        as_criterion(wrong)
    with pytest.raises(InputError, match="must be a StoppingCriterion"):
        MinUpdates(3) | wrong


def test_only_results_are_asked_about():
    with pytest.raises(InputError, match="asked of a ValuationResult, got list"):
        MinUpdates(3)([1.0])


def test_a_rule_of_the_estimators_is_no_criterion():
    for combine in (as_criterion, MinUpdates(3).__or__, MinUpdates(3).__and__):
        with pytest.raises(InputError, match=r"torchattr\.valuation\.stopping"):
            combine(StandardErrorBelow(0.1))


def test_a_criterion_is_no_rule_of_the_estimators():
    game, players = AdditiveGame(torch.ones(3)), Permutations(3)
    for rule in (MinUpdates(3), MaxEvaluations(9) | MinUpdates(3)):
        with pytest.raises(InputError, match=r"torchattr\.estimation\.stopping"):
            monte_carlo(game, players, n_draws=5, stopping=rule)
    with pytest.raises(InputError, match=r"torchattr\.estimation\.stopping"):
        ShapleyValueSampling(torch.nn.Linear(3, 1)).attribute(
            torch.ones(1, 3), stopping=MinUpdates(3)
        )
