"""Samples, as users see them, of the rounds that a sampler draws from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
from numpy.typing import NDArray

from torchattr.sampling.orders import OrderRounds
from torchattr.sampling.rounds import Rounds
from torchattr.valuation.types import Sample

__all__ = ["samples_of"]

_ROWS_AT_ONCE = 1024


def samples_of(rounds: Rounds, indices: NDArray[np.int64]) -> Iterator[Sample]:
    """Every sample of every round, with indices in place of positions.

    Args:
        rounds: The rounds.
        indices: The index at each position.

    Yields:
        The samples: an index and a subset, or ``None`` and a permutation or subset.
    """
    indices = np.asarray(indices)
    n = len(indices)
    if n == 0:
        return
    at_once = max(1, _ROWS_AT_ONCE // max(1, rounds.rows_per_round(n)))
    for start in count(step=at_once):
        drawn = 0
        if isinstance(rounds, OrderRounds):
            orders = rounds.orders(n, start, at_once).orders.numpy()
            for order in orders:
                yield Sample(None, indices[order])
            drawn = len(orders)
        else:
            marginals = rounds.marginals(n, start, at_once)
            players, subsets = marginals.players.tolist(), marginals.subsets.numpy()
            for player, subset in zip(players, subsets, strict=True):
                idx = None if player < 0 else indices[player].item()
                yield Sample(idx, indices[subset])
            drawn = len(players)
        if drawn == 0:
            return
