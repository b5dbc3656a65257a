"""All permutations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from torchattr.estimation.truncation import TruncationPolicy
from torchattr.sampling.orders import AllOrders
from torchattr.valuation.samplers.permutation_sampler_base import PermutationSamplerBase
from torchattr.valuation.samplers.samples_of_rounds import samples_of
from torchattr.valuation.types import Sample

__all__ = ["DeterministicPermutationSampler"]


class DeterministicPermutationSampler(PermutationSamplerBase):
    """All permutations, in lexicographic order; a run to the end is exact.

    They are many: :class:`DeterministicUniformSampler` is exact with fewer samples from
    five indices on.

    Args:
        truncation: When to give up a permutation; ``None`` for never.
        batch_size: Permutations in each batch.

    Example:
        >>> samples = DeterministicPermutationSampler().generate(np.arange(3))
        >>> [sample.subset.tolist() for sample in samples][:4]
        [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0]]
    """

    def __init__(
        self, truncation: TruncationPolicy | None = None, batch_size: int = 1
    ) -> None:
        super().__init__(truncation=truncation, batch_size=batch_size)
        self._draw_orders(AllOrders(), DeterministicPermutationSampler)

    def generate(self, indices: NDArray[np.int64]) -> Iterator[Sample]:
        """See :meth:`IndexSampler.generate`."""
        return samples_of(self.rounds, indices)
