"""Random permutations, each with its reverse."""

from __future__ import annotations

from torchattr.estimation.truncation import TruncationPolicy
from torchattr.sampling.orders import RandomOrders
from torchattr.sampling.random_words import Seed
from torchattr.valuation.samplers.permutation_sampler import PermutationSampler

__all__ = ["AntitheticPermutationSampler"]


class AntitheticPermutationSampler(PermutationSampler):
    """Uniform permutations, each followed by its reverse, without end.

    The two are one replicate: an index joins a subset in one and what that leaves of
    the others in the other.

    Args:
        truncation: When to give up a permutation; ``None`` for never.
        seed: Seed of the permutations.
        batch_size: Permutations in each batch.

    Example:
        >>> import numpy as np
        >>> samples = AntitheticPermutationSampler(seed=0).generate(np.arange(4))
        >>> one, other = next(samples).subset, next(samples).subset
        >>> (one[::-1] == other).all().item()
        True

    References:
        Mitchell, Cooper, Frank and Holmes (2022), *Sampling permutations for Shapley
        value estimation*.
    """

    def __init__(
        self,
        truncation: TruncationPolicy | None = None,
        seed: Seed = None,
        batch_size: int = 1,
    ) -> None:
        super().__init__(truncation, seed, batch_size)
        both = RandomOrders(self._entropy, reversed_too=True)
        self._draw_orders(both, PermutationSampler)
