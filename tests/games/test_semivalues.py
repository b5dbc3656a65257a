"""Weights by coalition size: they sum to one, and agree where they must."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.games.semivalues import (
    banzhaf,
    beta_shapley,
    leave_one_out,
    log_binomial,
    shapley,
    weighted_banzhaf,
)

SEMIVALUES = {
    "shapley": shapley,
    "banzhaf": banzhaf,
    "weighted banzhaf": weighted_banzhaf(0.3),
    "beta": beta_shapley(4, 1.5),
    "leave one out": leave_one_out,
}
SIZES = st.integers(1, 40)


@pytest.mark.parametrize("semivalue", SEMIVALUES.values(), ids=SEMIVALUES)
@given(n=SIZES)
def test_the_coalitions_of_the_others_share_one(semivalue, n):
    weights = semivalue(n)
    assert weights.shape == (n,)
    assert weights.dtype == torch.float64
    sizes = torch.arange(n)
    total = (log_binomial(n - 1, sizes).exp() * weights).sum()
    assert float(total) == pytest.approx(1, abs=1e-12)


@given(n=SIZES)
def test_shapley_is_exact(n):
    exact = [float(Fraction(1, n * comb(n - 1, size))) for size in range(n)]
    assert shapley(n).tolist() == pytest.approx(exact, rel=1e-12)


@given(n=SIZES)
def test_beta_of_ones_is_shapley_and_a_fair_coin_is_banzhaf(n):
    torch.testing.assert_close(beta_shapley(1, 1)(n), shapley(n), rtol=1e-10, atol=0)
    torch.testing.assert_close(weighted_banzhaf(0.5)(n), banzhaf(n))


@given(n=st.integers(2, 20), a=st.floats(0.2, 9), b=st.floats(0.2, 9))
def test_swapping_the_parameters_of_beta_mirrors_the_sizes(n, a, b):
    one, other = beta_shapley(a, b)(n), beta_shapley(b, a)(n)
    torch.testing.assert_close(one, other.flip(0), rtol=1e-8, atol=0)


def test_a_large_first_parameter_favours_small_coalitions():
    weights = beta_shapley(16, 1)(10)
    assert bool((weights.diff() < 0).all())
    assert weighted_banzhaf(0.1)(10).argmax() == 0


def test_many_players_do_not_overflow():
    for semivalue in SEMIVALUES.values():
        assert bool(torch.isfinite(semivalue(2000)).all())


def test_leave_one_out_looks_at_the_largest_coalition_only():
    assert leave_one_out(4).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("w", [0, 1, -0.1, 1.1, float("nan")])
def test_probabilities_outside_the_open_interval(w):
    with pytest.raises(InputError, match="w must lie strictly between 0 and 1"):
        weighted_banzhaf(w)


@pytest.mark.parametrize(("a", "b"), [(0, 1), (1, 0), (-1, 1), (float("nan"), 1)])
def test_parameters_that_are_not_positive(a, b):
    with pytest.raises(InputError, match="a and b must be positive"):
        beta_shapley(a, b)


@pytest.mark.parametrize("semivalue", SEMIVALUES.values(), ids=SEMIVALUES)
def test_no_players(semivalue):
    with pytest.raises(InputError, match="n_players must be at least 1"):
        semivalue(0)
