"""Subsets that the others join with a common probability, each with its complement."""

from __future__ import annotations

from torchattr.sampling.random_words import Seed
from torchattr.sampling.subset_laws import WithComplements
from torchattr.valuation.samplers.index_iterations import (
    FiniteSequentialIndexIteration,
    IndexIteration,
)
from torchattr.valuation.samplers.owen_sampler import OwenSampler
from torchattr.valuation.samplers.owen_strategies import OwenStrategy

__all__ = ["AntitheticOwenSampler"]


class AntitheticOwenSampler(OwenSampler):
    """Probabilities up to one half, and for each subset what it leaves of the others.

    A subset and its complement are never in two replicates.

    Args:
        outer_sampling_strategy: The probabilities of one visit to an index.
        n_samples_inner: Pairs of subsets for each probability.
        batch_size: Samples in each batch.
        index_iteration: In which order indices are visited.
        seed: Seed of the subsets.

    Example:
        >>> import numpy as np
        >>> from torchattr.valuation.samplers.owen_strategies import GridOwenStrategy
        >>> samples = AntitheticOwenSampler(GridOwenStrategy(2)).generate(np.arange(3))
        >>> [next(samples).subset.tolist() for _ in range(4)]  # with q = 0
        [[], [1, 2], [], [1, 2]]
    """

    def __init__(
        self,
        outer_sampling_strategy: OwenStrategy,
        n_samples_inner: int = 2,
        batch_size: int = 1,
        index_iteration: type[IndexIteration] = FiniteSequentialIndexIteration,
        seed: Seed = None,
    ) -> None:
        super().__init__(
            outer_sampling_strategy, n_samples_inner, batch_size, index_iteration, seed
        )
        law = WithComplements(self._bernoulli(0.5))
        self._samples_per_visit *= 2
        self._draw_by_visits(law, self._entropy, OwenSampler)
