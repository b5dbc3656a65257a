"""Visits: one player after another joins subsets of the others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol, final

import torch
from torch import Tensor

from torchattr.sampling.marginals import EVERYBODY, Marginals
from torchattr.sampling.rounds import Rounds

__all__ = ["SubsetLaw", "VisitOrder", "Visits"]


class VisitOrder(Protocol):
    """In which order players are visited, and how often."""

    @property
    def is_proper(self) -> bool:
        """Whether visits are to players; if not, subsets are of all players."""

    def n_visits(self, n: int) -> int | None:
        """How many visits there are; ``None`` if they never end."""

    def players(self, n: int, start: int, count: int) -> Tensor:
        """Who is visited from visit ``start`` on; at most ``count``, or those left."""


class SubsetLaw(ABC):
    """Which subsets the player of one visit joins, as many in every visit.

    ``m`` is the number of players that subsets are made of: all, or all but one.
    """

    @abstractmethod
    def samples_per_visit(self, m: int) -> int:
        """How many subsets one visit has."""

    @abstractmethod
    def draw(self, players: Tensor, n: int, start: int) -> Tensor:
        """The subsets of some visits in a row.

        Args:
            players: ``(V,)``: who is visited, -1 for nobody.
            n: Number of players.
            start: Number of the first of these visits.

        Returns:
            ``(V, samples_per_visit, n)`` booleans.
        """

    @abstractmethod
    def blocks(self, m: int) -> Tensor:
        """``(samples_per_visit,)``: the independent block of each sample of a visit."""

    @abstractmethod
    def strata(self, m: int) -> Tensor | None:
        """``(samples_per_visit,)``: the stratum of each sample, if there are any."""

    @abstractmethod
    def stratum_weights(self, m: int) -> Tensor | None:
        """The share of each stratum in a mean; ``None`` where there is only one."""

    @abstractmethod
    def is_exhaustive(self) -> bool:
        """Whether a visit has every subset that the law allows exactly once."""


@final
class Visits(Rounds):
    """Visits in their order, each with the subsets of a law.

    A round is one visit to each player where a visit has one or two samples, else a
    visit: so that neither has more than about ``n`` samples, unless a visit has.

    Args:
        law: Which subsets.
        order: Which players.

    Example:
        >>> from torchattr.valuation.samplers import LOOSampler
        >>> LOOSampler().marginals(3, start=0, count=1).subsets.int()
        tensor([[0, 1, 1],
                [1, 0, 1],
                [1, 1, 0]], dtype=torch.int32)
    """

    def __init__(self, law: SubsetLaw, order: VisitOrder) -> None:
        self._law = law
        self._order = order

    def marginals(self, n: int, start: int, count: int) -> Marginals:
        """See :meth:`Rounds.marginals`."""
        m, length = self._n_others(n), self._visits_per_round(n)
        first = start * length
        players = self._order.players(n, first, count * length)
        subsets = self._law.draw(players, n, first)
        visits = torch.arange(first, first + len(players))
        blocks, strata = self._law.blocks(m), self._law.strata(m)
        n_blocks = int(blocks.amax()) + 1 if len(blocks) else 0
        samples = subsets.shape[1]
        return Marginals(
            players.repeat_interleave(samples),
            subsets.flatten(0, 1),
            (visits // length).repeat_interleave(samples),
            (visits[:, None] * n_blocks + blocks).flatten(),
            None if strata is None else strata.repeat(len(players)),
        )

    def samples_per_round(self, n: int) -> int:
        """See :meth:`Rounds.samples_per_round`."""
        samples = self._law.samples_per_visit(self._n_others(n))
        return samples * self._visits_per_round(n)

    def rows_per_round(self, n: int) -> int:
        """See :meth:`Rounds.rows_per_round`."""
        return self.samples_per_round(n)

    def updates_per_round(self, n: int) -> float:
        """See :meth:`Rounds.updates_per_round`."""
        return self.samples_per_round(n) / (n if self._order.is_proper else 1)

    def n_rounds(self, n: int) -> int | None:
        """See :meth:`Rounds.n_rounds`."""
        visits = self._order.n_visits(n)
        return None if visits is None else -(-visits // self._visits_per_round(n))

    def stratum_weights(self, n: int) -> Tensor | None:
        """See :meth:`Rounds.stratum_weights`."""
        return self._law.stratum_weights(self._n_others(n))

    def is_exhaustive(self) -> bool:
        """See :meth:`Rounds.is_exhaustive`."""
        return self._law.is_exhaustive() and self._order.n_visits(1) is not None

    def _n_others(self, n: int) -> int:
        return n - 1 if self._order.is_proper else n

    def _visits_per_round(self, n: int) -> int:
        if not self._order.is_proper:
            return 1
        return n if self._law.samples_per_visit(n - 1) <= 2 else 1


def others(players: Tensor, n: int) -> Tensor:
    """``(V, n)`` booleans: everybody but the player of each visit."""
    return torch.arange(n) != players[:, None]


def place_among_others(players: Tensor, n: int) -> Tensor:
    """``(V, n)``: the place of each player among those that are not visited."""
    place = torch.arange(n)
    return place - ((place > players[:, None]) & (players[:, None] != EVERYBODY)).long()
