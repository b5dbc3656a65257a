"""Uniform subsets of the others, each with its complement."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torchattr.sampling.random_words import Seed, entropy_of
from torchattr.sampling.subset_laws import UniformSubsets, WithComplements
from torchattr.valuation.samplers import log_weights
from torchattr.valuation.samplers.index_iterations import (
    IndexIteration,
    SequentialIndexIteration,
)
from torchattr.valuation.samplers.index_sampler import LogWeight
from torchattr.valuation.samplers.powerset_sampler import PowersetSampler
from torchattr.valuation.samplers.samples_of_rounds import samples_of
from torchattr.valuation.types import Sample

__all__ = ["AntitheticSampler"]


class AntitheticSampler(PowersetSampler):
    r"""For each index, a uniform subset of the others, then what that leaves of them.

    The two are one replicate: their marginal contributions are correlated (negatively,
    one hopes), and only pairs are independent.

    Args:
        batch_size: Samples in each batch.
        index_iteration: In which order indices are visited.
        seed: Seed of the subsets.

    Example:
        >>> samples = AntitheticSampler(seed=0).generate(np.arange(4))
        >>> one, other = next(samples), next(samples)
        >>> one.idx, other.idx, sorted(one.subset.tolist() + other.subset.tolist())
        (0, 0, [1, 2, 3])
    """

    def __init__(
        self,
        batch_size: int = 1,
        index_iteration: type[IndexIteration] = SequentialIndexIteration,
        seed: Seed = None,
    ) -> None:
        super().__init__(batch_size, index_iteration)
        entropy = entropy_of(seed)
        law = WithComplements(UniformSubsets(entropy))
        self._draw_by_visits(law, entropy, AntitheticSampler)

    def generate(self, indices: NDArray[np.int64]) -> Iterator[Sample]:
        """See :meth:`IndexSampler.generate`."""
        return samples_of(self.rounds, indices)

    def log_weight(self, n: int, subset_len: ArrayLike) -> LogWeight:
        """See :meth:`IndexSampler.log_weight`."""
        return log_weights.uniform(self.complement_size(n), subset_len)

    def sample_limit(self, indices: NDArray[np.int64]) -> int | None:
        """See :meth:`IndexSampler.sample_limit`."""
        visits = self._n_visits(indices)
        return None if visits is None else 2 * visits
