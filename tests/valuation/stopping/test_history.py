"""Criteria that remember: what they keep, when they are met, what pyDVL's are not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from torchattr.errors import InputError
from torchattr.valuation.result import ValuationResult
from torchattr.valuation.stopping import History, HistoryDeviation, RankCorrelation


def at(values, t=None, **changes):
    counts = {} if t is None else {"counts": [t] * len(values)}
    return ValuationResult(values=values, **counts | changes)


def first_met(criterion, values_at, limit=10_000, *, counted=True):
    """The number of the call at which it is met."""
    for t in range(1, limit):
        values = np.atleast_1d(values_at(t))
        if criterion(at(values, t if counted else None)):
            return t
    return None


# History


def test_history_keeps_the_last_values_and_never_stops():
    history = History(n_steps=3, skip_steps=2)
    for t in range(1, 8):
        assert not history(at([1.0 * t, -1.0 * t], t))
        assert history.data.shape == ((2, min(t - 2, 3)) if t > 2 else (0, 0))
    assert history.data.tolist() == [[5, 6, 7], [-5, -6, -7]]
    assert history.completion() == 0
    assert not history.converged.any()


def test_history_has_the_rows_of_the_first_result_whatever_comes_sorted():
    history = History(2)
    history(ValuationResult(values=[1.0, 2.0, 3.0], indices=[9, 4, 6]))
    history(ValuationResult(values=[20.0, 30.0, 10.0], indices=[4, 6, 9]))
    assert history.data.tolist() == [[1, 10], [2, 20], [3, 30]]


def test_results_of_other_indices_ask_for_a_reset():
    history = History(2)
    history(at([1.0, 2.0]))
    with pytest.raises(InputError, match="reset"):
        history(at([1.0, 2.0, 3.0]))
    with pytest.raises(InputError, match="reset"):
        history(at([1.0, 2.0], indices=[0, 2]))
    history.reset()
    assert not history(at([1.0, 2.0, 3.0]))


# HistoryDeviation


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("n_steps", "rtol"), [(1, 0.1), (5, 0.3), (7, 0.05)])
def test_one_over_t_of_either_sign_converges_at_the_same_time(
    n_steps, rtol, sign, counted
):
    bound = (1 + 1 / rtol) * n_steps
    criterion = HistoryDeviation(n_steps, rtol)
    t = first_met(criterion, lambda t: np.full(4, sign / t), counted=counted)
    assert bound - 1e-9 < t <= bound + 1 + 1e-9
    assert criterion.converged.all()
    assert criterion.completion() == 1


def test_negative_noise_does_not_converge():
    draws = np.random.default_rng(0).normal(size=(600, 10))
    criterion = HistoryDeviation(n_steps=50, rtol=0.05)
    for t, values in enumerate(-np.abs(draws), 1):
        assert not criterion(at(values, t))


def test_signs_make_no_difference():
    """pyDVL stops a run of half +.1, half -.1 as soon as its window is full."""
    noise = np.random.default_rng(1).normal(0.1, 0.2, size=(2000, 10))
    means = np.cumsum(noise, axis=0) / np.arange(1, 2001)[:, None]
    stops = {
        first_met(
            HistoryDeviation(100, 0.05), lambda t, s=signs: s * means[t - 1], 2000
        )
        for signs in (np.ones(10), np.repeat([1, -1], 5), -np.ones(10))
    }
    assert len(stops) == 1
    assert stops.pop() > 250


def test_a_value_that_stays_0_is_no_hindrance_and_one_that_becomes_0_is():
    assert first_met(HistoryDeviation(3, 0.1), lambda t: [0.0, 1.0]) == 4
    criterion = HistoryDeviation(3, 0.1)
    for t in range(1, 4):
        criterion(at([1.0, 1.0], t))
    assert not criterion(at([0.0, 1.0], 4))
    assert 0 <= criterion.completion() <= 1


def test_what_was_not_updated_has_not_converged():
    criterion = HistoryDeviation(2, 0.5)
    for t in range(1, 6):
        counts = [t, 1]
        assert not criterion(ValuationResult(values=[1.0, 1.0], counts=counts))
    assert criterion.converged.tolist() == [True, False]


def test_what_is_not_known_has_not_converged():
    criterion = HistoryDeviation(2, 0.5)
    for t in range(1, 6):
        result = ValuationResult(values=[1.0, math.nan, 0.0], counts=[t, 0, 0])
        assert not criterion(result)
    assert criterion.converged.tolist() == [True, False, False]


def test_a_first_update_is_no_evidence():
    criterion = HistoryDeviation(1, 0.5)
    criterion(ValuationResult(values=[1.0, 0.0], counts=[1, 0]))
    criterion(ValuationResult(values=[1.0, 0.0], counts=[2, 1]))
    assert criterion.converged.tolist() == [True, False]


@pytest.mark.parametrize("pin", [True, False])
def test_pinned_indices_stay_converged(pin):
    criterion = HistoryDeviation(1, 0.1, pin_converged=pin)
    criterion(ValuationResult(values=[1.0, 1.0], counts=[1, 1]))
    criterion(ValuationResult(values=[1.0, 1.0], counts=[2, 1]))
    assert criterion.converged.tolist() == [True, False]
    status = criterion(ValuationResult(values=[5.0, 1.0], counts=[3, 2]))
    assert criterion.converged.tolist() == [pin, pin]
    assert bool(status) is pin


def test_the_mask_follows_the_order_of_the_result():
    criterion = HistoryDeviation(1, 0.1)
    criterion(ValuationResult(values=[1.0, 1.0], counts=[1, 1]))
    criterion(ValuationResult(values=[1.0, 1.0], counts=[1, 2], indices=[1, 0]))
    assert criterion.converged.tolist() == [False, True]


# RankCorrelation


@pytest.mark.parametrize("counted", [True, False])
def test_a_stable_ranking_converges_after_the_burn_in(counted):
    criterion = RankCorrelation(rtol=0.01, burn_in=20)
    assert first_met(criterion, lambda t: [1.0, 3, 2], counted=counted) == 21
    assert criterion.converged.all()
    assert criterion.completion() == 1


def test_slow_drift_does_not_converge():
    """Consecutive rankings nearly agree, and never stop changing."""
    phase = np.random.default_rng(0).uniform(size=200)

    def values(t):
        return np.sin(2 * np.pi * (phase + t / 1000))

    assert spearmanr(values(500), values(501)).statistic > 0.999
    assert first_met(RankCorrelation(1e-3, burn_in=50), values, 900) is None


def test_the_earlier_ranking_has_at_most_half_of_the_updates():
    """Means that turn at t=100: the turn is seen until it is half a run ago."""
    criterion = RankCorrelation(0.01, burn_in=110)
    t = first_met(criterion, lambda t: [1.0, 2, 3] if t < 100 else [3.0, 2, 1])
    assert t >= 200


def test_a_run_that_is_continued_must_double_as_well():
    criterion = RankCorrelation(0.01, burn_in=5)
    for t in range(1000, 2000):
        assert not criterion(at([1.0, 2.0, 3.0], t))
    assert any(criterion(at([1.0, 2.0, 3.0], t)) for t in range(2000, 4001))


@given(
    st.lists(st.integers(0, 4), min_size=3, max_size=8),
    st.lists(st.integers(0, 4), min_size=3, max_size=8),
)
def test_the_correlation_is_spearmans_with_ties(before, after):
    size = min(len(before), len(after))
    before, after = (np.array(v[:size], float) for v in (before, after))
    if len(set(before)) == 1 or len(set(after)) == 1:
        expected = float(len(set(before)) == len(set(after)))
    else:
        expected = spearmanr(before, after).statistic
    for tolerance, met in ((1 - expected + 1e-9, True), (1 - expected - 1e-9, False)):
        if tolerance > 0:
            criterion = RankCorrelation(tolerance, burn_in=0)
            criterion(at(before, 1))
            assert bool(criterion(at(after, 2))) is met


@pytest.mark.parametrize(("fraction", "met"), [(0.5, True), (0.75, False), (1, False)])
def test_a_fraction_of_the_indices_is_enough(fraction, met):
    criterion = RankCorrelation(0.1, burn_in=3, fraction=fraction)
    for t in range(1, 20):
        values, counts = [3.0, 2.0, 9.0 * (-1) ** t, math.nan], [t, t, 1, 0]
        status = criterion(ValuationResult(values=values, counts=counts))
    assert bool(status) is met
    assert criterion.converged.tolist() == [met, met, False, False]


def test_nothing_is_ranked_before_its_burn_in():
    criterion = RankCorrelation(0.1, burn_in=50)
    assert not any(criterion(at([1.0, 2.0], t)) for t in range(1, 51))
    assert criterion(at([1.0, 2.0], 51))


def test_resetting_forgets_rankings():
    criterion = RankCorrelation(0.1, burn_in=1)
    for t in range(1, 5):
        criterion(at([1.0, 2.0], t))
    criterion.reset()
    assert not criterion(at([1.0, 2.0, 3.0], 100))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: History(0), "n_steps must be at least 1"),
        (lambda: History(1, skip_steps=-1), "skip_steps must be at least 0"),
        (lambda: HistoryDeviation(0, 0.1), "n_steps must be at least 1"),
        (lambda: HistoryDeviation(1, -0.1), "rtol must be positive"),
        (lambda: RankCorrelation(0, 1), "rtol must be positive"),
        (lambda: RankCorrelation(0.1, -1), "burn_in must be at least 0"),
        (lambda: RankCorrelation(0.1, 1, fraction=1.5), "fraction must be above 0"),
    ],
)
def test_arguments_out_of_range_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
