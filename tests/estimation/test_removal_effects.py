"""What the value loses when one player is removed."""

from __future__ import annotations

import sys

import pytest
import torch

from torchattr.estimation.exact import exact
from torchattr.estimation.removal_effects import removal_coalitions, removal_effects
from torchattr.games.additive_game import AdditiveGame
from torchattr.games.counted import Counted
from torchattr.games.function_game import FunctionGame
from torchattr.games.semivalues import leave_one_out
from torchattr.games.synthetic import RandomGame

# The package's attribute of this name is the function.
MODULE = sys.modules[removal_effects.__module__]


@pytest.mark.parametrize("n", [1, 2, 7])
def test_they_are_the_leave_one_out_semivalue(n):
    game = RandomGame(n, 10, n_outputs=3, generator=torch.Generator().manual_seed(n))
    expected = exact(game, leave_one_out).values
    torch.testing.assert_close(removal_effects(game).values, expected)


def test_one_evaluation_for_each_player_and_one_more(device):
    game = Counted(AdditiveGame(torch.arange(5.0, device=device)))
    estimate = removal_effects(game)
    assert game.n_evaluations == estimate.n_evaluations == 6
    assert estimate.values.tolist() == [0, 1, 2, 3, 4]
    assert estimate.standard_errors.tolist() == [0] * 5
    assert estimate.values.device.type == device.type


def test_players_are_removed_in_their_order():
    game = FunctionGame(lambda c: c.sum(1), 3)
    expected = [[1, 1, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert removal_coalitions(game).int().tolist() == expected
    seen = []
    removal_effects(FunctionGame(lambda c: seen.append(c) or c.sum(1), 3))
    assert torch.cat(seen).int().tolist() == expected


@pytest.mark.parametrize("block_bytes", [1, 5, 13, 2**26])
def test_blocks_change_nothing(monkeypatch, block_bytes):
    monkeypatch.setattr(MODULE, "_BLOCK_BYTES", block_bytes)
    game = RandomGame(5, 10, generator=torch.Generator().manual_seed(0))
    expected = exact(game, leave_one_out).values
    torch.testing.assert_close(removal_effects(game).values, expected)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (torch.float16, torch.float16),
        (torch.float64, torch.float64),
        (torch.int32, torch.int32),
        (torch.complex64, torch.complex64),
        (torch.bool, torch.int64),
        (torch.uint8, torch.int64),
    ],
)
def test_values_keep_their_type_if_it_has_a_sign(dtype, expected):
    game = FunctionGame(lambda c: (c.sum(1) == 1).to(dtype), 2)
    estimate = removal_effects(game)
    assert estimate.values.dtype == expected
    assert estimate.values.real.tolist() == [-1, -1]
    assert not estimate.standard_errors.is_complex()
    assert not bool(estimate.standard_errors.any())
