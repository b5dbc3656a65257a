"""The training examples that help most, and those that harm most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.counts import as_count

__all__ = ["Ranked", "TopInfluences", "top_influences"]


class Ranked(NamedTuple):
    """Training examples in order, for each test example.

    Attributes:
        values: ``(n_test, k)``: their influences.
        indices: ``(n_test, k)`` int64: their places among the training examples.

    Example:
        >>> Ranked(torch.tensor([[0.5]]), torch.tensor([[7]])).indices
        tensor([[7]])
    """

    values: Tensor
    indices: Tensor


class TopInfluences(NamedTuple):
    """Helpers and opponents of test examples.

    Attributes:
        helpers: Those of the largest influences, the largest first.
        opponents: Those of the smallest (most negative), the smallest first.

    Example:
        >>> from torchattr.influence import NestedLazyChunkSequence
        >>> scores = torch.tensor([[3.0, -1.0, 2.0]])
        >>> top = NestedLazyChunkSequence(lambda: [[scores]]).top_k(1)
        >>> top.helpers.indices, top.opponents.values
        (tensor([[0]]), tensor([[-1.]]))
    """

    helpers: Ranked
    opponents: Ranked


def top_influences(
    strips: Iterable[Sequence[Tensor]], axis: int, k: int
) -> TopInfluences:
    """The ends of each row of a table of which one strip at a time is held.

    Args:
        strips: Blocks of one row each if ``axis`` is 0, of one column if it is 1.
        axis: Along which strips follow each other.
        k: How many of each end.

    Returns:
        The ends; among equal influences, lower indices come first.

    Raises:
        InputError: If ``k`` is no count or more than there are columns, or if a block
            is no matrix.

    Example:
        >>> columns = [[torch.tensor([[1.0]])], [torch.tensor([[4.0]])]]
        >>> top_influences(columns, 1, 1).helpers
        Ranked(values=tensor([[4.]]), indices=tensor([[1]]))
    """
    k = as_count("k", k)
    found: list[TopInfluences] = []
    n_train = 0
    for strip in strips:
        block = _matrix(strip, 1 - axis)
        start = n_train if axis else 0
        n_train = start + block.shape[1]
        places = torch.arange(start, n_train, device=block.device).expand(block.shape)
        ends = TopInfluences(Ranked(block, places), Ranked(block, places))
        if axis and found:
            ends = _side_by_side(found.pop(), ends)
        found.append(_ends(ends, k))
    if n_train < k:
        raise InputError(
            f"k must be at most the number of training examples, {n_train}; got {k}"
        )
    helpers, opponents = (
        Ranked(*(torch.cat(column) for column in zip(*side, strict=True)))
        for side in zip(*found, strict=True)
    )
    return TopInfluences(helpers, opponents)


def _matrix(strip: Sequence[Tensor], dim: int) -> Tensor:
    blocks = list(strip)
    if any(not isinstance(block, Tensor) or block.ndim != 2 for block in blocks):
        raise InputError(
            "top_k ranks training examples; influences of their features have no such "
            "order. Use mode=InfluenceMode.Up"
        )
    return torch.cat(blocks, dim)


def _side_by_side(left: TopInfluences, right: TopInfluences) -> TopInfluences:
    helpers, opponents = (
        Ranked(*(torch.cat(both, 1) for both in zip(*sides, strict=True)))
        for sides in zip(left, right, strict=True)
    )
    return TopInfluences(helpers, opponents)


def _ends(candidates: TopInfluences, k: int) -> TopInfluences:
    return TopInfluences(
        _first(candidates.helpers, k, descending=True),
        _first(candidates.opponents, k, descending=False),
    )


def _first(candidates: Ranked, k: int, *, descending: bool) -> Ranked:
    # Of equal values, the one further left has the lower index, among those kept too:
    # a stable sort keeps it first, which topk does not promise.
    values, order = candidates.values.sort(dim=1, descending=descending, stable=True)
    return Ranked(values[:, :k], candidates.indices.gather(1, order[:, :k]))
