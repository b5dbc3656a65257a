"""The base of samplers of permutations."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torchattr.estimation.truncation import NoTruncation, TruncationPolicy
from torchattr.sampling.orders import OrderRounds, Orders
from torchattr.valuation.samplers import log_weights
from torchattr.valuation.samplers.generated_rounds import GeneratedOrders
from torchattr.valuation.samplers.index_sampler import IndexSampler, LogWeight

__all__ = ["PermutationSamplerBase"]


class PermutationSamplerBase(IndexSampler, ABC):
    r"""A sampler of permutations, in which each index joins those before it.

    Subclasses write ``generate``, which yields ``Sample(None, permutation)``; one that
    ends writes ``sample_limit`` too, and one that is not uniform ``log_weight``; see
    :class:`IndexSampler`. In a uniform permutation an index joins one subset of size k
    with probability :math:`1 / (n \binom{n-1}{k})`.

    Args:
        truncation: When to give up a permutation, so that the rest of it gains nothing;
            ``None`` for never.
        batch_size: Permutations in each batch.

    Example:
        >>> from torchattr.valuation.types import Sample
        >>> class Rotations(PermutationSamplerBase):
        ...     def generate(self, indices):
        ...         for shift in range(len(indices)):
        ...             yield Sample(None, np.roll(indices, shift))
        ...     def sample_limit(self, indices):
        ...         return len(indices)
        >>> Rotations().orders(3, start=0, count=5).orders.tolist()
        [[0, 1, 2], [2, 0, 1], [1, 2, 0]]
    """

    def __init__(
        self, *, truncation: TruncationPolicy | None = None, batch_size: int = 1
    ) -> None:
        super().__init__(batch_size)
        self.truncation = NoTruncation() if truncation is None else truncation
        self._size_shares: Callable[[int], NDArray[np.float64]] | None = None
        self._draw_orders(GeneratedOrders(self), type(self))

    def orders(self, n: int, start: int, count: int) -> Orders:
        """Rounds ``start`` to ``start + count - 1``, as whole permutations.

        Args:
            n: Number of indices; they are ``0, ..., n - 1`` here.
            start: The first round.
            count: Number of rounds; fewer, or none, at the end of a finite sampler.

        Returns:
            The permutations.
        """
        return self._order_rounds.orders(n, start, count)

    def complement_size(self, n: int) -> int:
        """How many others there are for an index to join: ``n - 1``."""
        return n - 1

    def log_weight(self, n: int, subset_len: ArrayLike) -> LogWeight:
        """See :meth:`IndexSampler.log_weight`."""
        if self._size_shares is not None:
            return log_weights.by_size(self._size_shares(n), subset_len)
        return log_weights.uniform_size(n - 1, subset_len)

    def sample_limit(self, indices: NDArray[np.int64]) -> int | None:
        """See :meth:`IndexSampler.sample_limit`; ``None`` for a user's ``generate``."""
        if isinstance(self._order_rounds, GeneratedOrders):
            return None
        n = len(indices)
        n_rounds = self._order_rounds.n_rounds(n) if n else 0
        if n_rounds is None:
            return None
        return n_rounds * self._order_rounds.samples_per_round(n)

    def _draw_orders(
        self, rounds: OrderRounds, owner: type[PermutationSamplerBase]
    ) -> None:
        """Draw from rounds, unless a subclass of their owner has its own generate."""
        if type(self).generate is owner.generate:
            self._order_rounds = rounds
            self._draw_from(rounds, owner)
