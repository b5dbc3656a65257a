"""A game checks what goes in and out, splits, reports, and survives small memories."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.games.function_game import FunctionGame
from torchattr.games.game import Game


def coalitions(count, n=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, n, generator=generator) < 0.5


class Sizes(Game):
    """The sizes of coalitions, in a memory of so many."""

    n_players = 3

    def __init__(self, memory=10**9, error=MemoryError):
        self.memory = memory
        self.error = error
        self.chunks = []

    def evaluate(self, coalitions):
        self.chunks.append(len(coalitions))
        if len(coalitions) > self.memory:
            raise self.error
        return coalitions.sum(1).double()


@given(count=st.integers(1, 50), chunk_size=st.integers(1, 60))
def test_chunks_change_nothing(count, chunk_size):
    game, asked = Sizes(), coalitions(count)
    game.chunk_size = chunk_size
    assert torch.equal(game(asked), asked.sum(1).double())
    assert sum(game.chunks) == count
    assert max(game.chunks) <= chunk_size


@given(count=st.integers(1, 50), memory=st.integers(1, 50))
def test_a_chunk_that_does_not_fit_is_halved_for_good(count, memory):
    game, asked = Sizes(memory), coalitions(count)
    assert torch.equal(game(asked), asked.sum(1).double())
    assert game.chunk_size <= max(memory, 1024)
    game.chunks.clear()
    game(asked)
    assert all(chunk <= memory for chunk in game.chunks)


def test_one_coalition_that_does_not_fit_is_an_error():
    with pytest.raises(MemoryError):
        Sizes(memory=0)(coalitions(5))


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes cannot be multiplied"), KeyError("out of memory")]
)
def test_other_errors_are_not_retried(error):
    game = Sizes(memory=0, error=error)
    with pytest.raises(type(error)):
        game(coalitions(5))
    assert game.chunks == [5]


@pytest.mark.parametrize(
    "wrong",
    [
        torch.ones(2, 3),
        torch.ones(2, 3, dtype=torch.int64),
        torch.ones(2, 4, dtype=torch.bool),
        torch.ones(3, dtype=torch.bool),
        torch.ones(0, 3, dtype=torch.bool),
        torch.ones(1, 2, 3, dtype=torch.bool),
    ],
)
def test_what_are_no_coalitions(wrong):
    with pytest.raises(InputError, match=r"coalitions must be bool .*C >= 1"):
        Sizes()(wrong)


@pytest.mark.parametrize("values", [torch.tensor(1.0), torch.ones(4), torch.ones(1, 5)])
def test_what_are_no_values(values):
    game = FunctionGame(lambda c: values, 3)
    with pytest.raises(InputError, match="one value for each of the 5 coalitions"):
        game(coalitions(5))


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_a_value_that_is_not_finite_names_its_coalition(bad, shape):
    def values(asked):
        values = torch.zeros(len(asked), *shape)
        values[asked.all(1)] = bad
        return values

    asked = torch.tensor([[True, False, True], [True, True, True], [False] * 3])
    with pytest.raises(InputError, match=r"players \{0, 1, 2\} \(3 of 3\) stay"):
        FunctionGame(values, 3)(asked)


def test_a_long_coalition_is_not_printed_whole():
    game = FunctionGame(lambda c: c.sum(1) / 0, 100)
    with pytest.raises(InputError, match=r"11, \.\.\.\} \(100 of 100\)"):
        game(game.ends()[1:])


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.complex64])
def test_values_of_any_type(dtype):
    game = FunctionGame(lambda c: c.sum(1).to(dtype), 3)
    assert game(game.ends()).dtype == dtype


def test_values_come_without_gradients():
    weights = torch.ones(3, requires_grad=True)
    game = FunctionGame(lambda c: c.float() @ weights, 3)
    assert not game(game.ends()).requires_grad


def test_the_ends_are_nobody_and_everybody(device):
    ends = FunctionGame(torch.sum, 4, device=device).ends()
    assert ends.tolist() == [[False] * 4, [True] * 4]
    assert ends.device.type == device.type


def test_coalitions_are_moved_to_the_game(device):
    game = FunctionGame(lambda c: c.sum(1), 3, device=device)
    assert game(coalitions(4)).device.type == device.type


class Bar:
    def __init__(self):
        self.updates = []

    def update(self, n):
        self.updates.append(n)


def test_progress_counts_coalitions_that_are_done():
    game, bar = Sizes(memory=4), Bar()
    game.progress, game.chunk_size = bar, 6
    game(coalitions(10))
    assert bar.updates == [3, 3, 3, 1]
