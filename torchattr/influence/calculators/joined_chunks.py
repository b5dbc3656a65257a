"""Tensors, or equal structures of tensors, joined along a dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from torchattr.errors import InputError

__all__ = ["joined", "parts"]


def joined(chunks: list[Any], dim: int) -> Any:
    """One tensor for each place in the structure of the chunks.

    Args:
        chunks: At least one.
        dim: Along which they lie one after another.

    Returns:
        What the chunks are: a tensor, or a tuple or dict of tensors.

    Raises:
        InputError: If there is none.

    Example:
        >>> joined([torch.ones(1), torch.zeros(1)], 0)
        tensor([1., 0.])
    """
    if not chunks:
        raise InputError("there are no chunks to join; the data hold no batch")
    if len(chunks) == 1:
        return chunks[0]
    return tree_map(lambda *tensors: torch.cat(tensors, dim), *chunks)


def parts(whole: Any, sizes: Sequence[int]) -> list[Any]:
    """The opposite of :func:`joined` along the first dimension, as views.

    Args:
        whole: A tensor, or a tuple or dict of tensors.
        sizes: Lengths of the parts.

    Returns:
        Parts of the same structure.

    Example:
        >>> parts(torch.arange(3), [1, 2])
        [tensor([0]), tensor([1, 2])]
    """
    if isinstance(whole, Tensor):
        return list(torch.split(whole, list(sizes)))
    stops = torch.tensor(sizes).cumsum(0).tolist()
    return [
        tree_map(lambda tensor, s=stop - size, e=stop: tensor[s:e], whole)
        for size, stop in zip(sizes, stops, strict=True)
    ]
