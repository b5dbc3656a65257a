"""Counting what a method evaluates: the budget is a contract."""

from __future__ import annotations

from typing import final

from torch import Tensor

from torchattr.games.game import WHOLE_CALL, Game

__all__ = ["Counted"]


@final
class Counted(Game):
    """The same game, with a count of the coalitions that were evaluated.

    ``Counted(Cached(game))`` counts what was asked for, ``Cached(Counted(game))`` what
    was evaluated. A call is handed on whole, so the inner game's ``chunk_size`` decides
    how it is split.

    Args:
        game: The game to count for.

    Attributes:
        n_evaluations: Coalitions whose value was computed.
        n_calls: Calls that they came in.

    Example:
        >>> import torch
        >>> from torchattr.games.additive_game import AdditiveGame
        >>> game = Counted(AdditiveGame(torch.ones(3)))
        >>> _ = game(game.ends())
        >>> game.n_evaluations, game.n_calls
        (2, 1)
    """

    chunk_size = WHOLE_CALL

    def __init__(self, game: Game) -> None:
        self.game = game
        self.n_players = game.n_players
        self.device = game.device
        self.n_evaluations = 0
        self.n_calls = 0

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Values by the inner game; counted once they are there.

        Args:
            coalitions: ``(C, n_players)`` booleans.

        Returns:
            ``(C, *value)``.
        """
        values = self.game(coalitions)
        self.n_evaluations += len(coalitions)
        self.n_calls += 1
        return values
