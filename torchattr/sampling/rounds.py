"""Rounds: a stream of marginal contributions of which any part is drawn by itself."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from torchattr.sampling.marginals import Marginals

__all__ = ["Rounds"]


class Rounds(ABC):
    """A stream of marginal contributions, cut into rounds, for any number of players.

    What a round holds depends on its number only, never on which rounds were drawn
    before or are drawn with it.
    """

    @abstractmethod
    def marginals(self, n: int, start: int, count: int) -> Marginals:
        """The rounds from ``start`` to ``start + count - 1``.

        Args:
            n: Number of players.
            start: The first round.
            count: Number of rounds; fewer, or none, are left at the end of a stream.

        Returns:
            Their marginal contributions.
        """

    @abstractmethod
    def samples_per_round(self, n: int) -> int:
        """How many samples a round has: subsets, or whole permutations."""

    @abstractmethod
    def rows_per_round(self, n: int) -> int:
        """How many marginal contributions a round has, or subsets of the whole set."""

    @abstractmethod
    def updates_per_round(self, n: int) -> float:
        """How often a round values each player, on average over players and rounds."""

    @abstractmethod
    def n_rounds(self, n: int) -> int | None:
        """How many rounds there are; ``None`` if they never end."""

    @abstractmethod
    def stratum_weights(self, n: int) -> Tensor | None:
        """The share of each stratum in a mean; ``None`` where there is only one."""

    @abstractmethod
    def is_exhaustive(self) -> bool:
        """Whether all rounds together are each possible marginal contribution once."""
