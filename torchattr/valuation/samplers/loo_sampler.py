"""All others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torchattr.sampling.random_words import Seed, entropy_of
from torchattr.sampling.subset_laws import LeaveOneOut
from torchattr.valuation.samplers.index_iterations import (
    FiniteSequentialIndexIteration,
    IndexIteration,
)
from torchattr.valuation.samplers.index_sampler import LogWeight
from torchattr.valuation.samplers.powerset_sampler import PowersetSampler
from torchattr.valuation.samplers.samples_of_rounds import samples_of
from torchattr.valuation.types import Sample

__all__ = ["LOOSampler"]


class LOOSampler(PowersetSampler):
    r"""For each index, all others: n + 1 evaluations in all.

    The declared probability of a subset of size n - 1 is :math:`1/n`, pyDVL's: of the
    pair of an index and its subset, not of the subset for a given index. A method whose
    weight of that size is :math:`1/n` therefore gets the marginal contribution itself.

    Args:
        batch_size: Samples in each batch.
        index_iteration: In which order indices are visited.
        seed: Seed of the order, if it is random.

    Raises:
        InputError: If the iteration has no index, which nobody could then leave.

    Example:
        >>> next(LOOSampler().generate(np.array([3, 5, 8])))
        Sample(idx=3, subset=array([5, 8]))
    """

    def __init__(
        self,
        batch_size: int = 1,
        index_iteration: type[IndexIteration] = FiniteSequentialIndexIteration,
        seed: Seed = None,
    ) -> None:
        super().__init__(batch_size, index_iteration)
        self._require_index("one index is left out")
        self._draw_by_visits(LeaveOneOut(), entropy_of(seed), LOOSampler)

    def generate(self, indices: NDArray[np.int64]) -> Iterator[Sample]:
        """See :meth:`IndexSampler.generate`."""
        return samples_of(self.rounds, indices)

    def log_weight(self, n: int, subset_len: ArrayLike) -> LogWeight:
        """See :meth:`IndexSampler.log_weight`."""
        whole = np.asarray(subset_len) == n - 1
        weight = np.where(whole, -np.log(max(n, 1)), -np.inf)
        return weight if np.ndim(subset_len) else float(weight)

    def sample_limit(self, indices: NDArray[np.int64]) -> int | None:
        """See :meth:`IndexSampler.sample_limit`."""
        return self._n_visits(indices)
