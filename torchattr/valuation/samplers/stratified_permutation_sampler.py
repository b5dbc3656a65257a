"""Random permutations of which each position counts as often as planned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from torchattr.estimation.truncation import TruncationPolicy
from torchattr.sampling.orders import RandomOrders, SizedOrders
from torchattr.sampling.random_words import Seed
from torchattr.valuation.samplers.permutation_sampler import PermutationSampler
from torchattr.valuation.samplers.sample_sizes import SampleSizeStrategy

__all__ = ["StratifiedPermutationSampler"]


class StratifiedPermutationSampler(PermutationSampler):
    """Uniform permutations, of which only planned positions count.

    An index is valued where the number of those before it is a planned size. In a cycle
    of permutations each size comes ``n`` times as often as its number of samples for
    each index, spread evenly; which index is there is random. An index therefore gets
    about, not exactly, its number of samples of each size.

    Args:
        sample_sizes: How many of each size. If it sets no number, permutations never
            end; else they end after one cycle.
        truncation: When to give up a permutation; ``None`` for never.
        seed: Seed of the permutations.
        batch_size: Permutations in each batch.

    Example:
        >>> from torchattr.valuation.samplers.sample_sizes import ConstantSampleSize
        >>> sizes = ConstantSampleSize(n_samples=4, lower_bound=1, upper_bound=2)
        >>> sampler = StratifiedPermutationSampler(sizes, seed=0)
        >>> sampler.orders(4, start=0, count=1).kept
        tensor([[False,  True,  True, False]])
    """

    def __init__(
        self,
        sample_sizes: SampleSizeStrategy,
        truncation: TruncationPolicy | None = None,
        seed: Seed = None,
        batch_size: int = 1,
    ) -> None:
        super().__init__(truncation, seed, batch_size)
        self.sample_sizes_strategy = sample_sizes
        self._size_shares = self._shares
        orders = SizedOrders(
            RandomOrders(self._entropy),
            self._counts,
            is_finite=sample_sizes.n_samples is not None,
        )
        self._draw_orders(orders, PermutationSampler)

    def _counts(self, n: int) -> NDArray[np.int64]:
        sizes = self.sample_sizes_strategy.sample_sizes(n - 1, probs=False)
        return n * sizes.astype(np.int64)

    def _shares(self, n: int) -> NDArray[np.float64]:
        counts = self._counts(n)
        shares: NDArray[np.float64] = counts / counts.sum()
        return shares
