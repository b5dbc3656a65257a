"""Cross entropy of many models at once."""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from torchattr.games.rewriting import Rewriter

__all__ = ["cross_entropy_rewriters"]

_FEW_CLASSES = 32


def cross_entropy_rewriters(members: Tensor | None) -> dict[Any, Rewriter]:
    """What to call in place of ``cross_entropy`` where targets are numbers of classes.

    PyTorch's own takes logarithms row by row. With ten classes that wastes most of what
    a processor computes at once, and a third of the time of a small perceptron; and its
    label smoothing does not run under ``torch.func.vmap``.

    Args:
        members: ``(m,)`` booleans, the rows of the minibatch that count; ``None`` for
            all of them.

    Returns:
        Rewriters for :class:`~torchattr.games.rewriting.Rewriting`.

    Example:
        >>> from torchattr.games.rewriting import Rewriting
        >>> outputs, targets = torch.eye(3), torch.tensor([0, 1, 2])
        >>> with Rewriting(cross_entropy_rewriters(None)):
        ...     ours = F.cross_entropy(outputs, targets)
        >>> torch.isclose(ours, F.cross_entropy(outputs, targets)).item()
        True
    """
    return {F.cross_entropy: functools.partial(_cross_entropy, members)}


def _cross_entropy(
    members: Tensor | None, _: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:  # ruff: ignore[any-type] (a tensor, or NotImplemented)
    outputs, targets = args[:2]
    outdated = [kwargs.get(name) for name in ("size_average", "reduce")]
    if (
        targets.dtype != torch.int64
        or outputs.ndim != targets.ndim + 1
        or (members is not None and len(outputs) != len(members))
        or outdated != [None, None]
    ):
        return NotImplemented
    weight, smoothing = kwargs.get("weight"), kwargs.get("label_smoothing", 0.0)
    ignored = kwargs.get("ignore_index", -100)
    counted = targets != ignored
    if members is not None:
        counted &= members.reshape(-1, *[1] * (targets.ndim - 1))
    # Some class for those that are ignored: they are chosen, and left out afterwards.
    classes = torch.where(targets == ignored, 0, targets)
    logs = _logarithms_of_shares(outputs)  # classes first
    losses = -logs.gather(0, classes[None])[0]
    weights = None if weight is None else weight[classes]
    if weights is not None:
        losses = weights * losses
    if smoothing:
        by_class = torch.ones(()) if weight is None else weight
        every = logs * by_class.to(logs).reshape(-1, *[1] * (logs.ndim - 1))
        losses = (1 - smoothing) * losses - smoothing / len(logs) * every.sum(0)
    reduction = kwargs.get("reduction", "mean")
    if reduction == "none":
        # Rows of padding keep what they are, so that the trial sees who reads them.
        return torch.where(targets == ignored, 0.0, losses)
    losses = torch.where(counted, losses, 0.0)
    if reduction == "sum":
        return losses.sum()
    total = counted if weights is None else torch.where(counted, weights, 0.0)
    return losses.sum() / total.sum()


def _logarithms_of_shares(outputs: Tensor) -> Tensor:
    if outputs.shape[1] > _FEW_CLASSES:
        return outputs.log_softmax(1).transpose(0, 1)
    return outputs.transpose(0, 1).contiguous().log_softmax(0)
