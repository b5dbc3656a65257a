"""Counting is exact whatever the chunks."""

from __future__ import annotations

import pytest
import torch

from torchattr.errors import InputError
from torchattr.games.additive_game import AdditiveGame
from torchattr.games.counted import Counted
from torchattr.games.function_game import FunctionGame


def test_coalitions_and_calls_are_counted(device):
    game = Counted(AdditiveGame(torch.ones(3, device=device)))
    game(torch.ones(5, 3, dtype=torch.bool))
    game(game.ends())
    assert (game.n_evaluations, game.n_calls) == (7, 2)
    assert game.device.type == device.type


def test_the_inner_chunks_decide():
    sizes = []
    inner = FunctionGame(lambda c: sizes.append(len(c)) or c.sum(1), 2)
    inner.chunk_size = 3
    game = Counted(inner)
    game(torch.ones(7, 2, dtype=torch.bool))
    assert sizes == [3, 3, 1]
    assert (game.n_evaluations, game.n_calls) == (7, 1)


def test_an_evaluation_that_fails_is_not_counted():
    game = Counted(FunctionGame(lambda c: c.sum(1) / 0.0, 2))
    with pytest.raises(InputError, match="finite"):
        game(game.ends())
    assert (game.n_evaluations, game.n_calls) == (0, 0)
