"""Values of points, from whatever holds them, in a known order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from torchattr.errors import InputError

__all__ = [
    "PointValues",
    "ValuesByIndex",
    "aligned",
    "as_numbers",
    "by_output",
    "by_position",
]


@runtime_checkable
class ValuesByIndex(Protocol):
    """What a result of a valuation offers: values, and whose they are.

    A sorted result holds both in its own order, so that position and data index
    differ.
    """

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """``(n,)``: one value for each index."""

    @property
    def indices(self) -> npt.NDArray[np.int64]:
        """``(n,)``: data indices, in the order of the values."""


PointValues: TypeAlias = (
    "Tensor | npt.NDArray[np.generic] | Sequence[float] | ValuesByIndex"
)


def as_numbers(name: str, numbers: PointValues) -> Tensor:
    """Float64 values, in the order in which they are held.

    Args:
        name: How an error calls them.
        numbers: A tensor, an array, a sequence of numbers, or a result.

    Returns:
        ``(*rows, n)``, float64, on their own device.

    Raises:
        InputError: If they are not real numbers, or some are NaN or infinite.
    """
    values = numbers if isinstance(numbers, Tensor) else _tensor(name, numbers)
    if values.is_complex() or values.ndim == 0 or values.numel() == 0:
        raise InputError(
            f"{name} must hold at least one real number along its last dimension; got "
            f"{values.dtype} with shape {tuple(values.shape)}."
        )
    values = values.detach().double()
    n_wrong = int((~values.isfinite()).sum())
    if n_wrong:
        raise InputError(
            f"{name} must be finite; got {n_wrong} NaN or infinite of "
            f"{values.numel()}. A point without a value has no rank: leave it out, "
            "here and in what it is compared with."
        )
    return values


def aligned(
    name: str, values: PointValues, other_name: str, other: PointValues
) -> tuple[Tensor, Tensor]:
    """Two sets of numbers in the same order of points.

    Two results are joined by their data indices. Beside a result, element ``i`` of a
    tensor is that of data index ``i``, however the result is sorted.

    Args:
        name: How an error calls ``values``.
        values: As in :func:`as_numbers`.
        other_name: How an error calls ``other``.
        other: As in :func:`as_numbers`.

    Returns:
        Both as float64, ``(*rows, n)`` with the same ``n``, on the device of the first.

    Raises:
        InputError: If they do not belong to the same points.
    """
    first, second = as_numbers(name, values), as_numbers(other_name, other)
    first_indices, second_indices = _indices(values), _indices(other)
    if first_indices is not None and second_indices is not None:
        a, b = first_indices.argsort(), second_indices.argsort()
        if not torch.equal(first_indices[a], second_indices[b]):
            raise InputError(
                f"{name} and {other_name} must be of the same data indices; got "
                f"{len(a)} and {len(b)} that differ. Index one by those of the other."
            )
        first, second = first[..., a], second[..., b]
    elif first_indices is not None:
        second = _at(first_indices, other_name, second)
    elif second_indices is not None:
        first = _at(second_indices, name, first)
    if first.shape[-1] != second.shape[-1]:
        raise InputError(
            f"{name} and {other_name} must have one number for each point; got "
            f"{first.shape[-1]} and {second.shape[-1]}."
        )
    return first, second.to(first.device)


def _tensor(name: str, numbers: PointValues) -> Tensor:
    if isinstance(numbers, ValuesByIndex):
        numbers = numbers.values
    # A copy, because an immutable result's array cannot lend its memory to a tensor.
    array = np.array(numbers)
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{name} must be a tensor, an array, a sequence of numbers or the result "
            f"of a valuation; got {type(numbers).__name__}."
        )
    return torch.from_numpy(array.astype(np.float64))


def _indices(values: PointValues) -> Tensor | None:
    if isinstance(values, Tensor) or not isinstance(values, ValuesByIndex):
        return None
    return torch.from_numpy(np.array(values.indices, dtype=np.int64))


def _at(indices: Tensor, name: str, numbers: Tensor) -> Tensor:
    beyond = int(indices.max())
    if beyond >= numbers.shape[-1]:
        raise InputError(
            f"{name} must have an element for every data index of the result, up to "
            f"{beyond}; got {numbers.shape[-1]}. For other indices pass result.values, "
            f"and {name} in the same order."
        )
    return numbers[..., indices.to(numbers.device)]


def by_position(name: str, values: PointValues, n: int) -> Tensor:
    """Values of the players of a game, in the order of the players.

    Args:
        name: How an error calls them.
        values: As in :func:`as_numbers`; the data indices of a result are positions.
        n: Number of players.

    Returns:
        ``(n,)``, float64.

    Raises:
        InputError: If there is not exactly one for each player.
    """
    numbers, indices = as_numbers(name, values), _indices(values)
    if numbers.shape != (n,):
        raise InputError(
            f"{name} must have one for each of the {n} players of the game; got shape "
            f"{tuple(numbers.shape)}."
        )
    if indices is None:
        return numbers
    order = indices.argsort()
    if not torch.equal(indices[order], torch.arange(n)):
        raise InputError(
            f"{name} must be a result whose data indices are 0 to {n - 1}; got others. "
            f"Pass its numbers in the order of the game's players."
        )
    return numbers[order]


def by_output(
    name: str, attribution: PointValues, n_players: int, shape: torch.Size
) -> Tensor:
    """An attribution with a row for each number of a game's value.

    Args:
        name: How an error calls it.
        attribution: ``(*shape, n_players)``, the last dimension maybe several.
        n_players: Number of players.
        shape: Of the game's values.

    Returns:
        ``(R, n_players)``, float64.

    Raises:
        InputError: If the shape is another.
    """
    numbers = as_numbers(name, attribution)
    if not shape and numbers.ndim == 1:
        return by_position(name, attribution, n_players)[None]
    lead, rest = numbers.shape[: len(shape)], numbers.shape[len(shape) :]
    if lead != shape or not rest or rest.numel() != n_players:
        expected = ", ".join(map(str, (*shape, n_players)))
        raise InputError(
            f"{name} must have a number for each of the {n_players} players, along the "
            f"last dimension, and for each number of the game's value: ({expected}); "
            f"got shape {tuple(numbers.shape)}. Of elements that a feature mask groups "
            "keep one for each group."
        )
    return numbers.reshape(-1, n_players)
