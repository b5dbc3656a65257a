"""Draws: coalitions, and the linear map from their values to an unbiased estimate."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

__all__ = ["Draws", "Sampler"]


class Draws(ABC):
    """``R`` independent replicates of one unbiased estimate of all players' values.

    A replicate is the smallest independent block: one permutation, one antithetic pair,
    one orthogonal block. It never holds the empty or the full coalition, whose values
    are shared by the whole run.

    Attributes:
        coalitions: ``(R, c, n)`` booleans, ``c`` coalitions for each replicate.
    """

    coalitions: Tensor

    @abstractmethod
    def estimates(self, values: Tensor, empty: Tensor, full: Tensor) -> Tensor:
        """Apply the linear map of each replicate.

        Args:
            values: ``(R, c, V)``, the values of :attr:`coalitions`.
            empty: ``(V,)``, the value of the empty coalition.
            full: ``(V,)``, the value of the full coalition.

        Returns:
            ``(R, n, V)``: for each replicate, an estimate of the value of each player.
        """


class Sampler(ABC):
    """A source of draws that never sees the game.

    Draw ``k`` depends on the state of the generator and on ``k`` only: how many draws
    are asked for at once changes nothing.

    Attributes:
        n_players: Number of players.
        n_coalitions: Coalitions that one draw evaluates, without the shared two.
    """

    n_players: int
    n_coalitions: int

    @abstractmethod
    def draw(self, n_draws: int, generator: torch.Generator | None = None) -> Draws:
        """The next ``n_draws`` replicates.

        Args:
            n_draws: Number of replicates, at least one.
            generator: Source of randomness; ``None`` is PyTorch's global one.

        Returns:
            The replicates.
        """
