"""A-optimal pairs: distinct, repeatable, and more telling than random ones."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.sampling.a_optimal import _NOISE, _observe, _prior, a_optimal_pairs
from torchattr.sampling.pairs import leverage_pairs, n_pairs_available


@given(n=st.integers(2, 9), wanted=st.integers(1, 60))
def test_pairs_are_distinct_and_as_many_as_exist(n, wanted):
    pairs = a_optimal_pairs(n, wanted)
    assert len(pairs) == min(wanted, n_pairs_available(n))
    assert len(torch.unique(torch.cat([pairs, ~pairs]), dim=0)) == 2 * len(pairs)


def uncertainty_left(pairs):
    """Trace of the covariance of the players' values once the pairs are known."""
    among, with_players = _prior(pairs, 1.0)
    noise = torch.full((len(among),), _NOISE, dtype=torch.float64)
    noise[0] = 1e-9
    explained = torch.linalg.solve(among + noise.diag(), with_players.T)
    return -(with_players.T * explained).sum()


def test_they_are_more_telling_than_leverage_pairs():
    optimal = uncertainty_left(a_optimal_pairs(12, 30))
    random = [
        uncertainty_left(
            leverage_pairs(12, 30, generator=torch.Generator().manual_seed(i))
        )
        for i in range(5)
    ]
    assert optimal < min(random)


def test_observing_is_conditioning():
    among, with_players = _prior(leverage_pairs(8, 10), 1.0)
    before, before_players = among.clone(), with_players.clone()
    _observe(among, with_players, 3, noise=0.5)
    gain = before[:, 3] / (before[3, 3] + 0.5)
    assert torch.allclose(among, before - torch.outer(gain, before[3]))
    assert torch.allclose(
        with_players, before_players - torch.outer(before_players[:, 3], gain)
    )


def test_designs_are_cached_and_depend_on_the_seed():
    assert a_optimal_pairs(10, 20, seed=1) is a_optimal_pairs(10, 20, seed=1)
    assert not torch.equal(a_optimal_pairs(10, 20, seed=1), a_optimal_pairs(10, 20))
    assert a_optimal_pairs.cache_info().maxsize is not None


def test_a_large_design_is_filled_from_the_pool():
    pairs = a_optimal_pairs(20, 400)
    assert len(torch.unique(pairs, dim=0)) == 400
