"""Subsets whose sizes follow a plan."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torchattr.errors import InputError
from torchattr.sampling.random_words import Seed, entropy_of
from torchattr.sampling.subset_laws import SubsetsOfSizes
from torchattr.valuation.samplers import log_weights
from torchattr.valuation.samplers.index_iterations import (
    FiniteSequentialIndexIteration,
    IndexIteration,
)
from torchattr.valuation.samplers.index_sampler import LogWeight
from torchattr.valuation.samplers.powerset_sampler import PowersetSampler
from torchattr.valuation.samplers.sample_sizes import SampleSizeStrategy
from torchattr.valuation.samplers.samples_of_rounds import samples_of
from torchattr.valuation.samplers.size_iterations import (
    FiniteSequentialSizeIteration,
    SampleSizeIteration,
    Schedule,
)
from torchattr.valuation.types import Sample

__all__ = ["StratifiedSampler"]


class StratifiedSampler(PowersetSampler):
    r"""For each index, subsets of the others, so many of each size.

    With :math:`m_k` of :math:`m` samples of size k, all of a size equally likely,
    :math:`P(S) = (m_k / m) / \binom{n-1}{k}`. Where each visit has the same sizes they
    are strata, and a value is the weighted mean of stratum means. A size that is never
    sampled is missing from the value.

    Args:
        sample_sizes: How many of each size.
        sample_sizes_iteration: In which order sizes are taken: a subclass of
            :class:`SampleSizeIteration`.
        batch_size: Samples in each batch.
        index_iteration: In which order indices are visited.
        seed: Seed of the subsets, and of random sizes.

    Example:
        >>> from torchattr.valuation.samplers.sample_sizes import ConstantSampleSize
        >>> sampler = StratifiedSampler(ConstantSampleSize(n_samples=6), seed=0)
        >>> [len(sample.subset) for sample in sampler.generate(np.arange(3))][:6]
        [0, 0, 1, 1, 2, 2]
        >>> np.exp(sampler.log_weight(3, [0, 1, 2])).round(4)
        array([0.3333, 0.1667, 0.3333])

    References:
        Maleki, Tran-Thanh, Hines, Rahwan and Rogers (2014), *Bounding the estimation
        error of sampling-based Shapley value approximation*.
    """

    def __init__(
        self,
        sample_sizes: SampleSizeStrategy,
        sample_sizes_iteration: type[
            SampleSizeIteration
        ] = FiniteSequentialSizeIteration,
        batch_size: int = 1,
        index_iteration: type[IndexIteration] = FiniteSequentialIndexIteration,
        seed: Seed = None,
    ) -> None:
        super().__init__(batch_size, index_iteration)
        if not isinstance(sample_sizes, SampleSizeStrategy):
            raise InputError(
                "sample_sizes must be a SampleSizeStrategy, such as "
                f"ConstantSampleSize(n_samples=100); got {sample_sizes!r}"
            )
        entropy = entropy_of(seed)
        self.sample_sizes_strategy = sample_sizes
        self._schedule = Schedule(sample_sizes, sample_sizes_iteration, entropy)
        law = SubsetsOfSizes(self._schedule, entropy)
        self._draw_by_visits(law, entropy, StratifiedSampler)

    def generate(self, indices: NDArray[np.int64]) -> Iterator[Sample]:
        """See :meth:`IndexSampler.generate`."""
        return samples_of(self.rounds, indices)

    def log_weight(self, n: int, subset_len: ArrayLike) -> LogWeight:
        """See :meth:`IndexSampler.log_weight`."""
        shares = self._schedule.shares(self.complement_size(n))
        return log_weights.by_size(shares, subset_len)

    def sample_limit(self, indices: NDArray[np.int64]) -> int | None:
        """See :meth:`IndexSampler.sample_limit`."""
        visits = self._n_visits(indices)
        if not visits:
            return visits
        return visits * self._schedule.n_samples(self.complement_size(len(indices)))
