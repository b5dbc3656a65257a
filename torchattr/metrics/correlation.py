"""Correlations of many pairs of rows at once."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from torchattr.errors import InputError

__all__ = ["Correlation", "average_ranks", "check_correlation", "correlations"]

Correlation: TypeAlias = Literal["pearson", "spearman"]


def average_ranks(values: Tensor) -> Tensor:
    """Ranks from 1 along the last dimension; equal values share their mean rank.

    Args:
        values: ``(*rows, n)``.

    Returns:
        ``(*rows, n)``, float64.

    Example:
        >>> average_ranks(torch.tensor([3.0, 1.0, 3.0, 2.0]))
        tensor([3.5000, 1.0000, 3.5000, 2.0000], dtype=torch.float64)
    """
    values = values.contiguous()
    ordered = values.sort(dim=-1).values.contiguous()
    below = torch.searchsorted(ordered, values)
    not_above = torch.searchsorted(ordered, values, right=True)
    return (below + not_above + 1).double() / 2


def correlations(first: Tensor, second: Tensor, kind: Correlation) -> Tensor:
    """Correlation of each row of one with the same row of the other.

    Args:
        first: ``(*rows, n)``, float64; finite.
        second: What broadcasts with it.
        kind: ``"pearson"``, or ``"spearman"`` for that of the ranks.

    Returns:
        ``(*rows)``, float64, from -1 to 1; NaN where all values of a row are equal.

    Example:
        >>> rows = torch.tensor([[1.0, 2.0, 4.0], [5.0, 5.0, 5.0]]).double()
        >>> correlations(rows, rows[0], "pearson")
        tensor([1., nan], dtype=torch.float64)
    """
    if kind == "spearman":
        first, second = average_ranks(first), average_ranks(second)
    first, second = _centred(first), _centred(second)
    spread = (first.square().sum(-1) * second.square().sum(-1)).sqrt()
    return ((first * second).sum(-1) / spread).clamp(-1, 1)


def check_correlation(kind: object) -> None:
    """Refuse what is no kind of correlation.

    Args:
        kind: One, or something else.

    Raises:
        InputError: If it is something else.
    """
    if kind not in {"pearson", "spearman"}:
        raise InputError(f'correlation must be "pearson" or "spearman"; got {kind!r}.')


def _centred(rows: Tensor) -> Tensor:
    """Rows of range 1 and mean 0; NaN where all numbers of a row are equal."""
    lowest, highest = rows.aminmax(dim=-1, keepdim=True)
    # Divided before anything is squared, or rows of the smallest and largest numbers
    # would have no correlation; 0 / 0 is NaN in a row without order, which a mean that
    # is rounded would give one.
    unit = (rows - lowest) / (highest - lowest)
    return unit - unit.mean(-1, keepdim=True)
