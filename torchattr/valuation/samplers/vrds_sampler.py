"""Stratified subsets with harmonic numbers of samples."""

from __future__ import annotations

import math

from torchattr.sampling.random_words import Seed
from torchattr.valuation.samplers.sample_sizes import HarmonicSampleSize
from torchattr.valuation.samplers.stratified_sampler import StratifiedSampler

__all__ = ["VRDSSampler"]


class VRDSSampler(StratifiedSampler):
    r"""For each index once, stratified subsets, of size k as many as :math:`1/(1+k)`.

    Args:
        n_samples_per_index: Subsets for each index; enough that every size gets some,
            about :math:`n \ln n`, or the value lacks those that get none.
        batch_size: Samples in each batch.
        seed: Seed of the subsets.

    Example:
        >>> import numpy as np
        >>> VRDSSampler(25).sample_limit(np.arange(4))
        100
        >>> VRDSSampler.min_samples(10, eps=0.5, delta=0.1)
        262

    References:
        Wu, Jia, Lin, Huang and Chang (2023), *Variance reduced Shapley value estimation
        for trustworthy data valuation*.
    """

    def __init__(
        self, n_samples_per_index: int, batch_size: int = 1, seed: Seed = None
    ) -> None:
        sizes = HarmonicSampleSize(n_samples_per_index)
        super().__init__(sizes, batch_size=batch_size, seed=seed)

    @staticmethod
    def min_samples(n_indices: int, eps: float = 0.01, delta: float = 0.05) -> int:
        r"""Samples for each index that make values accurate.

        :math:`2 \ln(2/\delta)\,(\ln n + 1)^2 / \epsilon^2`, rounded up.

        Args:
            n_indices: Number of indices.
            eps: How far from the true value, where utilities range over an interval of
                length 1.
            delta: With what probability farther.

        Returns:
            The number.
        """
        confidence = 2 * (math.log(2) - math.log(delta)) / eps**2
        return math.ceil(confidence * (math.log(n_indices) + 1) ** 2)
