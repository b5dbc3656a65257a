"""Antithetic draws: the mirror image removes the even part, and nothing else."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.sampling.replicates import estimates, seeded
from torchattr.games.function_game import FunctionGame
from torchattr.games.synthetic import RandomGame
from torchattr.sampling.antithetic import Antithetic
from torchattr.sampling.permutations import PermutationDraws, Permutations

SIZES = st.integers(1, 7)
SEEDS = st.integers(0, 10_000)


@given(n=SIZES, seed=SEEDS)
def test_a_pair_is_a_permutation_and_its_reverse(n, seed):
    game = RandomGame(n, 10, generator=seeded(seed))
    order = torch.randperm(n, generator=seeded(seed))[None, None]
    both = PermutationDraws.of(torch.cat([order, order.flip(-1)], 1))
    pair = Antithetic(Permutations(n)).draw(1, seeded(seed))
    expected = estimates(both, game)
    torch.testing.assert_close(estimates(pair, game), expected, atol=1e-10, rtol=0)


@given(n=SIZES, seed=SEEDS)
def test_coalitions_come_with_their_complements(n, seed):
    own, complement = (
        Antithetic(Permutations(n)).draw(3, seeded(seed)).coalitions.chunk(2, dim=1)
    )
    assert torch.equal(own, ~complement)
    assert torch.equal(own, Permutations(n).draw(3, seeded(seed)).coalitions)


@given(n=SIZES, seed=SEEDS)
def test_the_even_part_of_a_game_leaves_no_trace(n, seed):
    inner = RandomGame(n, 10, generator=seeded(seed))
    even = FunctionGame(lambda c: inner(c) + inner(~c), n)
    found = estimates(Antithetic(Permutations(n)).draw(3, seeded(seed)), even)
    assert float(found.abs().max()) < 1e-10


@given(n=SIZES, seed=SEEDS)
def test_every_pair_is_efficient(n, seed):
    game = RandomGame(n, 10, generator=seeded(seed))
    empty, full = game(game.ends())
    found = estimates(Antithetic(Permutations(n)).draw(3, seeded(seed)), game)
    expected = (full - empty).expand(3)
    torch.testing.assert_close(found.sum(1), expected, atol=1e-10, rtol=0)


def test_it_has_the_size_of_two():
    pairs = Antithetic(Permutations(5))
    assert (pairs.n_players, pairs.n_coalitions) == (5, 8)


def test_a_mirror_image_of_a_mirror_image_changes_nothing():
    game = RandomGame(5, 10, generator=seeded(0))
    once = Antithetic(Permutations(5)).draw(2, seeded(1))
    twice = Antithetic(Antithetic(Permutations(5))).draw(2, seeded(1))
    torch.testing.assert_close(
        estimates(twice, game), estimates(once, game), atol=1e-10, rtol=0
    )
