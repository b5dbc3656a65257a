"""Sample sizes: how many subsets of each size a stratified sampler takes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import final

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError

__all__ = [
    "ConstantSampleSize",
    "GroupTestingSampleSize",
    "HarmonicSampleSize",
    "LinearSampleSize",
    "PowerLawSampleSize",
    "SampleSizeStrategy",
]


class SampleSizeStrategy(ABC):
    r"""How many of ``m`` subsets of each index have size k.

    It is :math:`m_k = m f(k) / \sum_j f(j)`, rounded so that the sum is right: down,
    and one more for those that lost most.

    Args:
        n_samples: :math:`m`, subsets for each index. 0 takes the sum of :math:`f`,
            rounded up; ``None`` as many as make the smallest :math:`m_k` one.
        lower_bound: The smallest size; ``None`` is 0.
        upper_bound: The largest size; ``None`` is the number of others.

    Example:
        >>> class Middle(SampleSizeStrategy):
        ...     def fun(self, n_indices, subset_len):
        ...         return subset_len * (n_indices - subset_len)
        >>> Middle(n_samples=10).sample_sizes(4, probs=False)
        array([0, 3, 4, 3, 0])
    """

    def __init__(
        self,
        n_samples: int | None = None,
        lower_bound: int | None = None,
        upper_bound: int | None = None,
    ) -> None:
        for name, bound in (
            ("n_samples", n_samples),
            ("lower_bound", lower_bound),
            ("upper_bound", upper_bound),
        ):
            if bound is not None and bound < 0:
                raise InputError(f"{name} must not be negative, got {bound!r}")
        if None not in {lower_bound, upper_bound} and not (
            (lower_bound or 0) <= (upper_bound or 0)
        ):
            raise InputError(
                "lower_bound must be at most upper_bound, got "
                f"{lower_bound!r} and {upper_bound!r}"
            )
        self.n_samples = n_samples
        self.lower_bound = lower_bound
        self.upper_bound = upper_bound

    @abstractmethod
    def fun(self, n_indices: int, subset_len: int) -> float:
        """The function :math:`f`.

        Args:
            n_indices: Number of indices that subsets are made of.
            subset_len: Size of the subset.

        Returns:
            A number that is not negative; only ratios matter, unless ``n_samples`` is 0
            or ``None``.
        """

    def effective_bounds(self, n: int) -> tuple[int, int]:
        """The smallest and the largest size.

        Args:
            n: Number of indices that subsets are made of.

        Returns:
            Both, at most ``n``.
        """
        lower = 0 if self.lower_bound is None else self.lower_bound
        upper = n if self.upper_bound is None else self.upper_bound
        return min(lower, n), min(upper, n)

    def sample_sizes(
        self, n_indices: int, *, probs: bool = True
    ) -> NDArray[np.float64] | NDArray[np.int64]:
        """How many subsets of each size.

        Args:
            n_indices: Number of indices that subsets are made of, mostly all but one.
            probs: Whether to give the share of each size in place of the number.

        Returns:
            ``(n_indices + 1,)``: the shares, or integers.

        Raises:
            InputError: If no size has a positive share.
        """
        lower, upper = self.effective_bounds(n_indices)
        values = np.zeros(n_indices + 1)
        values[lower : upper + 1] = [
            self.fun(n_indices, size) for size in range(lower, upper + 1)
        ]
        total = values.sum()
        if not (total > 0 and (values >= 0).all() and np.isfinite(total)):
            raise InputError(
                f"{type(self).__name__} must give some size of {lower}, ..., {upper} a "
                f"positive number of samples, and none a negative one; got {values}"
            )
        shares: NDArray[np.float64] = values / total
        if probs:
            return shares
        if self.n_samples is None:
            n_samples = int((shares / shares[shares > 0].min()).sum() + 1e-9)
        elif self.n_samples == 0:
            n_samples = math.ceil(total - 1e-9)
        else:
            n_samples = self.n_samples
        return _largest_remainders(shares * n_samples, n_samples)

    def n_samples_per_index(self, n_indices: int) -> int | None:
        """How many subsets in all; ``None`` if only shares are set.

        Args:
            n_indices: Number of indices that subsets are made of.

        Returns:
            The number.
        """
        if self.n_samples is None:
            return None
        return int(self.sample_sizes(n_indices, probs=False).sum())


@final
class ConstantSampleSize(SampleSizeStrategy):
    """As many subsets of one size as of another.

    Example:
        >>> ConstantSampleSize(lower_bound=1, upper_bound=4).sample_sizes(5).tolist()
        [0.0, 0.25, 0.25, 0.25, 0.25, 0.0]
    """

    def fun(self, n_indices: int, subset_len: int) -> float:
        """One."""
        return 1.0


@final
class LinearSampleSize(SampleSizeStrategy):
    """A number that grows with the size.

    Args:
        scale: What one element more adds.
        offset: The number for the empty subset.
        n_samples: Subsets for each index; see :class:`SampleSizeStrategy`.
        lower_bound: The smallest size.
        upper_bound: The largest size.

    Example:
        >>> LinearSampleSize(2, offset=1, n_samples=0).sample_sizes(2, probs=False)
        array([1, 3, 5])
    """

    def __init__(
        self,
        scale: float,
        offset: int = 0,
        n_samples: int | None = None,
        lower_bound: int | None = None,
        upper_bound: int | None = None,
    ) -> None:
        super().__init__(n_samples, lower_bound, upper_bound)
        self.scale = scale
        self.offset = offset

    def fun(self, n_indices: int, subset_len: int) -> float:
        """Scale times the size, and the offset, rounded down."""
        return int(subset_len * self.scale + self.offset)


@final
class HarmonicSampleSize(SampleSizeStrategy):
    r""":math:`f(k) = 1/(1+k)`: small subsets, whose marginal contributions vary most.

    Example:
        >>> HarmonicSampleSize(n_samples=11).sample_sizes(2, probs=False)
        array([6, 3, 2])

    References:
        Wu, Jia, Lin, Huang and Chang (2023), *Variance reduced Shapley value estimation
        for trustworthy data valuation*.
    """

    def fun(self, n_indices: int, subset_len: int) -> float:
        """One over the size and one."""
        return 1 / (1 + subset_len)


@final
class PowerLawSampleSize(SampleSizeStrategy):
    r""":math:`f(k) = (1+k)^a`.

    Args:
        exponent: :math:`a`; between -1 and -0.5 for most models.
        n_samples: Subsets for each index; see :class:`SampleSizeStrategy`.
        lower_bound: The smallest size.
        upper_bound: The largest size.

    Example:
        >>> PowerLawSampleSize(-2, n_samples=49).sample_sizes(2, probs=False)
        array([36,  9,  4])
    """

    def __init__(
        self,
        exponent: float,
        n_samples: int | None = None,
        lower_bound: int | None = None,
        upper_bound: int | None = None,
    ) -> None:
        super().__init__(n_samples, lower_bound, upper_bound)
        self.exponent = exponent

    def fun(self, n_indices: int, subset_len: int) -> float:
        """A power of the size and one."""
        return float((1 + subset_len) ** self.exponent)


@final
class GroupTestingSampleSize(SampleSizeStrategy):
    r""":math:`f(k) = 1/k + 1/(n-k)` for :math:`0 < k < n`: the law of group testing.

    Example:
        >>> GroupTestingSampleSize().sample_sizes(4).round(4)
        array([0.    , 0.3636, 0.2727, 0.3636, 0.    ])

    References:
        Jia et al. (2019), *Towards efficient data valuation based on the Shapley
        value*.
    """

    def fun(self, n_indices: int, subset_len: int) -> float:
        """Two reciprocals, or zero at the ends."""
        if subset_len in {0, n_indices}:
            return 0.0
        return 1 / subset_len + 1 / (n_indices - subset_len)


def _largest_remainders(wanted: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Integers that sum to ``total``, as near to what is wanted as can be."""
    # Products such as 11 * (6 / 11) may fall short of the integer that they are.
    counts = np.floor(wanted + 1e-9).astype(np.int64)
    missing = total - int(counts.sum())
    most = np.argsort(counts - wanted, kind="stable")[:missing]
    counts[most] += 1
    return counts
