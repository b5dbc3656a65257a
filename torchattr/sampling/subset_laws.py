"""Laws of subsets: which ones a player joins when it is visited."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchattr.errors import InputError
from torchattr.sampling.coalitions_by_size import coalitions_of_sizes
from torchattr.sampling.random_subsets import (
    bernoulli_subsets,
    subsets_of_sizes,
    uniform_subsets,
    words_for_bits,
    words_for_keys,
)
from torchattr.sampling.random_words import RandomWords
from torchattr.sampling.visits import SubsetLaw, others, place_among_others

__all__ = [
    "AllSubsets",
    "BernoulliSubsets",
    "JoiningProbabilities",
    "LeaveOneOut",
    "SizeSchedule",
    "SubsetsOfSizes",
    "UniformSubsets",
    "WithComplements",
]

_MOST_LISTED = 25  # players whose subsets are listed at once, in 800 MB
_ROWS_IN_CACHE = 512  # of 1,000 players; sorting all rows at once takes twice as long


@final
class UniformSubsets(SubsetLaw):
    """One subset for each visit, all equally likely.

    Args:
        entropy: The seed, as :func:`~torchattr.sampling.random_words.entropy_of` gives.
    """

    def __init__(self, entropy: int) -> None:
        self._words = RandomWords(entropy, "uniform subsets")

    def samples_per_visit(self, m: int) -> int:
        """One."""
        return 1

    def draw(self, players: Tensor, n: int, start: int) -> Tensor:
        """See :meth:`SubsetLaw.draw`."""
        words = self._words.rows(start, len(players), words_for_bits(n))
        return uniform_subsets(words, players, n)[:, None]

    def blocks(self, m: int) -> Tensor:
        """See :meth:`SubsetLaw.blocks`."""
        return torch.zeros(1, dtype=torch.int64)

    def strata(self, m: int) -> None:
        """None."""

    def stratum_weights(self, m: int) -> None:
        """None."""

    def is_exhaustive(self) -> bool:
        """No."""
        return False


@final
class AllSubsets(SubsetLaw):
    """Every subset in each visit, by size and then in lexicographic order."""

    def samples_per_visit(self, m: int) -> int:
        """Two to the power of ``m``."""
        return 1 << m

    def draw(self, players: Tensor, n: int, start: int) -> Tensor:
        """See :meth:`SubsetLaw.draw`."""
        proper = len(players) > 0 and int(players[0]) >= 0
        listed = _all_subsets(n - 1 if proper else n)
        if not proper:
            return listed.expand(len(players), -1, -1)
        padded = torch.nn.functional.pad(listed, (0, 1))
        columns = place_among_others(players, n).where(others(players, n), n - 1)
        return padded[:, columns].movedim(0, 1)

    def blocks(self, m: int) -> Tensor:
        """See :meth:`SubsetLaw.blocks`."""
        return torch.arange(2**m)

    def strata(self, m: int) -> None:
        """None."""

    def stratum_weights(self, m: int) -> None:
        """None."""

    def is_exhaustive(self) -> bool:
        """Yes."""
        return True


@final
class LeaveOneOut(SubsetLaw):
    """All others, in each visit."""

    def samples_per_visit(self, m: int) -> int:
        """One."""
        return 1

    def draw(self, players: Tensor, n: int, start: int) -> Tensor:
        """See :meth:`SubsetLaw.draw`."""
        return others(players, n)[:, None]

    def blocks(self, m: int) -> Tensor:
        """See :meth:`SubsetLaw.blocks`."""
        return torch.zeros(1, dtype=torch.int64)

    def strata(self, m: int) -> None:
        """None."""

    def stratum_weights(self, m: int) -> None:
        """None."""

    def is_exhaustive(self) -> bool:
        """Yes: there is but one subset of the size."""
        return True


class JoiningProbabilities(Protocol):
    """The probabilities with which the others join, in each visit."""

    n_outer: int

    def outer(self, start: int, count: int) -> NDArray[np.float64]:
        """``(count, n_outer)``: those of some visits in a row."""

    def weights(self) -> NDArray[np.float64] | None:
        """The share of each in a mean if they are always the same; else ``None``."""


@final
class BernoulliSubsets(SubsetLaw):
    r"""Subsets that the others join independently, each with the same probability.

    A visit has several probabilities, and some subsets for each. Where probabilities
    are random, the subsets that share one are one block; where they are a grid, they
    are strata, and the subsets are independent.

    Args:
        probabilities: Those of each visit.
        n_inner: Subsets for each probability.
        entropy: The seed, as :func:`~torchattr.sampling.random_words.entropy_of` gives.
    """

    def __init__(
        self, probabilities: JoiningProbabilities, n_inner: int, entropy: int
    ) -> None:
        self._probabilities = probabilities
        self._n_inner = n_inner
        self._words = RandomWords(entropy, "Bernoulli subsets")

    def samples_per_visit(self, m: int) -> int:
        """Number of probabilities times the subsets for each."""
        return self._probabilities.n_outer * self._n_inner

    def draw(self, players: Tensor, n: int, start: int) -> Tensor:
        """See :meth:`SubsetLaw.draw`."""
        samples = self.samples_per_visit(n)
        chances = self._probabilities.outer(start, len(players))
        words = self._words.rows(
            start * samples, len(players) * samples, words_for_keys(n)
        )
        subsets = bernoulli_subsets(
            words,
            players.repeat_interleave(samples),
            n,
            chances.repeat(self._n_inner, axis=1).ravel(),
        )
        return subsets.view(len(players), samples, n)

    def blocks(self, m: int) -> Tensor:
        """See :meth:`SubsetLaw.blocks`."""
        samples = torch.arange(self.samples_per_visit(m))
        return samples // self._n_inner if self.strata(m) is None else samples

    def strata(self, m: int) -> Tensor | None:
        """The place of the probability in the grid, if there is one."""
        if self._probabilities.weights() is None:
            return None
        return torch.arange(self.samples_per_visit(m)) // self._n_inner

    def stratum_weights(self, m: int) -> Tensor | None:
        """The weights of the grid, if there is one."""
        weights = self._probabilities.weights()
        return None if weights is None else torch.from_numpy(weights)

    def is_exhaustive(self) -> bool:
        """No."""
        return False


class SizeSchedule(Protocol):
    """The sizes of the subsets of each visit."""

    def n_samples(self, m: int) -> int:
        """How many sizes a visit has."""

    def sizes(self, m: int, start: int, count: int) -> NDArray[np.int64]:
        """``(count, n_samples)``: those of some visits in a row."""

    def is_random(self) -> bool:
        """Whether visits differ in their sizes."""


@final
class SubsetsOfSizes(SubsetLaw):
    """Subsets of given sizes, all of a size equally likely.

    Where every visit has the same sizes, these are strata.

    Args:
        schedule: The sizes of each visit.
        entropy: The seed, as :func:`~torchattr.sampling.random_words.entropy_of` gives.
    """

    def __init__(self, schedule: SizeSchedule, entropy: int) -> None:
        self._schedule = schedule
        self._words = RandomWords(entropy, "subsets of sizes")

    def samples_per_visit(self, m: int) -> int:
        """As many as sizes."""
        return self._schedule.n_samples(m)

    def draw(self, players: Tensor, n: int, start: int) -> Tensor:
        """See :meth:`SubsetLaw.draw`."""
        m = n - 1 if len(players) and int(players[0]) >= 0 else n
        sizes = self._schedule.sizes(m, start, len(players))
        samples, width = sizes.shape[1], words_for_keys(n)
        repeated, flat = players.repeat_interleave(samples), sizes.ravel()
        subsets = torch.empty(len(repeated), n, dtype=torch.bool)
        for first in range(0, len(repeated), _ROWS_IN_CACHE):
            rows = slice(first, min(first + _ROWS_IN_CACHE, len(repeated)))
            words = self._words.rows(start * samples + first, rows.stop - first, width)
            subsets[rows] = subsets_of_sizes(words, repeated[rows], n, flat[rows])
        return subsets.view(len(players), samples, n)

    def blocks(self, m: int) -> Tensor:
        """See :meth:`SubsetLaw.blocks`."""
        return torch.arange(self.samples_per_visit(m))

    def strata(self, m: int) -> Tensor | None:
        """The sizes, where they are always the same."""
        if self._schedule.is_random():
            return None
        return torch.from_numpy(self._schedule.sizes(m, 0, 1)[0])

    def stratum_weights(self, m: int) -> Tensor | None:
        """The share of each size in the samples of a visit."""
        strata = self.strata(m)
        if strata is None:
            return None
        return strata.bincount(minlength=m + 1).double() / max(len(strata), 1)

    def is_exhaustive(self) -> bool:
        """No."""
        return False


@final
class WithComplements(SubsetLaw):
    """Each subset of a law, then its complement among the others, as one block.

    Args:
        law: The law.
    """

    def __init__(self, law: SubsetLaw) -> None:
        self._law = law

    def samples_per_visit(self, m: int) -> int:
        """Twice the law's."""
        return 2 * self._law.samples_per_visit(m)

    def draw(self, players: Tensor, n: int, start: int) -> Tensor:
        """See :meth:`SubsetLaw.draw`."""
        subsets = self._law.draw(players, n, start)
        complements = others(players, n)[:, None] & ~subsets
        return torch.stack([subsets, complements], dim=2).flatten(1, 2)

    def blocks(self, m: int) -> Tensor:
        """See :meth:`SubsetLaw.blocks`."""
        return self._law.blocks(m).repeat_interleave(2)

    def strata(self, m: int) -> Tensor | None:
        """The law's."""
        strata = self._law.strata(m)
        return None if strata is None else strata.repeat_interleave(2)

    def stratum_weights(self, m: int) -> Tensor | None:
        """The law's."""
        return self._law.stratum_weights(m)

    def is_exhaustive(self) -> bool:
        """No: every subset would come twice."""
        return False


@lru_cache(maxsize=1)
def _all_subsets(n_players: int) -> Tensor:
    if n_players > _MOST_LISTED:
        raise InputError(
            f"all subsets of {n_players} players are 2^{n_players}, at most "
            f"2^{_MOST_LISTED} can be listed. Sample them, with UniformSampler, say."
        )
    return coalitions_of_sizes(n_players, range(n_players + 1))
