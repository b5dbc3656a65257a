"""Size iterations: in which order a stratified sampler takes its sizes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import final

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError
from torchattr.sampling.random_words import RandomWords, Seed, entropy_of
from torchattr.valuation.samplers.sample_sizes import SampleSizeStrategy

__all__ = [
    "FiniteSequentialSizeIteration",
    "RandomSizeIteration",
    "RoundRobinIteration",
    "RoundRobinSizeIteration",
    "SampleSizeIteration",
    "Schedule",
]


class SampleSizeIteration(ABC):
    """In which order sizes are taken in one visit; pass the class, not an instance.

    To write your own, define ``__iter__``; it must give the same sizes in every visit.

    Args:
        strategy: How many subsets of each size.
        n_indices: Number of indices that subsets are made of.
        seed: Source of randomness, for an iteration that needs one.

    Example:
        >>> from torchattr.valuation.samplers.sample_sizes import ConstantSampleSize
        >>> class Descending(SampleSizeIteration):
        ...     def __iter__(self):
        ...         counts = self.strategy.sample_sizes(self.n_indices, probs=False)
        ...         return reversed(list(enumerate(counts.tolist())))
        >>> list(Descending(ConstantSampleSize(6), 2))
        [(2, 2), (1, 2), (0, 2)]
    """

    def __init__(
        self, strategy: SampleSizeStrategy, n_indices: int, seed: Seed = None
    ) -> None:
        self.strategy = strategy
        self.n_indices = n_indices
        self._seed = seed

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Sizes, each with a number of subsets to take at once."""


class FiniteSequentialSizeIteration(SampleSizeIteration):
    """All subsets of a size, before the next size.

    Example:
        >>> from torchattr.valuation.samplers.sample_sizes import LinearSampleSize
        >>> sizes = LinearSampleSize(1, offset=1, n_samples=0)
        >>> list(FiniteSequentialSizeIteration(sizes, 2))
        [(0, 1), (1, 2), (2, 3)]
    """

    def __iter__(self) -> Iterator[tuple[int, int]]:
        counts = self.strategy.sample_sizes(self.n_indices, probs=False)
        return ((size, int(c)) for size, c in enumerate(counts) if c > 0)


class RoundRobinSizeIteration(SampleSizeIteration):
    """One subset of each size in turn, until none is left to take.

    Example:
        >>> from torchattr.valuation.samplers.sample_sizes import LinearSampleSize
        >>> sizes = LinearSampleSize(1, offset=1, n_samples=0)
        >>> [size for size, _ in RoundRobinSizeIteration(sizes, 2)]
        [0, 1, 2, 1, 2, 2]
    """

    def __iter__(self) -> Iterator[tuple[int, int]]:
        counts = self.strategy.sample_sizes(self.n_indices, probs=False)
        for turn in range(int(counts.max())):
            yield from ((size, 1) for size, c in enumerate(counts) if c > turn)


class RandomSizeIteration(SampleSizeIteration):
    """One subset in each visit, of a random size.

    Example:
        >>> from torchattr.valuation.samplers.sample_sizes import ConstantSampleSize
        >>> sizes = ConstantSampleSize(lower_bound=2, upper_bound=2)
        >>> list(RandomSizeIteration(sizes, 5, seed=0))
        [(2, 1)]
    """

    def __iter__(self) -> Iterator[tuple[int, int]]:
        entropy = entropy_of(self._seed)
        schedule = Schedule(self.strategy, RandomSizeIteration, entropy)
        yield int(schedule.sizes(self.n_indices, 0, 1)[0, 0]), 1


class RoundRobinIteration(RoundRobinSizeIteration):
    """:class:`RoundRobinSizeIteration`, by the name that it has in pyDVL.

    Example:
        >>> issubclass(RoundRobinIteration, RoundRobinSizeIteration)
        True
    """


@final
class Schedule:
    """The sizes of every visit, by its number.

    Args:
        strategy: How many subsets of each size.
        iteration: In which order.
        entropy: The seed of random sizes.
    """

    def __init__(
        self,
        strategy: SampleSizeStrategy,
        iteration: type[SampleSizeIteration],
        entropy: int,
    ) -> None:
        self._strategy = strategy
        self._iteration = iteration
        self._words = RandomWords(entropy, "sizes")
        # Both are asked for again and again with one number of indices.
        self._sizes: dict[int, NDArray[np.int64]] = {}
        self._shares: dict[int, NDArray[np.float64]] = {}

    def is_random(self) -> bool:
        """Whether visits differ in their sizes."""
        return issubclass(self._iteration, RandomSizeIteration)

    def n_samples(self, m: int) -> int:
        """How many sizes a visit has."""
        return 1 if self.is_random() else len(self._every_visit(m))

    def sizes(self, m: int, start: int, count: int) -> NDArray[np.int64]:
        """``(count, n_samples)``: the sizes of some visits in a row."""
        if not self.is_random():
            return np.tile(self._every_visit(m), (count, 1))
        reached = np.cumsum(self.shares(m))
        uniform = self._words.uniform(start, count, 1)
        return np.searchsorted(reached / reached[-1], uniform, side="right")

    def shares(self, m: int) -> NDArray[np.float64]:
        """``(m + 1,)``: the share of each size, exactly as it is sampled."""
        if m not in self._shares:
            self._shares[m] = (
                self._strategy.sample_sizes(m).astype(np.float64)
                if self.is_random()
                else np.bincount(self._every_visit(m), minlength=m + 1)
                / self.n_samples(m)
            )
        return self._shares[m]

    def _every_visit(self, m: int) -> NDArray[np.int64]:
        if m not in self._sizes:
            self._sizes[m] = self._sizes_of_a_visit(m)
        return self._sizes[m]

    def _sizes_of_a_visit(self, m: int) -> NDArray[np.int64]:
        pairs = list(self._iteration(self._strategy, m))
        sizes = np.repeat(*np.array(pairs, dtype=np.int64).reshape(-1, 2).T)
        if len(sizes) == 0 or sizes.min() < 0 or sizes.max() > m:
            raise InputError(
                f"{self._iteration.__name__} must give sizes from 0 to {m}, the number "
                f"of indices that subsets are made of; got {pairs}"
            )
        return sizes
