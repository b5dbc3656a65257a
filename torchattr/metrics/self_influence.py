"""How much every training example moved the model for its own sake."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import Dataset

from torchattr.errors import InputError
from torchattr.games.examples import RawDataset, as_examples

__all__ = ["HasSelfInfluences", "self_influence"]


@runtime_checkable
class HasSelfInfluences(Protocol):
    """What is asked of an influence; those of :mod:`torchattr.influence` comply.

    Example:
        >>> from torchattr.influence import DirectInfluence
        >>> model, loss = torch.nn.Linear(1, 1), torch.nn.MSELoss()
        >>> isinstance(DirectInfluence(model, loss), HasSelfInfluences)
        True
    """

    def self_influences(self, x: Any, y: Tensor) -> Tensor:  # ruff: ignore[any-type] (tensors in any structure)
        """``(B,)``: the influence of each example on its own loss."""
        ...


def self_influence(influence: HasSelfInfluences, data: object) -> Tensor:
    r"""Influence of each training example on its own loss.

    .. math:: g(z_i)^\top (C + \lambda I)^{-1} g(z_i)

    High for an example that the model would not predict without it: a rare one, or one
    with a wrong label. As a detector of these, ``mislabel_auroc(-scores, flipped)``
    tells how well it does, for low values are suspicious there.

    Args:
        influence: A fitted influence, such as
            :class:`~torchattr.influence.DirectInfluence`.
        data: The examples: a pair ``(x, y)``, a dataset, or a loader, which is any
            iterable of such pairs.

    Returns:
        ``(n,)``: in the order of the data. Not negative where the curvature has no
        negative eigenvalue.

    Raises:
        InputError: If it is no influence, or not fitted; or if data are of another
            kind, or empty.

    Note:
        Costs a gradient and a solution for each example, and no matrix of all pairs.

    Example:
        >>> from torchattr.influence import DirectInfluence
        >>> x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0], [3.0]])
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> _ = model.weight.data.fill_(1.4)  # least squares
        >>> influence = DirectInfluence(model, torch.nn.MSELoss()).fit([(x, y)])
        >>> self_influence(influence, (x, y))
        tensor([0.1280, 0.1280])
    """
    if not isinstance(influence, HasSelfInfluences):
        raise InputError(
            "influence must be a fitted influence, such as DirectInfluence(model, loss)"
            f".fit(loader), with self_influences(x, y); got {type(influence).__name__}."
        )
    parts = [influence.self_influences(x, y) for x, y in _batches(data)]
    if not parts:
        raise InputError("data must have at least one batch (x, y); got none.")
    return torch.cat(parts)


def _batches(data: object) -> Iterable[tuple[Any, Tensor]]:
    is_tensor = isinstance(data, Tensor)  # which has data, and can be iterated over
    if _is_pair(data) or (isinstance(data, Dataset | RawDataset) and not is_tensor):
        examples = as_examples(data)
        return [(examples.inputs, examples.targets)]
    if is_tensor or not isinstance(data, Iterable):
        raise InputError(
            "data must be a pair (x, y), a dataset, or an iterable of pairs such as a "
            f"DataLoader; got {type(data).__name__}."
        )
    return map(_checked, data)


def _is_pair(data: object) -> bool:
    """Whether data are inputs and targets, and not a loader of two batches."""
    return (
        isinstance(data, tuple | list)
        and len(data) == 2
        and not isinstance(data[1], tuple | list)
    )


def _checked(batch: object) -> tuple[Any, Tensor]:
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise InputError(
            "a batch of data must be a pair (x, y) of inputs and targets; got "
            f"{type(batch).__name__}. Pass ((x, y) for ... in loader), which makes "
            "pairs of what the loader gives."
        )
    return batch[0], batch[1]
