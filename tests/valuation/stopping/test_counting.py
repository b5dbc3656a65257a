"""Criteria that count updates, questions and samples, or seconds."""

from __future__ import annotations

import math
import time
from types import SimpleNamespace

import numpy as np
import pytest

from torchattr.errors import InputError
from torchattr.valuation.result import Status, ValuationResult
from torchattr.valuation.stopping import (
    AbsoluteStandardError,
    MaxChecks,
    MaxSamples,
    MaxTime,
    MaxUpdates,
    MinUpdates,
    NoStopping,
)

RESULT = ValuationResult(
    values=[0.0, 0.0, 0.0, 0.0],
    variances=[1.0, 4.0, 0.0, math.nan],
    counts=[100, 100, 100, 100],
)


def counted(*counts):
    return ValuationResult(values=np.zeros(len(counts)), counts=counts)


@pytest.mark.parametrize(
    ("counts", "least", "most"),
    [((3, 3), True, True), ((2, 5), False, True), ((2, 2), False, False)],
)
def test_all_or_any_were_updated_so_often(counts, least, most):
    assert bool(MinUpdates(3)(counted(*counts))) is least
    assert bool(MaxUpdates(3)(counted(*counts))) is most
    for criterion in (MinUpdates(3), MaxUpdates(3)):
        criterion(counted(*counts))
        assert criterion.converged.tolist() == [count >= 3 for count in counts]


def test_completion_follows_the_count_that_decides():
    for criterion, share in ((MinUpdates(10), 0.2), (MaxUpdates(10), 0.5)):
        assert criterion.completion() == 0
        criterion(counted(2, 5))
        assert criterion.completion() == pytest.approx(share)
        criterion(counted(20, 20))
        assert criterion.completion() == 1


def test_checks_are_counted_from_the_reset():
    criterion = MaxChecks(3)
    for _ in range(2):
        criterion.reset()
        assert [bool(criterion(RESULT)) for _ in range(4)] == [0, 0, 1, 1]
        assert criterion.completion() == 1
    assert criterion.converged.all()


def test_samples_are_the_samplers():
    sampler = SimpleNamespace(n_samples=5)
    criterion = MaxSamples(sampler, 10)
    assert not criterion(RESULT)
    assert criterion.completion() == pytest.approx(0.5)
    sampler.n_samples = 10
    assert criterion(RESULT)
    assert criterion.completion() == 1


class Finite:
    n_samples = 5

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length()


def endless():
    raise TypeError("endless")


@pytest.mark.parametrize(
    ("sampler", "share"),
    [(None, 0), (Finite(lambda: 20), 0.25), (Finite(endless), 0)],
)
def test_a_run_to_the_end_of_its_sampler_shows_its_progress(sampler, share):
    criterion = NoStopping(sampler)
    assert criterion(RESULT) is Status.Pending
    assert criterion.completion() == share


def test_time_runs_from_the_first_question_or_the_reset_not_from_construction(
    monkeypatch,
):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    criterion = MaxTime(10)
    clock.now = 100.0
    assert criterion.completion() == 0
    assert not criterion(RESULT)
    clock.now = 109.0
    assert not criterion(RESULT)
    assert criterion.completion() == pytest.approx(0.9)
    assert not criterion.converged.any()
    clock.now = 111.0
    assert criterion(RESULT)
    assert criterion.converged.all()
    assert criterion.completion() == 1
    (criterion | MinUpdates(9)).reset()
    assert not criterion(RESULT)
    clock.now = 122.0
    assert criterion(RESULT)


# Standard errors


def test_enough_indices_must_be_known_well_enough():
    errors = AbsoluteStandardError(0.15)
    assert not errors(RESULT)  # 0.1, 0.2, 0, not known
    assert errors.converged.tolist() == [True, False, True, False]
    assert errors.completion() == pytest.approx(0.5)
    assert AbsoluteStandardError(0.15, fraction=0.5)(RESULT)
    assert not AbsoluteStandardError(0.15, fraction=0.51)(RESULT)
    assert AbsoluteStandardError(0.21, fraction=0.75)(RESULT)


def test_a_share_is_not_rounded_up_by_floating_point():
    errors = [0.0] * 7 + [1.0] * 93
    known = ValuationResult(values=errors, stderr=errors, counts=[9] * 100)
    assert 0.07 * 100 > 7
    assert AbsoluteStandardError(0.1, fraction=0.07)(known)


def test_an_unknown_standard_error_is_never_small():
    assert not AbsoluteStandardError(1e300)(RESULT)
    assert not AbsoluteStandardError(1e300, burn_in=0)(counted(1, 1))


def test_the_threshold_is_exclusive():
    one = ValuationResult(values=[0.0], variances=[1.0], counts=[100])
    assert not AbsoluteStandardError(0.1)(one)
    assert AbsoluteStandardError(0.100001)(one)


def test_standard_errors_are_not_trusted_before_some_updates():
    exact = {"values": [0.0], "variances": [0.0]}
    assert not AbsoluteStandardError(0.1)(ValuationResult(**exact, counts=[4]))
    assert AbsoluteStandardError(0.1)(ValuationResult(**exact, counts=[5]))
    early = AbsoluteStandardError(0.1, burn_in=1)
    assert early(ValuationResult(**exact, counts=[2]))


def test_better_standard_errors_are_the_ones_that_count():
    pairs = ValuationResult(
        values=[0.0], variances=[1.0], counts=[100], stderr=[0.01], replicates=[50]
    )
    assert AbsoluteStandardError(0.05)(pairs)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MinUpdates(0), "n_updates must be at least 1"),
        (lambda: MaxUpdates(2.5), "n_updates must be an integer"),
        (lambda: MaxChecks(-1), "n_checks must be at least 1"),
        (lambda: MaxSamples(Finite(int), 0), "n_samples must be at least 1"),
        (lambda: MaxTime(0), "seconds must be positive"),
        (lambda: MaxTime(math.nan), "seconds must be positive"),
        (lambda: AbsoluteStandardError(0.0), "threshold must be positive"),
        (lambda: AbsoluteStandardError(0.1, fraction=0), "fraction must be above 0"),
        (lambda: AbsoluteStandardError(0.1, 1.1), "fraction must be above 0"),
        (lambda: AbsoluteStandardError(0.1, burn_in=-1), "burn_in must be at least 0"),
    ],
)
def test_arguments_out_of_range_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
