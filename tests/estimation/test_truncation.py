"""Which permutations end, policy by policy."""

from __future__ import annotations

import pytest
import torch

from torchattr.errors import InputError
from torchattr.estimation.truncation import (
    BootstrapTruncation,
    DeviationTruncation,
    FixedTruncation,
    NoTruncation,
    RelativeTruncation,
)

TOTAL = torch.tensor(2.0)


def utility(sample):
    return 0.0


def ends(policy, walk, n=10, total=TOTAL):
    return policy.truncated(torch.tensor(walk).double(), total, n).tolist()


def test_no_truncation():
    assert ends(NoTruncation(), [[0.0, 2.0], [0.0, 1.0]]) == [False, False]
    assert ends(NoTruncation(utility), [[0.0, 2.0]]) == [False]


@pytest.mark.parametrize(("fraction", "t"), [(0.5, 5), (0.41, 5), (0.1, 1), (1.0, 10)])
def test_a_fixed_share_of_the_players(fraction, t):
    policy = FixedTruncation(fraction)
    for steps in range(1, 11):
        walk = [[0.0] * (steps + 1)] * 2
        assert ends(policy, walk) == [steps >= t] * 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.98, True), (2.02, True), (1.979, False), (2.021, False), (-2.0, False)],
)
def test_relative_to_the_total(value, expected):
    assert ends(RelativeTruncation(rtol=0.01), [[0.0, value]]) == [expected]


def test_relative_to_a_total_that_is_negative_or_zero():
    policy = RelativeTruncation(rtol=0.1)
    assert ends(policy, [[0.0, -1.9]], total=-TOTAL) == [True]
    assert ends(policy, [[0.0, 1e-9]], total=0 * TOTAL) == [True]
    assert ends(policy, [[0.0, 1e-7]], total=0 * TOTAL) == [False]


def test_burn_in_counts_players():
    policy = RelativeTruncation(rtol=0.5, burn_in_fraction=0.3)
    assert [ends(policy, [[2.0] * (t + 1)]) for t in (1, 2, 3, 4)] == [
        [False],
        [False],
        [True],
        [True],
    ]


def test_deviation_is_that_of_the_walk_without_the_empty_coalition():
    # std of (1, 2.5) is .75
    walk = [[-9.0, 1.0, 2.5]]
    assert ends(DeviationTruncation(sigmas=0.7), walk) == [True]
    assert ends(DeviationTruncation(sigmas=0.6), walk) == [False]
    assert ends(DeviationTruncation(1.0), [[0.0, 2.0]]) == [False]
    assert ends(DeviationTruncation(0.7, 0.3), walk) == [False]


def test_bootstrap_waits_for_a_number_of_players():
    walk = [[0.0, 1.0, 2.5]]
    assert ends(BootstrapTruncation(2), walk) == [True]
    assert ends(BootstrapTruncation(3), walk) == [False]
    assert ends(BootstrapTruncation(2, sigmas=0.6), walk) == [False]


def test_arguments_by_position_by_name_and_behind_a_utility():
    for policy in (
        RelativeTruncation(0.2, 0.4),
        RelativeTruncation(rtol=0.2, burn_in_fraction=0.4),
        RelativeTruncation(0.2, burn_in_fraction=0.4),
        RelativeTruncation(utility, 0.2, 0.4),
        RelativeTruncation(utility, rtol=0.2, burn_in_fraction=0.4),
    ):
        assert (policy.rtol, policy.burn_in_fraction) == (0.2, 0.4)
    fixed = FixedTruncation(utility, 0.5), FixedTruncation(utility, fraction=0.5)
    rates = [policy.fraction for policy in fixed]
    assert [RelativeTruncation().rtol, *rates] == [0.01, 0.5, 0.5]
    assert RelativeTruncation(utility).burn_in_fraction == 0
    assert BootstrapTruncation(utility, n_samples=5, sigmas=2).sigmas == 2
    assert BootstrapTruncation(utility, 5).n_samples == 5
    assert DeviationTruncation().sigmas == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FixedTruncation(), "fraction must be a number"),
        (lambda: FixedTruncation(0), "must be above 0"),
        (lambda: FixedTruncation(1.1), "share from 0 to 1"),
        (lambda: FixedTruncation("half"), "fraction must be a number"),
        (lambda: RelativeTruncation(-0.1), "rtol must be a number from 0"),
        (lambda: RelativeTruncation(0.1, rtol=0.1), "each once"),
        (lambda: RelativeTruncation(0.1, 0.1, 0.1), "each once"),
        (lambda: RelativeTruncation(burn_in_fraction=2), "burn_in_fraction"),
        (lambda: DeviationTruncation(float("nan")), "sigmas"),
        (lambda: BootstrapTruncation(), "n_samples must be an integer"),
        (lambda: NoTruncation(utility, 3), "no argument"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
