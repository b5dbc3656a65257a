"""Logarithms of the probabilities of subsets, by their size."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torchattr.sampling.subset_counts import log_n_subsets

__all__ = ["by_size", "uniform", "uniform_size"]


def uniform(n_elements: int, size: ArrayLike) -> float | NDArray[np.float64]:
    """All subsets of ``n_elements`` are equally likely."""
    possible = np.isfinite(log_n_subsets(n_elements, size))
    return _like(np.where(possible, -n_elements * np.log(2), -np.inf), size)


def uniform_size(n_elements: int, size: ArrayLike) -> float | NDArray[np.float64]:
    """All sizes from 0 to ``n_elements`` are equally likely, and all of a size."""
    logarithm = log_n_subsets(n_elements, size)
    possible = np.isfinite(logarithm)
    weight = np.where(possible, -np.log1p(n_elements) - logarithm, -np.inf)
    return _like(weight, size)


def by_size(
    shares: NDArray[np.float64], size: ArrayLike
) -> float | NDArray[np.float64]:
    """Size ``k`` has probability ``shares[k]``; all of a size are equally likely."""
    m = len(shares) - 1
    sizes = np.asarray(size)
    logarithm = log_n_subsets(m, sizes)
    share = np.where(np.isfinite(logarithm), shares[np.clip(sizes, 0, m)], 0)
    possible = share > 0
    weight = np.where(
        possible,
        np.log(np.where(possible, share, 1)) - np.where(possible, logarithm, 0),
        -np.inf,
    )
    return _like(weight, size)


def _like(weight: NDArray[np.float64], size: ArrayLike) -> float | NDArray[np.float64]:
    return weight if np.ndim(size) else float(weight)
