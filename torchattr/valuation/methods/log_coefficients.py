r"""Logarithms of the weights of semivalues, :math:`\log w(n, k)`.

A marginal contribution :math:`u(S \cup i) - u(S)` with :math:`|S| = k` has the weight
:math:`w(n, k)`, and :math:`\sum_k \binom{n-1}{k} w(n, k) = 1`. The functions take one
size or an array of them. As logarithms they neither over- nor underflow, however many
points there are.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from torchattr.sampling.subset_counts import log_n_subsets

__all__ = [
    "LogCoefficient",
    "log_banzhaf",
    "log_beta_shapley",
    "log_leave_one_out",
    "log_mean_over_sizes",
    "log_shapley",
]


class LogCoefficient(Protocol):
    """A function of the number of points and the size of the coalition joined."""

    def __call__(self, n: int, k: ArrayLike, /) -> ArrayLike:
        """The logarithms.

        Args:
            n: Number of points.
            k: One size, or an array of them.

        Returns:
            As many logarithms; minus infinity where the weight is 0.
        """


def log_shapley(n: int, k: ArrayLike, /) -> NDArray[np.float64]:
    r"""Shapley value, :math:`w = 1 / (n \binom{n-1}{k})`.

    Args:
        n: Number of points.
        k: Sizes joined.

    Returns:
        The logarithms.

    Example:
        >>> np.exp(log_shapley(3, [0, 1, 2])).round(4)
        array([0.3333, 0.1667, 0.3333])
    """
    return -math.log(n) - log_n_subsets(n - 1, k)


def log_banzhaf(n: int, k: ArrayLike, /) -> NDArray[np.float64]:
    r"""Banzhaf value, :math:`w = 2^{-(n-1)}`.

    Args:
        n: Number of points.
        k: Sizes joined.

    Returns:
        The logarithms.
    """
    return np.full(np.shape(k), -(n - 1) * math.log(2))


def log_beta_shapley(
    alpha: float, beta: float, n: int, k: ArrayLike, /
) -> NDArray[np.float64]:
    r"""Beta Shapley, :math:`w = B(k + \beta,\, n-1-k + \alpha) / B(\alpha, \beta)`.

    Args:
        alpha: First parameter, positive.
        beta: Second parameter, positive.
        n: Number of points.
        k: Sizes joined.

    Returns:
        The logarithms.

    Example:
        >>> np.allclose(log_beta_shapley(1, 1, 9, range(9)), log_shapley(9, range(9)))
        True
    """
    sizes = np.asarray(k, dtype=np.float64)
    whole = (
        math.lgamma(n - 1 + alpha + beta)
        + math.lgamma(alpha)
        + math.lgamma(beta)
        - math.lgamma(alpha + beta)
    )
    return _log_gamma(sizes + beta) + _log_gamma(n - 1 - sizes + alpha) - whole


def log_mean_over_sizes(
    lower: int, upper: int, n: int, k: ArrayLike, /
) -> NDArray[np.float64]:
    r"""Mean over the sizes from ``lower`` to ``upper`` alone.

    :math:`w = 1 / ((u - l + 1) \binom{n-1}{k})` for :math:`l \le k \le u`, else 0.

    Args:
        lower: The smallest size that counts.
        upper: The largest.
        n: Number of points.
        k: Sizes joined.

    Returns:
        The logarithms.
    """
    sizes = np.asarray(k)
    inside = (lower <= sizes) & (sizes <= upper)
    log_weights = -math.log(upper - lower + 1) - log_n_subsets(n - 1, sizes)
    return np.where(inside, log_weights, -np.inf)


def log_leave_one_out(n: int, k: ArrayLike, /) -> NDArray[np.float64]:
    r"""Leave one out: :math:`w = 1/n` for the coalition of all others, else 0.

    :math:`1/n` is the weight that the Shapley value gives to it, and the chance of a
    point and its coalition among all that
    :class:`~torchattr.valuation.LOOSampler` draws.

    Args:
        n: Number of points.
        k: Sizes joined.

    Returns:
        The logarithms.
    """
    return np.where(np.asarray(k) == n - 1, -math.log(n), -np.inf)


def _log_gamma(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = torch.lgamma(torch.as_tensor(numbers)).numpy()
    return values
