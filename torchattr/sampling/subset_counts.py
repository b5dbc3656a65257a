"""How many subsets there are of each size, as logarithms."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

__all__ = ["log_n_subsets"]


def log_n_subsets(n_elements: ArrayLike, size: ArrayLike) -> NDArray[np.float64]:
    r"""Logarithms of :math:`\binom{m}{k}`; minus infinity where there is no subset.

    Args:
        n_elements: :math:`m`, one number or an array of them.
        size: :math:`k`, one number or an array of them; any integers.

    Returns:
        The logarithms, broadcast. They neither overflow nor underflow.

    Example:
        >>> log_n_subsets(4, [-1, 0, 2, 5]).round(3)
        array([ -inf, 0.   , 1.792,  -inf])
    """
    m, k = np.broadcast_arrays(
        np.asarray(n_elements, dtype=np.float64), np.asarray(size, dtype=np.float64)
    )
    possible = (k >= 0) & (k <= m)
    inside = np.where(possible, k, 0)
    whole = np.where(possible, m, 0)
    logarithm = (
        _log_factorial(whole) - _log_factorial(inside) - _log_factorial(whole - inside)
    )
    return np.where(possible, logarithm, -np.inf)


def _log_factorial(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = torch.lgamma(torch.as_tensor(numbers + 1)).numpy()
    return values
