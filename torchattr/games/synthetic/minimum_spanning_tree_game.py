"""A ring of villages and a source that is far away."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from torchattr.games.counts import as_count
from torchattr.games.game import Game

__all__ = ["MinimumSpanningTreeGame"]


@final
class MinimumSpanningTreeGame(Game):
    r"""Cost of a minimum spanning tree of the coalition and a source.

    Neighbours on a ring of all players are joined at cost 1, anybody and the source at
    cost :math:`n + 1`. A coalition that falls into :math:`r` runs of neighbours pays
    :math:`v(S) = (|S| - r) + r\,(n + 1) = |S| + n r`.

    Args:
        n_players: Number of players.

    Raises:
        InputError: If there is none.

    Example:
        >>> MinimumSpanningTreeGame(3).shapley_values()
        tensor([2., 2., 2.], dtype=torch.float64)

    References:
        Castro, Gomez and Tejada (2009), *Polynomial calculation of the Shapley value
        based on sampling*.
    """

    def __init__(self, n_players: int = 100) -> None:
        self.n_players = as_count("n_players", n_players)

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Costs of the trees, by counting runs.

        Args:
            coalitions: ``(C, n_players)`` booleans.

        Returns:
            ``(C,)`` float64.
        """
        starts = coalitions & ~coalitions.roll(1, dims=1)
        n_runs = starts.sum(1) + coalitions.all(1)  # the whole ring has no start
        return (coalitions.sum(1) + self.n_players * n_runs).double()

    def shapley_values(self) -> Tensor:
        """2 each: everybody is alike, and the whole ring costs 2n."""
        return torch.full((self.n_players,), 2.0, dtype=torch.float64)

    def banzhaf_values(self) -> Tensor:
        r""":math:`1 + n\,2^{-(n-1)}` each.

        A player between two absent neighbours opens a run as often as one between two
        present ones closes a gap, but closing the last gap of the ring saves nothing.

        Returns:
            ``(n_players,)``.
        """
        value = 1 + self.n_players * 0.5 ** (self.n_players - 1)
        return torch.full((self.n_players,), value, dtype=torch.float64)
