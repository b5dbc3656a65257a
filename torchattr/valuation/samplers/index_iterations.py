"""Index iterations: in which order a powerset sampler visits the indices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import count, islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchattr.sampling.marginals import EVERYBODY
from torchattr.sampling.orders import RandomOrders
from torchattr.sampling.random_words import RandomWords, Seed, entropy_of

__all__ = [
    "FiniteNoIndexIteration",
    "FiniteRandomIndexIteration",
    "FiniteSequentialIndexIteration",
    "IndexIteration",
    "IndexVisits",
    "NoIndexIteration",
    "RandomIndexIteration",
    "SequentialIndexIteration",
]

_AT_ONCE = 256


class IndexIteration(ABC):
    """In which order indices are visited; pass the class, not an instance.

    To write your own, define ``__iter__``, :meth:`length` and :meth:`complement_size`.

    Args:
        indices: The indices.
        seed: Source of randomness, for iterations that need one.

    Example:
        >>> class OnlyFirst(IndexIteration):
        ...     def __iter__(self):
        ...         return iter(self._indices[:1].tolist())
        ...     @staticmethod
        ...     def length(n_indices):
        ...         return min(n_indices, 1)
        ...     @staticmethod
        ...     def complement_size(n):
        ...         return n - 1
        >>> from torchattr.valuation.samplers import LOOSampler
        >>> list(LOOSampler(index_iteration=OnlyFirst).generate(np.array([4, 7])))
        [Sample(idx=4, subset=array([7]))]
    """

    def __init__(self, indices: NDArray[np.int64], seed: Seed = None) -> None:
        self._indices = np.asarray(indices)
        self._seed = seed

    @abstractmethod
    def __iter__(self) -> Iterator[int | None]:
        """The indices, or ``None`` where samples are for no one of them."""

    @staticmethod
    @abstractmethod
    def length(n_indices: int) -> int | None:
        """How many visits there are; ``None`` if they never end."""

    @staticmethod
    @abstractmethod
    def complement_size(n: int) -> int:
        """How many indices subsets are made of: ``n - 1``, or ``n`` for no index."""

    @classmethod
    def is_finite(cls) -> bool:
        """Whether the visits end."""
        return cls.length(1) is not None

    @classmethod
    def is_proper(cls) -> bool:
        """Whether visits are to an index, and not to the whole set."""
        return cls.complement_size(1) < 1


class _NumberedIteration(IndexIteration):
    """An iteration of which any visit is found by its number."""

    def __iter__(self) -> Iterator[int | None]:
        n, entropy = len(self._indices), entropy_of(self._seed)
        if n == 0:
            return
        for start in count(step=_AT_ONCE):
            positions = self.positions(n, start, _AT_ONCE, entropy).tolist()
            for position in positions:
                yield None if position < 0 else self._indices[position].item()
            if len(positions) < _AT_ONCE:
                return

    @staticmethod
    @abstractmethod
    def positions(n: int, start: int, count: int, entropy: int) -> Tensor:
        """The positions visited from visit ``start`` on, or -1; fewer at the end."""


class _Proper(_NumberedIteration):
    @staticmethod
    def complement_size(n: int) -> int:
        """All but the index."""
        return max(n - 1, 0)


class SequentialIndexIteration(_Proper):
    """One index after the other, again and again.

    Example:
        >>> list(islice(SequentialIndexIteration(np.array([4, 7])), 5))
        [4, 7, 4, 7, 4]
    """

    @staticmethod
    def length(n_indices: int) -> int | None:
        """Endless, except for no indices."""
        return None if n_indices else 0

    @staticmethod
    def positions(n: int, start: int, count: int, entropy: int) -> Tensor:
        """``start`` and what follows, modulo ``n``."""
        return torch.arange(start, start + count) % n


class FiniteSequentialIndexIteration(_Proper):
    """One index after the other, once.

    Example:
        >>> list(FiniteSequentialIndexIteration(np.array([4, 7])))
        [4, 7]
    """

    @staticmethod
    def length(n_indices: int) -> int | None:
        """As many as indices."""
        return n_indices

    @staticmethod
    def positions(n: int, start: int, count: int, entropy: int) -> Tensor:
        """``start`` and what follows, up to ``n``."""
        return torch.arange(n)[start : start + count]


class RandomIndexIteration(_Proper):
    """A random index each time, endlessly; some come more often than others.

    Example:
        >>> len(set(islice(RandomIndexIteration(np.array([4, 7]), seed=0), 100)))
        2
    """

    @staticmethod
    def length(n_indices: int) -> int | None:
        """Endless, except for no indices."""
        return None if n_indices else 0

    @staticmethod
    def positions(n: int, start: int, count: int, entropy: int) -> Tensor:
        """Independent and uniform."""
        uniform = RandomWords(entropy, "index iteration").uniform(start, count, 1)
        return torch.from_numpy((uniform[:, 0] * n).astype(np.int64))


class FiniteRandomIndexIteration(_Proper):
    """Every index once, in random order.

    Example:
        >>> sorted(FiniteRandomIndexIteration(np.array([4, 7, 9]), seed=0))
        [4, 7, 9]
    """

    @staticmethod
    def length(n_indices: int) -> int | None:
        """As many as indices."""
        return n_indices

    @staticmethod
    def positions(n: int, start: int, count: int, entropy: int) -> Tensor:
        """Places of a uniform order."""
        order = RandomOrders(entropy).orders(n, 0, 1).orders[0]
        return order[start : start + count]


class NoIndexIteration(_NumberedIteration):
    """No index, endlessly: subsets are of the whole set.

    Example:
        >>> list(islice(NoIndexIteration(np.array([4, 7])), 3))
        [None, None, None]
    """

    @staticmethod
    def length(n_indices: int) -> int | None:
        """Endless, except for no indices."""
        return None if n_indices else 0

    @staticmethod
    def complement_size(n: int) -> int:
        """All."""
        return n

    @staticmethod
    def positions(n: int, start: int, count: int, entropy: int) -> Tensor:
        """Nobody's."""
        return torch.full((count,), EVERYBODY)


class FiniteNoIndexIteration(NoIndexIteration):
    """No index, once: subsets are of the whole set.

    Example:
        >>> list(FiniteNoIndexIteration(np.array([4, 7])))
        [None]
    """

    @staticmethod
    def length(n_indices: int) -> int | None:
        """One visit, except for no indices."""
        return min(n_indices, 1)

    @staticmethod
    def positions(n: int, start: int, count: int, entropy: int) -> Tensor:
        """Nobody's, once."""
        return torch.full((1,), EVERYBODY)[start : start + count]


class IndexVisits:
    """The visits of an index iteration, by their numbers.

    Args:
        iteration: The class. One whose ``__iter__`` is a user's is run through from the
            beginning each time.
        seed: The seed of random iterations.
    """

    def __init__(self, iteration: type[IndexIteration], seed: Seed) -> None:
        self._iteration = iteration
        self._entropy = entropy_of(seed)

    @property
    def is_proper(self) -> bool:
        """Whether visits are to an index."""
        return self._iteration.is_proper()

    def n_visits(self, n: int) -> int | None:
        """How many visits there are."""
        return self._iteration.length(n)

    def players(self, n: int, start: int, count: int) -> Tensor:
        """The positions visited from visit ``start`` on, or -1; fewer at the end."""
        iteration = self._iteration
        if (
            issubclass(iteration, _NumberedIteration)
            and iteration.__iter__ is _NumberedIteration.__iter__
        ):
            return iteration.positions(n, start, count, self._entropy)
        visits = visited(iteration, np.arange(n), self._entropy)
        found = [
            EVERYBODY if i is None else i for i in islice(visits, start, start + count)
        ]
        return torch.tensor(found, dtype=torch.int64)


def visited(
    iteration: type[IndexIteration], indices: NDArray[np.int64], seed: Seed
) -> Iterator[int | None]:
    """Iterate over indices; a constructor of a user's own is given no seed."""
    if iteration.__init__ is IndexIteration.__init__:
        return iter(iteration(indices, seed))
    return iter(iteration(indices))
