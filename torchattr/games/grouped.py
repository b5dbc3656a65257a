"""Players that come and go together."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.game import Game

__all__ = ["Grouped"]


@final
class Grouped(Game):
    r"""A game between groups of the players of another one.

    :math:`v(S) = w(\{j : g_j \in S\})`: pixels become segments, training examples
    become their sources. The same as ``game(coalitions[:, groups])``.

    Args:
        game: The game :math:`w` between single players.
        groups: ``(game.n_players,)`` integers, the group :math:`g_j` of each player.
            Groups are numbered from 0 without gaps.

    Raises:
        InputError: If ``groups`` has another shape or type, a negative number or a gap.

    Example:
        >>> from torchattr.games.additive_game import AdditiveGame
        >>> game = AdditiveGame(torch.tensor([1.0, 2.0, 4.0]))
        >>> Grouped(game, torch.tensor([0, 1, 0]))(torch.tensor([[True, False]]))
        tensor([5.])
    """

    def __init__(self, game: Game, groups: Tensor) -> None:
        self.game = game
        self.groups = _checked(torch.as_tensor(groups), game.n_players).to(game.device)
        self.n_players = int(self.groups.amax()) + 1
        self.device = game.device

    # The inner coalitions can be far wider than the groups' (50,000 pixels, 49
    # segments), so they are made one inner chunk at a time.
    @property
    def chunk_size(self) -> int:
        """The inner game's."""
        return self.game.chunk_size

    @chunk_size.setter
    def chunk_size(self, size: int) -> None:
        self.game.chunk_size = size

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Values of the coalitions of all players of the groups that stay.

        Args:
            coalitions: ``(C, n_players)`` booleans, one column for each group.

        Returns:
            ``(C, *value)``.
        """
        return self.game(coalitions[:, self.groups])


def _checked(groups: Tensor, n_inner: int) -> Tensor:
    if groups.is_floating_point() or groups.is_complex() or groups.dtype == torch.bool:
        raise InputError(f"groups must be integers, got {groups.dtype}")
    if groups.shape != (n_inner,):
        raise InputError(
            f"groups must have shape ({n_inner},), one group for each player of the "
            f"game; got {tuple(groups.shape)}"
        )
    groups = groups.long()
    if int(groups.amin()) < 0:
        raise InputError(f"groups must not be negative, got {int(groups.amin())}")
    sizes = torch.bincount(groups)
    if not bool(sizes.all()):
        raise InputError(
            f"groups must be numbered 0 to {len(sizes) - 1} without gaps; no player "
            f"is in group {int((sizes == 0).nonzero()[0])}. "
            "Renumber them with torch.unique(groups, return_inverse=True)[1]."
        )
    return groups
