"""Remembering values, so that no coalition is evaluated twice."""

from __future__ import annotations

import sys
from typing import final

import numpy as np
import torch
from torch import Tensor

from torchattr.games.game import Game

__all__ = ["Cached"]


@final
class Cached(Game):
    """The same game, in which every coalition is evaluated at most once.

    Worth it when an evaluation is expensive (a training run) and coalitions repeat
    (few players, or several methods on one game). A call is handed on whole, without
    what is known and without repetitions, so the inner game's batches stay full.
    A game with noise becomes one fixed draw of it.

    Args:
        game: The game to remember values of.

    Attributes:
        n_hits: Coalitions answered without an evaluation.

    Example:
        >>> from torchattr.games.additive_game import AdditiveGame
        >>> game = Cached(AdditiveGame(torch.ones(3)))
        >>> _ = game(torch.cat([game.ends(), game.ends()]))
        >>> game.n_stored, game.n_hits
        (2, 2)
    """

    chunk_size = sys.maxsize

    def __init__(self, game: Game) -> None:
        self.game = game
        self.n_players = game.n_players
        self.device = game.device
        self.n_hits = 0
        self._rows: dict[bytes, int] = {}  # packed coalition -> row of _values
        self._values = torch.empty(0)  # grows by doubling; the tail is free

    @property
    def n_stored(self) -> int:
        """Number of different coalitions whose value is known."""
        return len(self._rows)

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Known values, and the inner game's for the rest.

        Args:
            coalitions: ``(C, n_players)`` booleans.

        Returns:
            ``(C, *value)``.
        """
        keys = _packed(coalitions)
        new = {
            key: position for position, key in enumerate(keys) if key not in self._rows
        }
        if new:
            self._store(list(new), self.game(coalitions[list(new.values())]))
        self.n_hits += len(keys) - len(new)
        return self._values[[self._rows[key] for key in keys]]

    def _store(self, keys: list[bytes], values: Tensor) -> None:
        start, end = self.n_stored, self.n_stored + len(keys)
        if start == 0:
            self._values = values.clone()
        elif end > len(self._values):
            grown = values.new_empty(2 * end, *values.shape[1:])
            grown[:start] = self._values[:start]
            self._values = grown
        self._values[start:end] = values
        self._rows.update(zip(keys, range(start, end), strict=True))


def _packed(coalitions: Tensor) -> list[bytes]:
    """One key per coalition, eight players to a byte."""
    bits = np.packbits(coalitions.cpu().numpy(), axis=1)
    width = bits.shape[1]
    joined = bits.tobytes()
    return [joined[start : start + width] for start in range(0, len(joined), width)]
