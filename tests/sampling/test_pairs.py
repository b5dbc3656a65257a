"""Pairs: distinct, spread evenly over sizes, all of them when asked for."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.sampling.pairs import (
    leverage_pairs,
    n_pairs_available,
    pair_sizes,
    stratum_counts,
    uniform_pairs,
)

PLAYERS = st.integers(2, 12)
WANTED = st.integers(0, 80)
SEEDS = st.integers(0, 1000)
both_designs = pytest.mark.parametrize("design", [leverage_pairs, uniform_pairs])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def n_distinct(pairs):
    return len(torch.unique(torch.cat([pairs, ~pairs]), dim=0))


@both_designs
@given(n=PLAYERS, wanted=WANTED, seed=SEEDS)
def test_pairs_are_distinct_and_as_many_as_exist(design, n, wanted, seed):
    pairs = design(n, wanted, generator=seeded(seed))
    existing = n_pairs_available(n) + (design is uniform_pairs)
    assert len(pairs) == min(wanted, existing)
    assert n_distinct(pairs) == 2 * len(pairs)


@given(n=PLAYERS, wanted=WANTED, seed=SEEDS)
def test_leverage_pairs_are_stored_by_the_smaller_side_and_have_no_end(n, wanted, seed):
    pairs = leverage_pairs(n, wanted, generator=seeded(seed))
    sizes = pairs.sum(1)
    assert torch.equal(sizes, pair_sizes(pairs))
    assert bool((sizes > 0).all())
    assert bool(pairs[2 * sizes == n, -1].all())


@given(n=PLAYERS, wanted=WANTED, seed=SEEDS)
def test_sizes_are_as_even_as_the_pairs_that_exist_allow(n, wanted, seed):
    pairs = leverage_pairs(n, wanted, generator=seeded(seed))
    counts = torch.bincount(pair_sizes(pairs), minlength=n // 2 + 1)[1:].tolist()
    room = [k < all_ for k, all_ in zip(counts, stratum_counts(n)[1:], strict=True)]
    uneven = counts[: (n - 1) // 2]
    for k, open_ in zip(uneven, room, strict=False):
        assert not open_ or max(uneven) - k <= 1


def test_strata_count_every_pair_once():
    for n in range(1, 12):
        assert sum(stratum_counts(n)) == n_pairs_available(n) + 1


@pytest.mark.parametrize(("n", "wanted"), [(30, 150), (200, 3000), (1000, 500)])
def test_many_players(n, wanted):
    pairs = leverage_pairs(n, wanted, generator=seeded())
    assert pairs.shape == (wanted, n)
    assert len(torch.unique(pairs, dim=0)) == wanted


def test_rows_come_in_random_order():
    sizes = pair_sizes(leverage_pairs(20, 400, generator=seeded())).double()
    first, second = sizes[:200].mean(), sizes[200:].mean()
    assert abs(first - second) < 5 * sizes.std() * (2 / 200) ** 0.5


def test_every_pair_of_a_size_is_equally_likely():
    n, rounds = 6, 600
    seen = torch.cat([leverage_pairs(n, 9, generator=seeded(i)) for i in range(rounds)])
    twos = seen[seen.sum(1) == 2].double()
    share = twos.mean(0)
    error = (2 / n * (1 - 2 / n) / len(twos)) ** 0.5
    assert bool(((share - 2 / n).abs() < 5 * error).all())


def test_uniform_pairs_are_uniform():
    pairs = uniform_pairs(40, 4000, generator=seeded())
    share = pairs[:, :-1].double().mean(0)
    assert bool(((share - 0.5).abs() < 5 * 0.5 / 4000**0.5).all())
    assert not bool(pairs[:, -1].any())


@both_designs
def test_a_generator_decides_and_the_global_one_is_left_alone(design):
    state = torch.get_rng_state()
    assert torch.equal(
        design(9, 20, generator=seeded(1)), design(9, 20, generator=seeded(1))
    )
    assert torch.equal(state, torch.get_rng_state())


@both_designs
def test_pairs_live_on_the_device_and_do_not_depend_on_it(design, device):
    here = design(9, 20, generator=seeded(), device=device)
    assert here.device.type == device.type
    assert torch.equal(here.cpu(), design(9, 20, generator=seeded()))
