"""What a sampler's replicates say about a game."""

from __future__ import annotations

import torch


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def estimates(draws, game):
    """``(R, n)``: the estimate of each replicate, for a game with single values."""
    empty, full = game(game.ends()).double()[:, None]
    replicates, count, n = draws.coalitions.shape
    values = torch.zeros(replicates, 0, 1, dtype=torch.float64)
    if count:  # a single player has the empty and the full coalition only
        values = game(draws.coalitions.reshape(-1, n)).double()
        values = values.reshape(replicates, count, 1)
    return draws.estimates(values, empty, full)[..., 0]
