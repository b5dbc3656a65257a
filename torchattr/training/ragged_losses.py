"""Losses of minibatches that are padded to a common length.

The members of a minibatch come first, and its last rows are padding. PyTorch's losses
are replaced by ones that take each row's loss and reduce over the members only, by the
denominators that PyTorch uses. Whether that covers all that a user's loss does is
tested before it is relied on (see :mod:`torchattr.training.trial`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._C._functorch import is_batchedtensor

from torchattr.games.rewriting import Rewriter

__all__ = ["mean_of_members", "ragged_rewriters"]


def mean_of_members(losses: Tensor, members: Tensor) -> Tensor:
    """Mean of the losses of the rows that are members.

    Args:
        losses: ``(m, ...)``; those of other rows may be anything, NaN included.
        members: ``(m,)`` booleans.

    Returns:
        A scalar.

    Example:
        >>> losses = torch.tensor([1.0, 3.0, float("nan")])
        >>> mean_of_members(losses, torch.tensor([True, True, False]))
        tensor(2.)
    """
    return _total(losses, members) / _count(losses, members)


def ragged_rewriters(
    members: Tensor, other_lengths: set[int] | None = None
) -> dict[Any, Rewriter]:
    """What to call in place of PyTorch's losses, sums and means on a padded minibatch.

    Args:
        members: ``(m,)`` booleans, which rows count.
        other_lengths: Is told the lengths of what was left alone because it is longer
            or shorter than the minibatch. Three terms of a loss would be taken for
            the rows of a minibatch of three.

    Returns:
        Rewriters for :class:`~torchattr.games.rewriting.Rewriting`.

    Example:
        >>> from torchattr.games.rewriting import Rewriting
        >>> with Rewriting(ragged_rewriters(torch.tensor([True, False]))):
        ...     F.mse_loss(torch.tensor([1.0, 5.0]), torch.zeros(2))
        tensor(1.)
    """
    rows = _Rows(members, set() if other_lengths is None else other_lengths)
    return {
        function: functools.partial(rewrite, rows)
        for function, rewrite in _REWRITES.items()
    }


def _total(losses: Tensor, members: Tensor) -> Tensor:
    # A selection, not a product: what is NaN in a row of padding stays out, and the
    # gradient of that row is exactly zero.
    chosen = members.reshape(-1, *[1] * (losses.ndim - 1))
    return torch.where(chosen, losses, 0).sum()


def _count(losses: Tensor, members: Tensor) -> Tensor:
    return members.sum() * losses[0].numel()


@dataclass(frozen=True)
class _Rows:
    """What tells the rows of a minibatch."""

    members: Tensor
    other_lengths: set[int]

    def __contains__(self, x: object) -> bool:
        # What comes from the minibatch differs from model to model, as the members do.
        # A constant, such as weights of classes, is none of it, whatever its length.
        if (
            not isinstance(x, Tensor)
            or not x.ndim
            or is_batchedtensor(x) != is_batchedtensor(self.members)
        ):
            return False
        if len(x) != len(self.members):
            self.other_lengths.add(len(x))
            return False
        return True


def _loss(
    rows: _Rows,
    function: Callable[..., Tensor],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:  # ruff: ignore[any-type] (a tensor, or NotImplemented)
    """A loss that has one value for each row, or for each element of it."""
    tensors = [x for x in args if isinstance(x, Tensor)]
    if (
        not all(x in rows for x in tensors)
        or kwargs.get("size_average") is not None
        or kwargs.get("reduce") is not None
        or (kwargs.get("weight") is not None and function in _WEIGHTED_MEANS)
    ):
        return NotImplemented
    reduction = kwargs.get("reduction", "mean")
    losses = function(*args, **{**kwargs, "reduction": "none"})
    if losses not in rows or reduction == "none":
        return losses if reduction == "none" else NotImplemented
    total = _total(losses, rows.members)
    if reduction == "sum":
        return total
    if reduction == "batchmean":
        return total / rows.members.sum()
    return total / _count(losses, rows.members)


def _classification_loss(
    rows: _Rows,
    function: Callable[..., Tensor],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:  # ruff: ignore[any-type] (a tensor, or NotImplemented)
    """Cross entropy or negative log-likelihood of classes that are given by number."""
    outputs, targets = args[:2]
    if targets.is_floating_point():
        return _loss(rows, function, args, kwargs)
    if kwargs.get("reduction") == "none" or outputs not in rows or targets not in rows:
        return NotImplemented
    # A row of padding gets the target that PyTorch leaves out, so that reductions,
    # weights of classes and smoothing are PyTorch's own.
    chosen = rows.members.reshape(-1, *[1] * (targets.ndim - 1))
    ignored = kwargs.get("ignore_index", -100)
    return function(outputs, torch.where(chosen, targets, ignored), **kwargs)


def _reduction(
    reduce: Callable[[Tensor, Tensor], Tensor],
) -> Callable[..., Any]:
    """A rewriter of a sum or mean over everything."""

    def rewrite(
        rows: _Rows, _: object, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:  # ruff: ignore[any-type] (a tensor, or NotImplemented)
        if len(args) != 1 or kwargs or args[0] not in rows:
            return NotImplemented
        return reduce(args[0], rows.members)

    return rewrite


# Their mean divides by the sum of the weights, where they are given any.
_WEIGHTED_MEANS = {F.huber_loss, F.l1_loss, F.mse_loss}

_REWRITES: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys((F.cross_entropy, F.nll_loss), _classification_loss),
    **dict.fromkeys(
        (
            F.binary_cross_entropy,
            F.binary_cross_entropy_with_logits,
            F.cosine_embedding_loss,
            F.gaussian_nll_loss,
            F.hinge_embedding_loss,
            F.huber_loss,
            F.kl_div,
            F.l1_loss,
            F.margin_ranking_loss,
            F.mse_loss,
            F.multi_margin_loss,
            F.multilabel_margin_loss,
            F.multilabel_soft_margin_loss,
            F.poisson_nll_loss,
            F.smooth_l1_loss,
            F.soft_margin_loss,
            F.triplet_margin_loss,
        ),
        _loss,
    ),
    **dict.fromkeys((torch.mean, Tensor.mean), _reduction(mean_of_members)),
    **dict.fromkeys((torch.sum, Tensor.sum), _reduction(_total)),
}
