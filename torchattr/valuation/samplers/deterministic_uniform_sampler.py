"""All subsets of the others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torchattr.sampling.subset_laws import AllSubsets
from torchattr.valuation.samplers import log_weights
from torchattr.valuation.samplers.index_iterations import (
    FiniteSequentialIndexIteration,
    IndexIteration,
)
from torchattr.valuation.samplers.index_sampler import LogWeight
from torchattr.valuation.samplers.powerset_sampler import PowersetSampler
from torchattr.valuation.samplers.samples_of_rounds import samples_of
from torchattr.valuation.types import Sample

__all__ = ["DeterministicUniformSampler"]


class DeterministicUniformSampler(PowersetSampler):
    r"""For each index, every subset of the others, by size and then lexicographically.

    A run to its end is exact, for every semivalue, after :math:`2^n` evaluations.

    Args:
        batch_size: Samples in each batch.
        index_iteration: In which order indices are visited. With
            :class:`FiniteNoIndexIteration`, every subset of the whole set.

    Example:
        >>> sampler = DeterministicUniformSampler()
        >>> batches = sampler.generate_batches(np.arange(2))
        >>> [(sample.idx, sample.subset.tolist()) for (sample,) in batches]
        [(0, []), (0, [1]), (1, []), (1, [0])]
        >>> len(sampler)
        4
    """

    def __init__(
        self,
        batch_size: int = 1,
        index_iteration: type[IndexIteration] = FiniteSequentialIndexIteration,
    ) -> None:
        super().__init__(batch_size, index_iteration)
        self._draw_by_visits(AllSubsets(), 0, DeterministicUniformSampler)

    def generate(self, indices: NDArray[np.int64]) -> Iterator[Sample]:
        """See :meth:`IndexSampler.generate`."""
        return samples_of(self.rounds, indices)

    def log_weight(self, n: int, subset_len: ArrayLike) -> LogWeight:
        """See :meth:`IndexSampler.log_weight`."""
        return log_weights.uniform(self.complement_size(n), subset_len)

    def sample_limit(self, indices: NDArray[np.int64]) -> int | None:
        """See :meth:`IndexSampler.sample_limit`."""
        visits = self._n_visits(indices)
        return None if visits is None else visits << self.complement_size(len(indices))
