"""Caching changes the number of evaluations and nothing else."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.games.additive_game import AdditiveGame
from torchattr.games.cached import Cached
from torchattr.games.counted import Counted
from torchattr.games.function_game import FunctionGame


@given(n=st.integers(1, 20), seed=st.integers(0, 99), n_calls=st.integers(1, 4))
def test_values_are_the_same_and_nothing_is_evaluated_twice(n, seed, n_calls):
    generator = torch.Generator().manual_seed(seed)
    inner = Counted(AdditiveGame(torch.rand(n, 2, generator=generator)))
    game, seen = Cached(inner), []
    for _ in range(n_calls):
        coalitions = torch.rand(9, n, generator=generator) < 0.5
        seen.append(coalitions)
        torch.testing.assert_close(game(coalitions), inner.game(coalitions))
    distinct = torch.cat(seen).unique(dim=0)
    assert inner.n_evaluations == game.n_stored == len(distinct)
    assert game.n_hits == 9 * n_calls - len(distinct)


def test_coalitions_that_differ_in_the_last_of_nine_players_differ(device):
    game = Cached(AdditiveGame(torch.eye(9, dtype=torch.float64, device=device)))
    singles = torch.eye(9, dtype=torch.bool, device=device)
    assert torch.equal(game(singles), singles.double())
    assert torch.equal(game(singles.flip(0)), singles.flip(0).double())


def test_what_a_caller_does_to_values_does_not_reach_the_cache():
    game = Cached(AdditiveGame(torch.ones(2)))
    game(game.ends()).zero_()
    assert game(game.ends()).tolist() == [0.0, 2.0]


def test_noise_is_drawn_once():
    game = Cached(FunctionGame(lambda c: torch.rand(len(c)), 2))
    assert torch.equal(game(game.ends()), game(game.ends()))


def test_a_failed_evaluation_is_not_remembered():
    broken = [True]
    game = Cached(FunctionGame(lambda c: c.sum(1) / (0.0 if broken[0] else 1.0), 2))
    with pytest.raises(InputError, match="finite"):
        game(game.ends())
    broken[0] = False
    assert game(game.ends()).tolist() == [0.0, 2.0]


def test_misses_go_to_the_inner_game_in_one_call():
    inner = Counted(AdditiveGame(torch.ones(12)))
    coalitions = torch.rand(3000, 12) < 0.5
    Cached(inner)(coalitions)
    assert inner.n_calls == 1
