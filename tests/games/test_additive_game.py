"""The additive game sums what stays."""

from __future__ import annotations

import pytest
import torch

from torchattr.errors import InputError
from torchattr.games.additive_game import AdditiveGame


def test_values_are_offset_plus_sum(device):
    values = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64, device=device)
    game = AdditiveGame(values, offset=10)
    coalitions = torch.tensor([[0, 0, 0], [1, 0, 1]], device=device).bool()
    assert game(coalitions).tolist() == [10.0, 15.0]
    assert game.device == values.device


def test_values_and_offset_of_any_shape():
    values = torch.arange(24, dtype=torch.float64).reshape(3, 2, 4)
    game = AdditiveGame(values, offset=torch.arange(4))
    expected = torch.arange(4) + torch.stack([torch.zeros(2, 4), values.sum(0)])
    torch.testing.assert_close(game(game.ends()), expected.double())


def test_integers_become_floats_and_floats_keep_their_type():
    ends = AdditiveGame(torch.ones(2)).ends()
    assert AdditiveGame(torch.tensor([1, 2]))(ends).dtype == torch.float32
    assert AdditiveGame(torch.ones(2).half())(ends).dtype == torch.float16


def test_one_coalition_of_an_empty_value():
    game = AdditiveGame(torch.ones(2, 0))
    assert game(game.ends()).shape == (2, 0)


@pytest.mark.parametrize(
    ("values", "offset"),
    [
        (torch.tensor(1.0), 0),
        (torch.empty(0, 2), 0),
        (torch.tensor([1.0, torch.nan]), 0),
        (torch.ones(2), float("inf")),
        (torch.ones(2, 3), torch.ones(2)),
        (torch.ones(2), torch.ones(1)),
    ],
)
def test_arguments_are_checked(values, offset):
    with pytest.raises(InputError, match=r"values|offset"):
        AdditiveGame(values, offset)
