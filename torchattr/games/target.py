"""Targets: which output of the model is explained."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TypeAlias, final

import torch
from torch import Tensor

from torchattr.errors import InputError

__all__ = ["Target", "TargetLike"]

#: ``None``, an int, a tuple of ints, a tensor of ints, or a list with one int or tuple
#: for each example.
TargetLike: TypeAlias = (
    "int | tuple[int, ...] | Tensor | list[int] | list[tuple[int, ...]] | None"
)


@final
class Target:
    """An index into the dimensions of an output that follow the batch dimension.

    Args:
        target: ``None`` keeps the whole output. An int, a tensor with one element, or a
            tuple indexes every example alike; a list, or a tensor with one dimension,
            holds one int (or tuple) for each example.

    Raises:
        InputError: If the target is of another type.

    Example:
        >>> Target([0, 2]).select(torch.tensor([[1, 2, 3], [4, 5, 6]]), n_variants=1)
        tensor([1, 6])
    """

    def __init__(self, target: TargetLike) -> None:
        self._columns: list[list[int]] | None = None
        self._by_example = False
        if target is None:
            return
        index, self._by_example = _rows(target)
        self._columns = [list(column) for column in zip(*index, strict=True)]
        self._n_rows = len(index)

    def select(self, output: Tensor, n_variants: int) -> Tensor:
        """The chosen entries of an output.

        Args:
            output: ``(n_variants * B, *shape)``, variants outermost.
            n_variants: How often the examples are repeated.

        Returns:
            ``(n_variants * B, *shape[k:])`` for a target with ``k`` indices.

        Raises:
            InputError: If the output has too few dimensions, an index is out of range,
                or there is not one target for each example.
        """
        if self._columns is None:
            return output
        if output.ndim <= len(self._columns):
            raise InputError(
                f"target has {len(self._columns)} indices for an output of "
                f"forward_func of shape {tuple(output.shape)}, batch first; "
                "pass target=None if the output is already what should be explained"
            )
        for size, column in zip(output.shape[1:], self._columns, strict=False):
            if not all(-size <= index < size for index in column):
                raise InputError(
                    f"target must lie in [{-size}, {size}) for an output of "
                    f"forward_func of shape {tuple(output.shape)}; got "
                    f"{min(column)} to {max(column)}"
                )
        if not self._by_example:
            for column in self._columns:
                output = output[:, column[0]]
            return output
        if self._n_rows * n_variants != len(output):
            raise InputError(
                f"target holds {self._n_rows} entries (Target list length does not "
                f"match output!): forward_func returned {len(output)} rows for "
                f"{n_variants} variants of the batch; give one entry for each example"
            )
        columns = torch.tensor(self._columns, device=output.device)
        rows = torch.arange(len(output), device=output.device)
        return output[(rows, *columns.repeat(1, n_variants).unbind())]


def _rows(target: object) -> tuple[list[tuple[int, ...]], bool]:
    """The target as rows of indices, and whether there is one row for each example."""
    if isinstance(target, Integral):
        return [(int(target),)], False
    if isinstance(target, Tensor):
        if target.is_floating_point() or target.is_complex():
            raise InputError(f"target must hold integers, got a {target.dtype} tensor")
        if target.numel() == 1:
            return [(int(target),)], False
        if target.ndim != 1:
            raise InputError(
                "target as a tensor must hold one integer, or one for each example in "
                f"one dimension; got shape {tuple(target.shape)}"
            )
        return [(index,) for index in target.tolist()], True
    if isinstance(target, tuple) and target and _all_integers(target):
        return [tuple(map(int, target))], False
    if isinstance(target, list) and target:
        if _all_integers(target):
            return [(int(index),) for index in target], True
        lengths = {len(row) for row in target if isinstance(row, tuple)}
        if len(lengths) == 1 and all(
            isinstance(row, tuple) and _all_integers(row) for row in target
        ):
            return [tuple(map(int, row)) for row in target], True
    raise InputError(
        f"Target type {type(target)} is not valid: target must be None, an int, a "
        "tuple of ints, an integer tensor, or a list of ints or of equally long tuples "
        f"of ints; got {target!r}"
    )


def _all_integers(values: Sequence[object]) -> bool:
    return all(isinstance(value, Integral) for value in values)
