"""Marginals: the coalitions before and after a player joins."""

from __future__ import annotations

import torch

from torchattr.sampling.marginals import EVERYBODY, Marginals


def test_a_player_joins_and_nobody_joins_for_everybody():
    players = torch.tensor([1, EVERYBODY])
    subsets = torch.tensor([[True, False, False], [True, False, True]])
    marginals = Marginals(players, subsets, players, players)
    assert marginals.joined.int().tolist() == [[1, 1, 0], [1, 0, 1]]
    assert marginals.sizes.tolist() == [1, 2]
    assert (len(marginals), marginals.n_players) == (2, 3)
