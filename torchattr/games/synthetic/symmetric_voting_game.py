"""A vote in which everybody has one voice."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from torchattr.games.counts import as_count
from torchattr.games.game import Game
from torchattr.games.semivalues import log_binomial

__all__ = ["SymmetricVotingGame"]


@final
class SymmetricVotingGame(Game):
    r"""A simple majority, :math:`v(S) = 1` if :math:`|S| > n/2`, else 0.

    Args:
        n_players: Number of voters, at least two.

    Raises:
        InputError: If there are fewer.

    Example:
        >>> SymmetricVotingGame(4).shapley_values()
        tensor([0.2500, 0.2500, 0.2500, 0.2500], dtype=torch.float64)

    References:
        Castro, Gomez and Tejada (2009), *Polynomial calculation of the Shapley value
        based on sampling*, section 4.1.
    """

    def __init__(self, n_players: int) -> None:
        self.n_players = as_count("n_players", n_players, at_least=2)

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Whether each coalition has the majority.

        Args:
            coalitions: ``(C, n_players)`` booleans.

        Returns:
            ``(C,)`` float64, 0 or 1.
        """
        return (2 * coalitions.sum(1) > self.n_players).double()

    def shapley_values(self) -> Tensor:
        r""":math:`1/n` each."""
        return torch.full((self.n_players,), 1 / self.n_players, dtype=torch.float64)

    def banzhaf_values(self) -> Tensor:
        r""":math:`2^{-(n-1)} \binom{n-1}{\lfloor n/2 \rfloor}` each."""
        half = torch.tensor([self.n_players // 2])
        pivotal = log_binomial(self.n_players - 1, half).exp()
        return (pivotal * 0.5 ** (self.n_players - 1)).repeat(self.n_players)

    def least_core_values(self) -> tuple[Tensor, float]:
        r"""Equal shares; the smallest majority that is not everybody complains most.

        Returns:
            The values, and the subsidy :math:`e`: the smallest number with which
            :math:`\sum_{i \in S} x_i + e \ge v(S)` for all
            :math:`S \ne \emptyset, N`.
        """
        majority = self.n_players // 2 + 1
        wins = majority < self.n_players
        subsidy = 1 - majority / self.n_players if wins else -1 / self.n_players
        return self.shapley_values(), subsidy
