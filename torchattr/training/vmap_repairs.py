"""Functions that PyTorch computes otherwise, or not at all, for many models at once."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from torchattr.games.rewriting import Rewriter

__all__ = ["VMAP_REPAIRS"]


def _embedding(
    function: Any,  # ruff: ignore[any-type] (a function)
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:  # ruff: ignore[any-type] (a tensor, or NotImplemented)
    """An embedding whose row of padding gets no gradient.

    Under ``torch.func.vmap`` PyTorch's own gives it one, in all models but the first.

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


#: Rewriters, for :class:`~torchattr.games.rewriting.Rewriting`.
VMAP_REPAIRS: dict[Any, Rewriter] = {F.embedding: _embedding}
