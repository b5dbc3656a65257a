"""Random permutations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from torchattr.estimation.truncation import TruncationPolicy
from torchattr.sampling.orders import RandomOrders
from torchattr.sampling.random_words import Seed, entropy_of
from torchattr.valuation.samplers.permutation_sampler_base import PermutationSamplerBase
from torchattr.valuation.samplers.samples_of_rounds import samples_of
from torchattr.valuation.types import Sample

__all__ = ["PermutationSampler"]


class PermutationSampler(PermutationSamplerBase):
    """Uniform permutations, without end.

    One of ``n`` indices costs ``n - 1`` evaluations and values each index once, half of
    what subsets for each index cost. The values add up to what all are worth.

    Args:
        truncation: When to give up a permutation; ``None`` for never.
        seed: Seed of the permutations.
        batch_size: Permutations in each batch.

    Example:
        >>> sample = next(PermutationSampler(seed=0).generate(np.array([3, 5, 8])))
        >>> sample.idx is None, sorted(sample.subset.tolist())
        (True, [3, 5, 8])

    References:
        Castro, Gómez and Tejada (2009), *Polynomial calculation of the Shapley value
        based on sampling*.
    """

    def __init__(
        self,
        truncation: TruncationPolicy | None = None,
        seed: Seed = None,
        batch_size: int = 1,
    ) -> None:
        super().__init__(truncation=truncation, batch_size=batch_size)
        self._entropy = entropy_of(seed)
        self._draw_orders(RandomOrders(self._entropy), PermutationSampler)

    def generate(self, indices: NDArray[np.int64]) -> Iterator[Sample]:
        """See :meth:`IndexSampler.generate`."""
        return samples_of(self.rounds, indices)
