"""The bytes of a tensor."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["tensor_bytes"]


def tensor_bytes(tensor: Tensor) -> memoryview:
    """The elements of a tensor of any type in their order, as bytes.

    Args:
        tensor: Any tensor, on any device; a sparse one is made dense.

    Returns:
        Their bytes, as the CPU holds them.

    Example:
        >>> tensor_bytes(torch.tensor([[1, 256]], dtype=torch.int16)).tolist()
        [1, 0, 0, 1]
    """
    dense = tensor.detach()
    if dense.layout != torch.strided:
        dense = dense.to_dense()
    flat = dense.cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    if flat.stride() != (1,):  # one element counts as contiguous whatever its stride
        flat = flat.clone(memory_format=torch.contiguous_format)
    return flat.view(torch.uint8).numpy().data
