"""Values of training points to draw, with their standard errors and names."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
from torch import Tensor

from torchattr.errors import InputError
from torchattr.visualization.arrays import Array, Floats, as_floats

__all__ = [
    "Mask",
    "Result",
    "ValuedPoints",
    "covered",
    "fewest_degrees_of_freedom",
    "valued_points",
]

Mask: TypeAlias = "Tensor | npt.NDArray[np.generic] | Sequence[bool]"


@runtime_checkable
class Result(Protocol):
    """What a result of a valuation offers to be drawn."""

    @property
    def values(self) -> Floats:
        """``(n,)``: one value for each index; NaN where there is none."""

    @property
    def stderr(self) -> Floats:
        """``(n,)``: their standard errors."""

    @property
    def indices(self) -> npt.NDArray[np.int64]:
        """``(n,)``: data indices, in the order of the values."""

    @property
    def names(self) -> npt.NDArray[np.generic]:
        """``(n,)``: names, in the order of the values."""


@runtime_checkable
class Replicated(Protocol):
    """A result that says how many independent replicates are behind each value."""

    @property
    def stderr(self) -> Floats:
        """``(n,)``: standard errors of the values."""

    @property
    def replicates(self) -> npt.NDArray[np.int64]:
        """``(n,)``: numbers of replicates."""


@dataclass(frozen=True)
class ValuedPoints:
    """Points that have a value, from the lowest to the highest.

    Attributes:
        values: ``(n,)``, ascending.
        errors: ``(n,)``, NaN where unknown, or ``None``.
        indices: ``(n,)``, of the points in the data.
        names: ``(n,)``, what they are called.
        marked: ``(n,)``: which of them to point out.
        n_without: Points that are left out because their value is NaN.
    """

    values: Floats
    errors: Floats | None
    indices: npt.NDArray[np.int64]
    names: list[str]
    marked: npt.NDArray[np.bool_]
    n_without: int


def valued_points(
    values: Array | Result,
    standard_errors: Array | None = None,
    *,
    names: Sequence[str] | None = None,
    marked: Mask | None = None,
) -> ValuedPoints:
    """Points sorted by value.

    Args:
        values: ``(n,)``, or a result; NaN is a point without a value.
        standard_errors: Like ``values``; by default those of the result, if it is one.
        names: Of the points, by data index; by default those of the result, or the
            data index itself.
        marked: Which points to point out, by data index.

    Returns:
        The points that have a value.

    Raises:
        InputError: If lengths do not agree, or a value is infinite.
    """
    if isinstance(values, Result):
        numbers = np.array(values.values, dtype=np.float64)
        indices = np.array(values.indices, dtype=np.int64)
        called = [str(name) for name in values.names]
        if standard_errors is None:
            standard_errors = np.array(values.stderr)
    else:
        numbers = as_floats("values", values, finite=False)
        indices = np.arange(numbers.shape[-1] if numbers.ndim else 0)
        called = [str(i) for i in indices]
    _check(numbers)
    if names is not None:
        called = [str(names[i]) for i in covered("names", names, indices)]
    order = np.argsort(numbers, kind="stable")
    order = order[: int((~np.isnan(numbers)).sum())]  # NaN sorts last
    return ValuedPoints(
        numbers[order],
        None if standard_errors is None else _matching(standard_errors, numbers)[order],
        indices[order],
        [called[i] for i in order],
        _mask(marked, indices)[order],
        n_without=len(numbers) - len(order),
    )


def _check(values: Floats) -> None:
    if values.ndim != 1:
        raise InputError(
            "values must be (n,), one for each point; got shape "
            f"{values.shape}. Choose a row of a matrix, or sum it over test examples."
        )
    if np.isinf(values).any():
        raise InputError(
            f"values must be finite, or NaN for a point without one; got "
            f"{int(np.isinf(values).sum())} infinite of {len(values)}."
        )
    if np.isnan(values).all():
        raise InputError(f"values must not all be NaN; got {len(values)} of them.")


def _matching(errors: Array, values: Floats) -> Floats:
    checked = as_floats("standard_errors", errors, finite=False)
    if checked.shape != values.shape:
        raise InputError(
            f"standard_errors must have one for each value, {values.shape}; got shape "
            f"{checked.shape}. Pass what came with the values."
        )
    return checked


def _mask(marked: Mask | None, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    if marked is None:
        return np.zeros(len(indices), dtype=np.bool_)
    array = marked.cpu().numpy() if isinstance(marked, Tensor) else np.asarray(marked)
    if array.dtype != np.bool_ or array.ndim != 1:
        raise InputError(
            "marked must be a mask of booleans, one for each point; got "
            f"{array.dtype} with shape {array.shape}. From positions make one: "
            "mask = torch.zeros(n, dtype=torch.bool); mask[positions] = True."
        )
    mask: npt.NDArray[np.bool_] = array[covered("marked", array, indices)]
    return mask


def covered(
    name: str, things: Sized, indices: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The indices, all of which ``things`` has an element for.

    Args:
        name: How an error calls the things.
        things: By data index.
        indices: Of the points that are drawn.

    Returns:
        ``indices``.

    Raises:
        InputError: If a thing is missing.
    """
    if len(things) <= indices.max():
        raise InputError(
            f"{name} must have one for each data index, up to {indices.max()}; got "
            f"{len(things)}."
        )
    return indices


def fewest_degrees_of_freedom(values: object) -> float | None:
    """One less than the fewest replicates behind an uncertain value.

    Args:
        values: What is drawn.

    Returns:
        The number; ``None`` where nothing is said about replicates.
    """
    if not isinstance(values, Replicated):
        return None
    fewest = np.min(
        values.replicates[values.stderr > 0], initial=np.iinfo(np.int64).max
    )
    return float(fewest - 1) if fewest > 1 else None
