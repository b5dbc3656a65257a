"""Remembering values, so that no coalition is evaluated twice."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.evaluation_log import EvaluationLog
from torchattr.games.game import WHOLE_CALL, Game

__all__ = ["Cached"]


@final
class Cached(Game):
    """The same game, in which every coalition is evaluated at most once.

    Worth it when an evaluation is expensive (a training run) and coalitions repeat
    (few players, or several methods on one game). Of each call the inner game gets what
    is not known, once, from the smallest coalitions to the largest, so that those which
    it evaluates together are alike. It gets them in chunks of its own size, and what a
    chunk is worth is kept (and logged) before the next: an interrupted call loses one
    chunk. A game with noise becomes one fixed draw of it.

    Args:
        game: The game to remember values of. A progress bar that is set on it counts
            every answer, one from memory included.
        log: Where values are read from at the beginning, and written to.

    Attributes:
        n_hits: Coalitions answered without an evaluation.

    Raises:
        InputError: If the log is of a game with another number of players.

    Example:
        >>> from torchattr.games.additive_game import AdditiveGame
        >>> game = Cached(AdditiveGame(torch.ones(3)))
        >>> _ = game(torch.cat([game.ends(), game.ends()]))
        >>> game.n_stored, game.n_hits
        (2, 2)
    """

    chunk_size = WHOLE_CALL

    def __init__(self, game: Game, log: EvaluationLog | None = None) -> None:
        self.game = game
        self.n_players = game.n_players
        self.device = game.device
        self.n_hits = 0
        self._log = log
        self._rows: dict[bytes, int] = {}  # packed coalition -> row of _values
        self._values = torch.empty(0)  # grows by doubling; the tail is free
        if log is not None:
            if log.n_players != game.n_players:
                raise InputError(
                    f"{log.path} is for {log.n_players} players, the game has "
                    f"{game.n_players}"
                )
            for coalitions, values in log:
                new = self._unknown(_packed(coalitions))
                if new:
                    self._store(list(new), values[list(new.values())].to(self.device))
            log.repair()

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
        new = self._unknown(keys)
        n_known = len(keys) - len(new)
        self.n_hits += n_known
        if self.game.progress is not None:
            self.game.progress.update(n_known)
        if new:
            self._evaluate_new(coalitions[list(new.values())], list(new))
        return self._values[[self._rows[key] for key in keys]]

    def _unknown(self, keys: list[bytes]) -> dict[bytes, int]:
        """Where each key that is not known comes last."""
        rows = self._rows
        return {key: place for place, key in enumerate(keys) if key not in rows}

    def _evaluate_new(self, coalitions: Tensor, keys: list[bytes]) -> None:
        sizes = [int.from_bytes(key, "little").bit_count() for key in keys]
        places = sorted(range(len(keys)), key=sizes.__getitem__)  # (which is stable)
        coalitions = coalitions[places]
        start = 0
        while start < len(keys):
            stop = start + self.game.chunk_size  # (it may shrink from chunk to chunk)
            chunk = coalitions[start:stop]
            values = self.game(chunk)
            self._store([keys[place] for place in places[start:stop]], values)
            if self._log is not None:
                self._log.append(chunk, values)
            start = stop

    def _store(self, keys: list[bytes], values: Tensor) -> None:
        start, end = self.n_stored, self.n_stored + len(keys)
        if start == 0:
            self._values = values.clone()
        elif values.shape[1:] != self._values.shape[1:]:
            raise InputError(
                f"a coalition has a value of shape {tuple(values.shape[1:])}, others "
                f"have {tuple(self._values.shape[1:])}; a game's values have one shape"
            )
        dtype = torch.promote_types(values.dtype, self._values.dtype)
        if end > len(self._values):
            grown = values.new_empty(2 * end, *values.shape[1:], dtype=dtype)
            grown[:start] = self._values[:start]
            self._values = grown
        self._values = self._values.to(dtype)
        self._values[start:end] = values
        self._rows.update(zip(keys, range(start, end), strict=True))


def _packed(coalitions: Tensor) -> list[bytes]:
    """One key per coalition, eight players to a byte."""
    bits = np.packbits(coalitions.cpu().numpy(), axis=1)
    width = bits.shape[1]
    joined = bits.tobytes()
    return [joined[start : start + width] for start in range(0, len(joined), width)]
