"""Left shoes and right shoes."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor

from torchattr.games.counts import as_count
from torchattr.games.game import Game
from torchattr.games.semivalues import Semivalue, banzhaf, log_binomial, shapley

__all__ = ["ShoesGame"]


@final
class ShoesGame(Game):
    r"""Pairs of shoes, :math:`v(S) = \min(|S \cap L|, |S \cap R|)`.

    Args:
        left: Number of players with a left shoe (they come first).
        right: Number of players with a right shoe.

    Raises:
        InputError: If a number is not positive.

    Example:
        >>> ShoesGame(left=1, right=1).shapley_values()
        tensor([0.5000, 0.5000], dtype=torch.float64)

    References:
        Castro, Gomez and Tejada (2009), *Polynomial calculation of the Shapley value
        based on sampling*.
    """

    def __init__(self, left: int, right: int) -> None:
        self.left = as_count("left", left)
        self.right = as_count("right", right)
        self.n_players = self.left + self.right

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Number of pairs.

        Args:
            coalitions: ``(C, n_players)`` booleans.

        Returns:
            ``(C,)`` float64.
        """
        n_left = coalitions[:, : self.left].sum(1)
        n_right = coalitions[:, self.left :].sum(1)
        return torch.minimum(n_left, n_right).double()

    def shapley_values(self) -> Tensor:
        """Chance to complete a pair, the player's place in a queue being random."""
        return self._semivalues(shapley)

    def banzhaf_values(self) -> Tensor:
        """Chance to complete a pair, each other player being there or not."""
        return self._semivalues(banzhaf)

    def least_core_values(self) -> tuple[Tensor, float]:
        r"""The scarce shoe takes all.

        With equally many shoes the core is a segment; its middle is returned. The
        subsidy is 0, except for a single pair: one shoe alone is content with less.

        Returns:
            The values, and the subsidy :math:`e`: the smallest number with which
            :math:`\sum_{i \in S} x_i + e \ge v(S)` for all
            :math:`S \ne \emptyset, N`.
        """
        share = 0.5 + 0.5 * ((self.left < self.right) - (self.left > self.right))
        subsidy = -0.5 if self.left == self.right == 1 else 0.0
        return self._by_side(share, 1 - share), subsidy

    def _semivalues(self, semivalue: Semivalue) -> Tensor:
        weights = semivalue(self.n_players)
        return self._by_side(
            _completing(self.left, self.right, weights),
            _completing(self.right, self.left, weights),
        )

    def _by_side(self, left: float, right: float) -> Tensor:
        values = torch.full((self.n_players,), right, dtype=torch.float64)
        values[: self.left] = left
        return values


def _completing(own: int, other: int, weights: Tensor) -> float:
    """Weight of the coalitions of the others in which the other side has more shoes."""
    n_own, n_other = torch.arange(own)[:, None], torch.arange(other + 1)[None, :]
    log_number = log_binomial(own - 1, n_own) + log_binomial(other, n_other)
    shares = (log_number + weights[n_own + n_other].log()).exp()
    return math.fsum(shares[n_own < n_other].tolist())
