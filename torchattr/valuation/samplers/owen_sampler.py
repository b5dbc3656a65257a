"""Subsets that the others join with a common probability, which is integrated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torchattr.errors import InputError
from torchattr.sampling.random_words import Seed, entropy_of
from torchattr.sampling.subset_laws import BernoulliSubsets
from torchattr.valuation.samplers import log_weights
from torchattr.valuation.samplers.index_iterations import (
    FiniteSequentialIndexIteration,
    IndexIteration,
)
from torchattr.valuation.samplers.index_sampler import LogWeight
from torchattr.valuation.samplers.owen_strategies import OwenStrategy, StrategyUpTo
from torchattr.valuation.samplers.powerset_sampler import PowersetSampler
from torchattr.valuation.samplers.samples_of_rounds import samples_of
from torchattr.valuation.types import Sample

__all__ = ["OwenSampler"]


class OwenSampler(PowersetSampler):
    r"""For each index, some probabilities q, and for each some subsets of the others.

    The Shapley value is the integral over q from 0 to 1 of the mean marginal
    contribution to subsets that everybody else joins with probability q. A size is then
    as likely as any other: :math:`P(S) = 1 / (n \binom{n-1}{|S|})`.

    Where q is random, the subsets that share one are a replicate. Where it is a grid,
    its points are strata, and each subset is a replicate.

    Args:
        outer_sampling_strategy: The probabilities of one visit to an index.
        n_samples_inner: Subsets for each probability.
        batch_size: Samples in each batch.
        index_iteration: In which order indices are visited.
        seed: Seed of the subsets.

    Example:
        >>> from torchattr.valuation.samplers.owen_strategies import GridOwenStrategy
        >>> sampler = OwenSampler(GridOwenStrategy(5), n_samples_inner=2, seed=0)
        >>> sampler.sample_limit(np.arange(3))
        30

    References:
        Okhrati and Lipani (2021), *A multilinear sampling algorithm to estimate Shapley
        values*.
    """

    def __init__(
        self,
        outer_sampling_strategy: OwenStrategy,
        n_samples_inner: int = 2,
        batch_size: int = 1,
        index_iteration: type[IndexIteration] = FiniteSequentialIndexIteration,
        seed: Seed = None,
    ) -> None:
        super().__init__(batch_size, index_iteration)
        if not isinstance(outer_sampling_strategy, OwenStrategy):
            raise InputError(
                "outer_sampling_strategy must be a GridOwenStrategy or a "
                f"UniformOwenStrategy; got {outer_sampling_strategy!r}"
            )
        if n_samples_inner < 1:
            raise InputError(
                f"n_samples_inner must be at least 1, got {n_samples_inner!r}"
            )
        self.n_samples_inner = int(n_samples_inner)
        self.sampling_probabilities = outer_sampling_strategy
        self._entropy = entropy_of(seed)
        self._draw_by_visits(self._bernoulli(1.0), self._entropy, OwenSampler)

    def generate(self, indices: NDArray[np.int64]) -> Iterator[Sample]:
        """See :meth:`IndexSampler.generate`."""
        return samples_of(self.rounds, indices)

    def log_weight(self, n: int, subset_len: ArrayLike) -> LogWeight:
        """See :meth:`IndexSampler.log_weight`."""
        return log_weights.uniform_size(self.complement_size(n), subset_len)

    def sample_limit(self, indices: NDArray[np.int64]) -> int | None:
        """See :meth:`IndexSampler.sample_limit`."""
        visits = self._n_visits(indices)
        return None if visits is None else visits * self._samples_per_visit

    def _bernoulli(self, q_stop: float) -> BernoulliSubsets:
        self._samples_per_visit = (
            self.sampling_probabilities.n_samples_outer * self.n_samples_inner
        )
        probabilities = StrategyUpTo(self.sampling_probabilities, q_stop, self._entropy)
        return BernoulliSubsets(probabilities, self.n_samples_inner, self._entropy)
