"""Permutations: captum's stream, exact on additive games, nearly balanced blocks."""

from __future__ import annotations

from math import factorial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.sampling.replicates import estimates, seeded
from torchattr.errors import InputError
from torchattr.estimation.exact import exact
from torchattr.games.additive_game import AdditiveGame
from torchattr.games.function_game import FunctionGame
from torchattr.games.synthetic import RandomGame
from torchattr.sampling.permutations import (
    GivenPermutations,
    OrthogonalPermutations,
    PermutationDraws,
    Permutations,
)

SIZES = st.integers(1, 8)
SEEDS = st.integers(0, 10_000)
SAMPLERS = pytest.mark.parametrize("sampler", [Permutations, OrthogonalPermutations])


def all_orders(n):
    orders = torch.cartesian_prod(*[torch.arange(n)] * n).reshape(-1, n)
    return orders[orders.sort(1).values.eq(torch.arange(n)).all(1)]


def test_the_stream_is_that_of_randperm():
    torch.manual_seed(3)
    expected = [torch.randperm(5).tolist() for _ in range(4)]
    torch.manual_seed(3)
    assert Permutations(5).draw(4).orders[:, 0].tolist() == expected


def test_the_players_before_each_position_stay():
    draws = PermutationDraws.of(torch.tensor([[[2, 0, 3, 1]]]))
    expected = [[0, 0, 1, 0], [1, 0, 1, 0], [1, 0, 1, 1]]
    assert draws.coalitions.int().tolist() == [expected]


def test_gaps_consume_the_stream_and_are_no_players():
    sampler = Permutations(2, labels=torch.tensor([1, 4]), n_labels=6)
    torch.manual_seed(0)
    orders = sampler.draw(50).orders[:, 0]
    torch.manual_seed(0)
    for order in orders.tolist():
        places = torch.randperm(6).tolist()
        assert order == [0, 1] if places.index(1) < places.index(4) else [1, 0]


@SAMPLERS
def test_asking_at_once_or_one_by_one_gives_the_same(sampler):
    at_once = sampler(5).draw(4, seeded(0)).orders
    generator = seeded(0)
    one_by_one = [sampler(5).draw(1, generator).orders for _ in range(4)]
    assert torch.equal(at_once, torch.cat(one_by_one))


@SAMPLERS
def test_a_generator_leaves_the_global_one_alone(sampler):
    state = torch.get_rng_state()
    sampler(5).draw(3, seeded(0))
    assert torch.equal(torch.get_rng_state(), state)


@SAMPLERS
@given(n=SIZES, seed=SEEDS)
def test_counts_are_as_announced(sampler, n, seed):
    sampler = sampler(n)
    draws = sampler.draw(3, seeded(seed))
    assert draws.coalitions.shape == (3, sampler.n_coalitions, n)
    assert draws.orders.shape == (3, sampler.n_permutations, n)
    assert sampler.n_coalitions == sampler.n_permutations * (n - 1)
    sizes = draws.coalitions.sum(-1)
    assert bool(((sizes > 0) & (sizes < n)).all())


@SAMPLERS
@given(n=SIZES, seed=SEEDS)
def test_rows_are_permutations(sampler, n, seed):
    orders = sampler(n).draw(3, seeded(seed)).orders
    assert torch.equal(orders.sort(-1).values, torch.arange(n).expand_as(orders))


@SAMPLERS
@given(n=SIZES, seed=SEEDS)
def test_every_replicate_is_exact_on_an_additive_game(sampler, n, seed):
    values = torch.randn(n, generator=seeded(seed), dtype=torch.float64)
    found = estimates(sampler(n).draw(2, seeded(seed)), AdditiveGame(values, 5.0))
    torch.testing.assert_close(found, values.expand(2, n), atol=1e-10, rtol=0)


@SAMPLERS
@given(n=SIZES, seed=SEEDS)
def test_every_replicate_is_efficient(sampler, n, seed):
    game = RandomGame(n, 10, generator=seeded(seed))
    found = estimates(sampler(n).draw(3, seeded(seed)), game).sum(1)
    empty, full = game(game.ends())
    torch.testing.assert_close(found, (full - empty).expand(3), atol=1e-10, rtol=0)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_all_orders_together_give_the_shapley_value(n):
    game = RandomGame(n, 8, generator=seeded(n))
    found = estimates(PermutationDraws.of(all_orders(n)[None]), game)[0]
    torch.testing.assert_close(found, exact(game).values, atol=1e-10, rtol=0)


@given(n=st.integers(2, 7), seed=SEEDS)
def test_the_names_of_players_do_not_matter(n, seed):
    game = RandomGame(n, 10, generator=seeded(seed))
    order, names = (torch.randperm(n, generator=seeded(seed + k)) for k in (1, 2))
    renamed = FunctionGame(lambda c: game(c[:, names.argsort()]), n)
    one = estimates(PermutationDraws.of(order[None, None]), game)[0]
    other = estimates(PermutationDraws.of(names.argsort()[order][None, None]), renamed)
    torch.testing.assert_close(other[0], one[names], atol=1e-10, rtol=0)


@given(n=st.integers(2, 8), seed=SEEDS)
def test_an_orthogonal_block_holds_pairs_of_reverses(n, seed):
    orders = OrthogonalPermutations(n).draw(1, seeded(seed)).orders[0]
    one, other = orders.chunk(2)
    assert torch.equal(one.flip(-1), other)


def test_each_permutation_of_an_orthogonal_block_is_uniform():
    n, blocks = 4, 6000
    orders = OrthogonalPermutations(n).draw(blocks, seeded(0)).orders
    code = orders @ torch.tensor([64, 16, 4, 1])
    for column in code.T:
        counts = column.unique(return_counts=True)[1]
        expected = blocks / factorial(n)
        chi_square = ((counts - expected).square() / expected).sum()
        assert len(counts) == factorial(n)
        assert chi_square < 23 + 5 * (2 * 23) ** 0.5


def test_the_directions_of_a_block_are_orthogonal_so_positions_are_balanced():
    blocks, n = 500, 12
    orthogonal = OrthogonalPermutations(n).draw(blocks, seeded(0)).orders
    plain = Permutations(n).draw(blocks * 11, seeded(0)).orders.reshape(blocks, 11, n)
    plain = torch.cat([plain, plain.flip(-1)], 1)
    # Mean ranks are balanced by the reverses alone; products of ranks are not.
    spread = [
        (ranks.mT @ ranks / ranks.shape[1]).var(0).mean()
        for ranks in (o.argsort(-1).double() - (n - 1) / 2 for o in (orthogonal, plain))
    ]
    assert spread[0] < 0.5 * spread[1]


def test_one_player_needs_no_coalition():
    for sampler in (Permutations(1), OrthogonalPermutations(1)):
        draws = sampler.draw(2)
        assert draws.coalitions.shape == (2, 0, 1)
        assert estimates(draws, AdditiveGame(torch.tensor([3.0]))).tolist() == [
            [3.0],
            [3.0],
        ]


def test_given_permutations_come_in_their_order():
    sampler = GivenPermutations(iter([[1, 0, 2], [2, 1, 0]]), 3)
    assert sampler.draw(1).orders.tolist() == [[[1, 0, 2]]]
    assert sampler.draw(1).orders.tolist() == [[[2, 1, 0]]]


@pytest.mark.parametrize("orders", [[[0, 1]], [[0, 1, 1]], [[1, 2, 3]], []])
def test_what_is_not_a_permutation_is_refused(orders):
    with pytest.raises(InputError, match="permutations"):
        GivenPermutations(orders, 3).draw(1)
