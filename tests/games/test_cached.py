"""Caching changes the number of evaluations and nothing else."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.games.additive_game import AdditiveGame
from torchattr.games.cached import Cached
from torchattr.games.counted import Counted
from torchattr.games.function_game import FunctionGame
from torchattr.games.game import Game


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


class Recording(Game):
    """Sizes of coalitions, with what was asked for, in a memory of so many."""

    def __init__(self, n, chunk_size, memory=10**9):
        self.n_players = n
        self.chunk_size = chunk_size
        self.memory = memory
        self.asked = []

    def evaluate(self, coalitions):
        self.asked.append(coalitions.clone())
        if len(coalitions) > self.memory:
            raise MemoryError
        return coalitions.sum(1).double()


def test_what_is_new_comes_from_small_to_large_in_chunks():
    inner = Recording(12, chunk_size=7)
    asked = torch.rand(100, 12, generator=torch.Generator().manual_seed(0)) < 0.5
    assert torch.equal(Cached(inner)(asked), asked.sum(1).double())
    sizes = torch.cat(inner.asked).sum(1)
    assert torch.equal(sizes, sizes.sort().values)
    assert {len(chunk) for chunk in inner.asked[:-1]} == {7}


def test_coalitions_of_one_size_keep_their_order():
    inner = Recording(4, chunk_size=10)
    Cached(inner)(torch.eye(4, dtype=torch.bool)[[2, 0, 3, 1]])
    assert inner.asked[0].int().argmax(1).tolist() == [2, 0, 3, 1]


def test_only_the_inner_game_makes_its_chunks_smaller():
    inner = Recording(8, chunk_size=64, memory=5)
    game = Cached(Counted(Cached(inner)))
    game(torch.rand(60, 8, generator=torch.Generator().manual_seed(0)) < 0.5)
    assert inner.chunk_size <= 5
    assert sum(len(chunk) > 5 for chunk in inner.asked) <= 4  # 64, 32, 16, 8
    assert game.chunk_size == Cached.chunk_size


def test_memory_that_does_not_suffice_for_one_coalition_is_tried_for_once():
    inner = Recording(8, chunk_size=4, memory=0)
    with pytest.raises(MemoryError):
        Cached(inner)(torch.rand(4, 8) < 0.5)
    assert [len(chunk) for chunk in inner.asked] == [4, 2, 1]


def test_progress_of_the_inner_game_counts_every_answer():
    class Bar:
        steps: ClassVar[list[int]] = []

        def update(self, n):
            self.steps.append(n)

    inner = Recording(6, chunk_size=2)
    inner.progress = Bar()
    asked = torch.eye(6, dtype=torch.bool)
    game = Cached(inner)
    game(asked)
    game(torch.cat([asked, ~asked[:1]]))
    assert Bar.steps == [0, 2, 2, 2, 6, 1]


def test_a_chunk_that_was_evaluated_outlives_the_failure_of_the_next():
    def values(coalitions):
        if bool((coalitions.sum(1) > 3).any()) and not healed:
            raise ValueError("cannot")
        return coalitions.sum(1)

    healed = []
    inner = FunctionGame(values, 6)
    inner.chunk_size = 1
    cached = Cached(inner)
    asked = torch.ones(6, 6, dtype=torch.bool).tril()
    with pytest.raises(ValueError, match="cannot"):
        cached(asked)
    assert cached.n_stored == 3
    healed.append(True)
    assert cached(asked).tolist() == [1, 2, 3, 4, 5, 6]
    assert cached.n_hits == 3
