"""The base of samplers of subsets of all indices, or of all but one."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError
from torchattr.sampling.random_words import Seed, entropy_of
from torchattr.sampling.visits import SubsetLaw, Visits
from torchattr.valuation.samplers.generated_rounds import GeneratedRounds
from torchattr.valuation.samplers.index_iterations import (
    IndexIteration,
    IndexVisits,
    SequentialIndexIteration,
    visited,
)
from torchattr.valuation.samplers.index_sampler import IndexSampler

__all__ = ["PowersetSampler"]


class PowersetSampler(IndexSampler, ABC):
    """A sampler that visits indices, and gives each some subsets of the others.

    Subclasses write ``generate``, ``log_weight`` and ``sample_limit``; see
    :class:`IndexSampler`.

    Args:
        batch_size: Samples in each batch.
        index_iteration: In which order indices are visited: a subclass of
            :class:`IndexIteration`.

    Example:
        >>> import math
        >>> from torchattr.valuation.types import Sample
        >>> class Alone(PowersetSampler):  # v({i}) - v({}), for every index
        ...     def generate(self, indices):
        ...         for index in self.index_iterable(indices):
        ...             yield Sample(index, indices[:0])
        ...     def log_weight(self, n, subset_len):
        ...         return 0.0 if subset_len == 0 else -math.inf
        ...     def sample_limit(self, indices):
        ...         return self.index_iteration.length(len(indices))
        >>> Alone().marginals(2, start=0, count=1).subsets
        tensor([[False, False],
                [False, False]])
    """

    def __init__(
        self,
        batch_size: int = 1,
        index_iteration: type[IndexIteration] = SequentialIndexIteration,
    ) -> None:
        super().__init__(batch_size)
        if not (
            isinstance(index_iteration, type)
            and issubclass(index_iteration, IndexIteration)
        ):
            raise InputError(
                "index_iteration must be a subclass of IndexIteration, such as "
                f"SequentialIndexIteration (the class itself); got {index_iteration!r}"
            )
        self._index_iterator_cls = index_iteration
        self._rounds = GeneratedRounds(self, is_proper=index_iteration.is_proper())
        self._seed: Seed = entropy_of(None)

    @property
    def index_iteration(self) -> type[IndexIteration]:
        """The class that visits the indices."""
        return self._index_iterator_cls

    def index_iterable(self, indices: NDArray[np.int64]) -> Iterator[int | None]:
        """The indices in the order in which they are visited.

        Args:
            indices: The indices.

        Returns:
            An iterator over indices, or over ``None`` for samples of the whole set.
        """
        # A user's sampler that has random numbers of its own, by pyDVL's name for them,
        # has its indices from there as well.
        seed = vars(self).get("_rng", self._seed)
        return visited(self._index_iterator_cls, indices, seed)

    def complement_size(self, n: int) -> int:
        """How many indices the subsets are made of.

        Args:
            n: Number of all indices.

        Returns:
            ``n - 1``, or ``n`` where samples are for no index.
        """
        return self._index_iterator_cls.complement_size(n)

    def _draw_by_visits(
        self, law: SubsetLaw, entropy: int, owner: type[PowersetSampler]
    ) -> None:
        """Draw the subsets of a law in each visit."""
        self._seed = entropy
        self._draw_from(
            Visits(law, IndexVisits(self._index_iterator_cls, entropy)), owner
        )

    def _n_visits(self, indices: NDArray[np.int64]) -> int | None:
        """How many visits there are to these indices."""
        return self._index_iterator_cls.length(len(indices)) if len(indices) else 0

    def _require_index(self, reason: str) -> None:
        if not self._index_iterator_cls.is_proper():
            raise InputError(
                f"{type(self).__name__} needs an index to visit, since {reason}; got "
                f"{self._index_iterator_cls.__name__}. Use SequentialIndexIteration or "
                "FiniteSequentialIndexIteration."
            )
