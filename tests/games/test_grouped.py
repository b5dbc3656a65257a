"""Groups stay and leave together."""

from __future__ import annotations

import pytest
import torch

from torchattr.errors import InputError
from torchattr.games.additive_game import AdditiveGame
from torchattr.games.function_game import FunctionGame
from torchattr.games.grouped import Grouped


def test_a_group_is_worth_its_players(device):
    inner = AdditiveGame(torch.tensor([1.0, 2.0, 4.0, 8.0], device=device))
    game = Grouped(inner, torch.tensor([1, 0, 1, 2]))
    singles = torch.eye(3, dtype=torch.bool, device=device)
    assert game(singles).tolist() == [2.0, 5.0, 8.0]
    assert game.n_players == 3
    assert game.device.type == device.type


def test_inner_coalitions_are_made_one_inner_chunk_at_a_time():
    sizes = []
    inner = FunctionGame(lambda c: sizes.append(len(c)) or c.sum(1), 6)
    inner.chunk_size = 4
    game = Grouped(inner, torch.tensor([0, 0, 0, 1, 1, 1]))
    game(torch.ones(10, 2, dtype=torch.bool))
    assert sizes == [4, 4, 2]
    game.chunk_size = 5
    assert inner.chunk_size == game.chunk_size == 5


def test_running_out_of_memory_halves_the_inner_chunk():
    def scarce(coalitions):
        if len(coalitions) > 3:
            raise MemoryError
        return coalitions.sum(1)

    game = Grouped(FunctionGame(scarce, 4), torch.tensor([0, 1, 1, 1]))
    assert game(torch.eye(2, dtype=torch.bool).repeat(5, 1)).tolist() == [1, 3] * 5


@pytest.mark.parametrize(
    "groups",
    [
        torch.tensor([0, 1]),
        torch.tensor([[0, 1, 2]]),
        torch.tensor([0, 2, 2]),
        torch.tensor([1, 1, 2]),
        torch.tensor([0, -1, 1]),
        torch.tensor([0.0, 1.0, 2.0]),
        torch.tensor([True, False, True]),
    ],
)
def test_groups_are_numbered_from_zero_without_gaps(groups):
    with pytest.raises(InputError, match="groups"):
        Grouped(AdditiveGame(torch.ones(3)), groups)
