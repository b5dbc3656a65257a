"""Gold that takes two to carry."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from torchattr.games.counts import as_count
from torchattr.games.game import Game

__all__ = ["MinerGame"]


@final
class MinerGame(Game):
    r"""Two miners carry one bar, :math:`v(S) = \lfloor |S| / 2 \rfloor`.

    Args:
        n_players: Number of miners, at least three.

    Raises:
        InputError: If there are fewer.

    Example:
        >>> values, subsidy = MinerGame(5).least_core_values()
        >>> values, subsidy
        (tensor([0.4000, 0.4000, 0.4000, 0.4000, 0.4000], dtype=torch.float64), 0.4)

    References:
        Shapley and Shubik (1969), *On market games*.
    """

    def __init__(self, n_players: int) -> None:
        self.n_players = as_count("n_players", n_players, at_least=3)

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Number of bars carried.

        Args:
            coalitions: ``(C, n_players)`` booleans.

        Returns:
            ``(C,)`` float64.
        """
        return (coalitions.sum(1) // 2).double()

    def shapley_values(self) -> Tensor:
        r""":math:`\lfloor n/2 \rfloor / n` each."""
        share = (self.n_players // 2) / self.n_players
        return torch.full((self.n_players,), share, dtype=torch.float64)

    def banzhaf_values(self) -> Tensor:
        """One half each: the chance that the others are an odd number."""
        return torch.full((self.n_players,), 0.5, dtype=torch.float64)

    def least_core_values(self) -> tuple[Tensor, float]:
        r"""Equal shares; an odd miner out makes the core empty.

        Returns:
            The values, and the subsidy :math:`e` (0 for an even number of miners, else
            :math:`(n-1)/2n`): the smallest number with which
            :math:`\sum_{i \in S} x_i + e \ge v(S)` for all
            :math:`S \ne \emptyset, N`.
        """
        subsidy = (self.n_players % 2) * (self.n_players - 1) / (2 * self.n_players)
        return self.shapley_values(), subsidy
