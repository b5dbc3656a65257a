"""Stopping rules are predicates of a history, and combine like booleans."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from torchattr.errors import InputError
from torchattr.estimation.estimate import Estimate
from torchattr.estimation.stopping import (
    MaxEvaluations,
    MaxTime,
    RankStable,
    RelativeErrorBelow,
    StandardErrorBelow,
    check_schedule,
)


def estimate(values, errors, *, n_draws=20, n_evaluations=100, seconds=0.0):
    values, errors = torch.tensor(values), torch.tensor(errors)
    return Estimate(values, errors, n_draws, n_evaluations, seconds)


def test_the_largest_standard_error_over_players_and_outputs_decides():
    now = estimate([[0.0, 0.0], [0.0, 0.0]], [[0.1, 0.1], [0.1, 0.3]])
    assert StandardErrorBelow(0.3).is_met([now])
    assert not StandardErrorBelow(0.29).is_met([now])


def test_two_agreeing_replicates_are_enough_for_a_standard_error():
    assert StandardErrorBelow(1e-9).is_met([
        estimate([1.0, 2.0], [0.0, 0.0], n_draws=2)
    ])


def test_only_the_last_check_counts_for_a_standard_error():
    good, bad = estimate([1.0], [0.1]), estimate([1.0], [0.9])
    assert not StandardErrorBelow(0.5).is_met([good, bad])
    assert StandardErrorBelow(0.5).is_met([bad, good])


@pytest.mark.parametrize("rule", [StandardErrorBelow(1e9), RelativeErrorBelow(1e9)])
def test_an_unknown_standard_error_is_never_small(rule):
    assert not rule.is_met([estimate([1.0, 2.0], [0.0, math.nan], n_draws=1)])


def test_relative_error_is_a_share_of_each_outputs_spread():
    now = estimate([[0.0, 0.0], [1.0, 100.0]], [[0.05, 5.0], [0.01, 1.0]])
    assert RelativeErrorBelow(0.051).is_met([now])
    assert not RelativeErrorBelow(0.049).is_met([now])


def test_one_bad_output_keeps_a_run_going():
    now = estimate([[0.0, 0.0], [1.0, 1.0]], [[0.01, 0.5], [0.01, 0.5]])
    assert not RelativeErrorBelow(0.1).is_met([now])


def test_players_that_have_not_varied_yet_are_waited_for():
    few = estimate([0.0, 1.0], [0.0, 0.01], n_draws=9)
    many = estimate([0.0, 1.0], [0.0, 0.01], n_draws=10)
    assert not RelativeErrorBelow(0.1).is_met([few])
    assert RelativeErrorBelow(0.1).is_met([many])


def test_additive_and_exact_estimates_need_no_waiting():
    rule = RelativeErrorBelow(0.1)
    assert rule.is_met([estimate([0.0, 1.0], [0.0, 0.0], n_draws=2)])
    assert rule.is_met([estimate([0.0, 0.0], [0.0, 0.0], n_draws=0)])


def test_limits_of_evaluations_and_time():
    now = estimate([1.0], [1.0], n_evaluations=100, seconds=2.0)
    assert MaxEvaluations(100).is_met([now])
    assert not MaxEvaluations(101).is_met([now])
    assert MaxTime(2).is_met([now])
    assert not MaxTime(2.1).is_met([now])


@given(left=st.booleans(), right=st.booleans())
def test_rules_combine_like_booleans(left, right):
    history = [estimate([1.0], [1.0], n_evaluations=100)]
    a = MaxEvaluations(100 if left else 101)
    b = MaxEvaluations(100 if right else 101)
    assert (a | b).is_met(history) == (left or right)
    assert (a & b).is_met(history) == (left and right)
    assert (~a).is_met(history) == (not left)
    assert (~(a | b)).is_met(history) == (~a & ~b).is_met(history)


def test_the_most_evaluations_that_a_rule_allows():
    limit, error = MaxEvaluations(7), StandardErrorBelow(1)
    assert (limit | error).max_evaluations == 7
    assert (limit | MaxEvaluations(5)).max_evaluations == 5
    assert (limit & MaxEvaluations(5)).max_evaluations == 7
    assert (limit & error).max_evaluations == math.inf
    assert (~limit).max_evaluations == error.max_evaluations == math.inf


def test_ranks_must_be_stable_several_times_in_a_row():
    up, down = (
        estimate([1.0, 2.0, 3.0], [1.0] * 3),
        estimate([3.0, 2.0, 1.0], [1.0] * 3),
    )
    rule = RankStable(n_checks=2)
    assert not rule.is_met([up])
    assert not rule.is_met([down, up, up])
    assert rule.is_met([down, up, up, up])


def test_ranks_must_be_stable_for_every_output():
    before = estimate([[1.0, 1.0], [2.0, 2.0]], [[1.0, 1.0]] * 2)
    after = estimate([[1.0, 2.0], [2.0, 1.0]], [[1.0, 1.0]] * 2)
    assert not RankStable(n_checks=1).is_met([before, after])


@given(st.data())
def test_rank_correlation_is_spearmans(data):
    numbers = st.lists(st.integers(0, 4), min_size=6, max_size=6)
    x, y = data.draw(numbers), data.draw(numbers)
    if len(set(x)) == 1 or len(set(y)) == 1:
        return
    truth = spearmanr(x, y).statistic
    history = [estimate([float(v) for v in row], [1.0] * 6) for row in (x, y)]
    for bound in (0.1, 0.5, 0.9):
        if abs(truth - bound) > 1e-9:
            assert RankStable(bound, n_checks=1).is_met(history) == (truth > bound)


def test_ties_and_unknown_values():
    tied, spread = estimate([1.0, 1.0], [1.0] * 2), estimate([1.0, 2.0], [1.0] * 2)
    unknown = estimate([math.nan, 2.0], [1.0] * 2)
    rule = RankStable(n_checks=1)
    assert rule.is_met([tied, tied])
    assert not rule.is_met([tied, spread])
    assert not rule.is_met([unknown, unknown])
    assert rule.is_met([estimate([1.0], [1.0])] * 2)


@given(st.integers(1, 100_000))
def test_checks_come_soon_enough_and_end_at_the_maximum(max_draws):
    checks = check_schedule(max_draws)
    assert checks[-1] == max_draws
    assert checks == sorted(set(checks))
    assert checks[0] == min(2, max_draws)
    steps = pairwise(checks)
    assert all(after <= max(before + 1, 1.25 * before) for before, after in steps)


def test_checks_are_few():
    assert len(check_schedule(100_000)) < 60


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf])
@pytest.mark.parametrize("rule", [StandardErrorBelow, RelativeErrorBelow, MaxTime])
def test_tolerances_are_positive_numbers(rule, bad):
    with pytest.raises(InputError, match="positive"):
        rule(bad)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: MaxEvaluations(0),
        lambda: MaxEvaluations(1.5),
        lambda: RankStable(0),
        lambda: RankStable(1.1),
        lambda: RankStable(math.nan),
        lambda: RankStable(n_checks=0),
        lambda: check_schedule(0),
    ],
)
def test_other_arguments_are_checked(wrong):
    with pytest.raises(InputError, match="must be"):
        wrong()
