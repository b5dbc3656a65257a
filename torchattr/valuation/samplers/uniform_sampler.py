"""Uniform subsets of the others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torchattr.sampling.random_words import Seed, entropy_of
from torchattr.sampling.subset_laws import UniformSubsets
from torchattr.valuation.samplers import log_weights
from torchattr.valuation.samplers.index_iterations import (
    IndexIteration,
    SequentialIndexIteration,
)
from torchattr.valuation.samplers.index_sampler import LogWeight
from torchattr.valuation.samplers.powerset_sampler import PowersetSampler
from torchattr.valuation.samplers.samples_of_rounds import samples_of
from torchattr.valuation.types import Sample

__all__ = ["UniformSampler"]


class UniformSampler(PowersetSampler):
    r"""For each index, one subset of the others, all :math:`2^{n-1}` equally likely.

    Right for the Banzhaf value, whose weights these are. For the Shapley value the
    largest and the smallest subsets, which hardly ever come, count most: beyond a dozen
    indices use permutations.

    Args:
        batch_size: Samples in each batch.
        index_iteration: In which order indices are visited.
        seed: Seed of the subsets.

    Example:
        >>> sampler = UniformSampler(seed=0)
        >>> samples = sampler.generate(np.arange(3))
        >>> [next(samples).idx for _ in range(4)]
        [0, 1, 2, 0]
        >>> round(float(np.exp(sampler.log_weight(3, 1))), 6)
        0.25
    """

    def __init__(
        self,
        batch_size: int = 1,
        index_iteration: type[IndexIteration] = SequentialIndexIteration,
        seed: Seed = None,
    ) -> None:
        super().__init__(batch_size, index_iteration)
        entropy = entropy_of(seed)
        self._draw_by_visits(UniformSubsets(entropy), entropy, UniformSampler)

    def generate(self, indices: NDArray[np.int64]) -> Iterator[Sample]:
        """See :meth:`IndexSampler.generate`."""
        return samples_of(self.rounds, indices)

    def log_weight(self, n: int, subset_len: ArrayLike) -> LogWeight:
        """See :meth:`IndexSampler.log_weight`."""
        return log_weights.uniform(self.complement_size(n), subset_len)

    def sample_limit(self, indices: NDArray[np.int64]) -> int | None:
        """See :meth:`IndexSampler.sample_limit`."""
        return self._n_visits(indices)
