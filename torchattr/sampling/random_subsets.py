"""Random subsets of all players but one, as many at once as there are rows."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = [
    "bernoulli_subsets",
    "subsets_of_sizes",
    "uniform_subsets",
    "words_for_bits",
    "words_for_keys",
]

_MOST = np.uint32(2**32 - 1)


def words_for_bits(n_players: int) -> int:
    """Words of one row that :func:`uniform_subsets` needs."""
    return -(-n_players // 64)


def words_for_keys(n_players: int) -> int:
    """Words of one row that the other functions of this file need."""
    return -(-n_players // 2)


def uniform_subsets(words: NDArray[np.uint64], players: Tensor, n: int) -> Tensor:
    """One subset for each row, all subsets without its player equally likely.

    Args:
        words: ``(C, words_for_bits(n))`` uniform words.
        players: ``(C,)``: who stays outside; -1 for nobody.
        n: Number of players.

    Returns:
        ``(C, n)`` booleans.

    Example:
        >>> words = np.array([[5], [6]], dtype=np.uint64)
        >>> uniform_subsets(words, torch.tensor([0, -1]), 3).int()
        tensor([[0, 0, 1],
                [0, 1, 1]], dtype=torch.int32)
    """
    octets = words.astype("<u8", copy=False).view(np.uint8)
    bits = np.unpackbits(octets, axis=1, count=n, bitorder="little").view(np.bool_)
    return _without(torch.from_numpy(bits), players)


def bernoulli_subsets(
    words: NDArray[np.uint64], players: Tensor, n: int, probability: NDArray[np.float64]
) -> Tensor:
    """One subset for each row, which everybody but its player joins independently.

    Args:
        words: ``(C, words_for_keys(n))`` uniform words.
        players: ``(C,)``: who stays outside; -1 for nobody.
        n: Number of players.
        probability: ``(C,)``: of joining, to 32 bits; 0 and 1 are exact.

    Returns:
        ``(C, n)`` booleans.

    Example:
        >>> words = np.array([[5, 6], [5, 6]], dtype=np.uint64)
        >>> bernoulli_subsets(words, torch.tensor([0, 0]), 3, np.array([0.0, 1.0]))
        tensor([[False, False, False],
                [False,  True,  True]])
    """
    level = np.minimum(probability * 2.0**32, float(_MOST)).astype(np.uint32)
    joins = _keys(words, n) < level[:, None]
    joins[probability >= 1] = True
    return _without(torch.from_numpy(joins), players)


def subsets_of_sizes(
    words: NDArray[np.uint64], players: Tensor, n: int, sizes: NDArray[np.int64]
) -> Tensor:
    """One subset for each row, all of its size without its player equally likely.

    Args:
        words: ``(C, words_for_keys(n))`` uniform words.
        players: ``(C,)``: who stays outside; -1 for nobody.
        n: Number of players.
        sizes: ``(C,)``, at most the number of those who may join.

    Returns:
        ``(C, n)`` booleans.

    Example:
        >>> words = np.array([[5, 6], [5, 6]], dtype=np.uint64)
        >>> subsets_of_sizes(words, torch.tensor([0, -1]), 3, np.array([2, 3]))
        tensor([[False,  True,  True],
                [ True,  True,  True]])
    """
    keys = _keys(words, n).copy()
    rows = np.arange(len(keys))
    outside = players.numpy()
    keys[rows[outside >= 0], outside[outside >= 0]] = _MOST
    # Sorting keys alone is several times as fast as sorting places by their keys; two
    # equal keys that would leave the size short are in one of millions of rows.
    ranked = np.sort(keys, axis=1)
    before = ranked[rows, np.clip(sizes - 1, 0, n - 1)]
    at = ranked[rows, np.clip(sizes, 0, n - 1)]
    joins = keys < at[:, None]
    joins[sizes >= n] = True
    wrong = np.flatnonzero((before == at) & (sizes > 0) & (sizes < n))
    if len(wrong):
        ordered = keys[wrong].astype(np.uint64) * 2
        ordered += np.arange(n) == outside[wrong, None]
        place = ordered.argsort(axis=1, kind="stable").argsort(axis=1)
        joins[wrong] = place < sizes[wrong, None]
    return torch.from_numpy(joins)


def _keys(words: NDArray[np.uint64], n: int) -> NDArray[np.uint32]:
    return np.ascontiguousarray(words).view(np.uint32)[:, :n]


def _without(subsets: Tensor, players: Tensor) -> Tensor:
    rows = torch.nonzero(players >= 0)[:, 0]
    subsets[rows, players[rows]] = False
    return subsets
