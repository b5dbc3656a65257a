"""Uniform subsets of the whole set, each of which values every index."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torchattr.sampling.random_words import Seed, entropy_of
from torchattr.sampling.subset_laws import UniformSubsets
from torchattr.valuation.samplers import log_weights
from torchattr.valuation.samplers.index_iterations import NoIndexIteration
from torchattr.valuation.samplers.index_sampler import LogWeight
from torchattr.valuation.samplers.powerset_sampler import PowersetSampler
from torchattr.valuation.samplers.samples_of_rounds import samples_of
from torchattr.valuation.types import Sample

__all__ = ["MSRSampler"]


class MSRSampler(PowersetSampler):
    r"""Uniform subsets of the whole set: maximum sample reuse.

    An index is worth the mean over the subsets with it, less the mean over those
    without it, so that every evaluation serves all. That estimates the Banzhaf value.

    What is declared is :math:`-(n-1) \log 2`: the probability of a subset of the
    *others* of an index, which the subset without that index is, and by which marginal
    contributions are weighted; a subset of the whole set has half of it.

    Args:
        batch_size: Samples in each batch.
        seed: Seed of the subsets.

    Example:
        >>> sample = next(MSRSampler(seed=0).generate(np.arange(5)))
        >>> sample.idx is None, len(sample.subset) <= 5
        (True, True)

    References:
        Wang and Jia (2023), *Data Banzhaf*.
    """

    def __init__(self, batch_size: int = 1, seed: Seed = None) -> None:
        super().__init__(batch_size, NoIndexIteration)
        entropy = entropy_of(seed)
        self._draw_by_visits(UniformSubsets(entropy), entropy, MSRSampler)

    def generate(self, indices: NDArray[np.int64]) -> Iterator[Sample]:
        """See :meth:`IndexSampler.generate`."""
        return samples_of(self.rounds, indices)

    def log_weight(self, n: int, subset_len: ArrayLike) -> LogWeight:
        """See :meth:`IndexSampler.log_weight`."""
        # Of the whole set, so that its size n is possible; less the index itself.
        return log_weights.uniform(n, subset_len) + np.log(2)

    def sample_limit(self, indices: NDArray[np.int64]) -> int | None:
        """See :meth:`IndexSampler.sample_limit`."""
        return self._n_visits(indices)
