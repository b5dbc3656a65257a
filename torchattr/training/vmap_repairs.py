"""Functions that PyTorch computes otherwise, or not at all, for many models at once."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from torchattr.training.rewriting import Rewriter

__all__ = ["vmap_repairs"]


def vmap_repairs(module: nn.Module) -> dict[Any, Rewriter]:
    """What to call in place of the functions of a module that need a repair.

    Args:
        module: The model.

    Returns:
        Rewriters for :class:`~torchattr.training.rewriting.Rewriting`; none for most
        models, because looking at each function takes time.

    Example:
        >>> vmap_repairs(nn.Linear(1, 1)), len(vmap_repairs(nn.Embedding(3, 1, 0)))
        ({}, 1)
    """
    for part in module.modules():
        if isinstance(part, nn.Embedding) and part.padding_idx is not None:
            return {F.embedding: _embedding}
    return {}


def _embedding(
    function: Any,  # ruff: ignore[any-type] (a function)
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:  # ruff: ignore[any-type] (a tensor, or NotImplemented)
    """An embedding whose row of padding gets no gradient.

    Under ``torch.func.vmap`` PyTorch's own gives it one.

    Returns:
        The rows.
    """
    padding = kwargs.get("padding_idx")
    if padding is None:
        return NotImplemented
    indices, weight = args
    if padding < 0:
        padding += len(weight)
    rows = function(indices, weight, **{**kwargs, "padding_idx": None})
    return torch.where((indices == padding)[..., None], rows.detach(), rows)
