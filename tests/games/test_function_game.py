"""A function of coalitions is a game."""

from __future__ import annotations

import pytest
import torch

from torchattr.errors import InputError
from torchattr.games.function_game import FunctionGame


def test_values_are_the_functions(device):
    game = FunctionGame(lambda c: c.sum(1).double() ** 2, 3, device=device)
    values = game(game.ends())
    assert values.tolist() == [0.0, 9.0]
    assert values.device.type == game.device.type == device.type


def test_the_function_sees_at_most_a_chunk():
    sizes = []
    game = FunctionGame(lambda c: sizes.append(len(c)) or c.sum(1), 4)
    game.chunk_size = 3
    game(torch.ones(7, 4, dtype=torch.bool))
    assert sizes == [3, 3, 1]


def test_gradients_are_off_inside():
    weights = torch.ones(3, requires_grad=True)
    game = FunctionGame(lambda c: c.float() @ weights, 3)
    assert not game(game.ends()).requires_grad


def test_values_must_be_tensors():
    with pytest.raises(InputError, match="must return a tensor"):
        FunctionGame(lambda c: [0.0] * len(c), 2)(torch.ones(1, 2, dtype=torch.bool))


@pytest.mark.parametrize(("fn", "n"), [(None, 2), (len, 0), (len, 2.0)])
def test_arguments_are_checked(fn, n):
    with pytest.raises(InputError):
        FunctionGame(fn, n)
