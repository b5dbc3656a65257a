"""The columns of a result: checked once, never changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from torchattr.errors import InputError

__all__ = ["Column", "Columns", "as_array", "order"]

Column = ArrayLike | Tensor
"""What a user may pass for a column: a sequence, an array or a tensor."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Arrays of one length ``n``, not writeable; a row is a point.

    Attributes:
        indices: Of the points in the data, distinct, int64.
        values: float64; NaN only where the count is 0.
        variances: Sample variances of the marginal contributions, float64.
        counts: Numbers of contributions, int64.
        stderr: Standard errors of the values, float64.
        replicates: Numbers of independent blocks of contributions, int64.
        given_names: Of the points, or ``None`` where nobody gave any.

    Example:
        >>> columns = Columns.of(values=[1.0, 2.0], variances=[4.0, 0.0], counts=[4, 4])
        >>> columns.stderr
        array([1., 0.])
    """

    indices: NDArray[np.int64]
    values: NDArray[np.float64]
    variances: NDArray[np.float64]
    counts: NDArray[np.int64]
    stderr: NDArray[np.float64]
    replicates: NDArray[np.int64]
    given_names: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            column = getattr(self, field.name)
            if column is not None:
                column.flags.writeable = False

    @classmethod
    def of(
        cls,
        *,
        values: Column,
        variances: Column | None = None,
        counts: Column | None = None,
        stderr: Column | None = None,
        replicates: Column | None = None,
        indices: Column | None = None,
        names: Column | None = None,
    ) -> Columns:
        r"""The columns that a user gave, checked, and the others by default.

        Args:
            values: ``(n,)``.
            variances: ``(n,)``, by default not known (NaN).
            counts: ``(n,)``, by default 1, or 0 where the value is NaN.
            stderr: ``(n,)``, by default :math:`\sqrt{s^2 / \text{count}}`, NaN for a
                count of 0.
            replicates: ``(n,)``, by default the counts.
            indices: ``(n,)``, by default ``0..n-1``.
            names: ``(n,)`` strings or integers, by default the indices as strings.

        Returns:
            The columns.

        Raises:
            InputError: If lengths differ, an index occurs twice, a number is where it
                cannot be, or a value is NaN although its count is not 0.
        """
        worth = _numbers("values", values)
        size = len(worth)
        unknown = np.isnan(worth)
        seen = (
            np.where(unknown, 0, 1).astype(np.int64)
            if counts is None
            else _whole("counts", counts, size)
        )
        if (unknown & (seen > 0)).any():
            raise InputError(
                "values must be numbers, or NaN where the count is 0; got NaN with a "
                f"count above 0 at position {int((unknown & (seen > 0)).argmax())}"
            )
        blocks = seen if replicates is None else _whole("replicates", replicates, size)
        if (blocks == 0)[seen > 0].any():
            raise InputError(
                "replicates must be at least 1 where the count is, got 0 at position "
                f"{int(((blocks == 0) & (seen > 0)).argmax())}"
            )
        spread = _non_negative("variances", variances, size)
        return cls(
            indices=_distinct(indices, size),
            values=worth,
            variances=spread,
            counts=seen,
            stderr=(
                standard_errors(spread, seen)
                if stderr is None
                else _non_negative("stderr", stderr, size)
            ),
            replicates=blocks,
            given_names=_names(names, size),
        )

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def names(self) -> NDArray[Any]:
        """Names of the points, by default their indices as strings."""
        if self.given_names is not None:
            return self.given_names
        names = self.indices.astype(str)
        names.flags.writeable = False
        return names

    @cached_property
    def _by_index(self) -> NDArray[np.int64]:
        return np.argsort(self.indices, kind="stable")

    def rows_of(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows in which some indices are.

        Args:
            indices: ``(m,)``.

        Returns:
            ``(m,)`` positions, -1 where an index is in none.
        """
        if not len(self):
            return np.full(len(indices), -1)
        places = np.searchsorted(self.indices, indices, sorter=self._by_index)
        rows = self._by_index[np.minimum(places, len(self) - 1)]
        return np.where(self.indices[rows] == indices, rows, -1)

    def take(self, rows: NDArray[np.int64]) -> Columns:
        """Some rows, in the order given.

        Args:
            rows: ``(m,)`` positions.

        Returns:
            New columns of length ``m``.
        """
        columns: Iterator[Any] = (
            None if column is None else column[rows] for column in self._all()
        )
        return Columns(*columns)

    def by_index(self) -> Columns:
        """All rows, in the order of their indices."""
        return self.take(self._by_index)

    def is_same(self, other: Columns) -> bool:
        """Whether the other columns say the same in the same order.

        Args:
            other: Columns of any length.

        Returns:
            Whether they do; NaN is the same as NaN, and names are compared as strings.
        """
        return np.array_equal(self.names.astype(str), other.names.astype(str)) and all(
            np.array_equal(getattr(self, name), getattr(other, name), equal_nan=True)
            for name in ("indices", "values", "variances", "counts", "stderr")
        )

    def scaled(self, factors: NDArray[np.float64]) -> Columns:
        """Values times factors, with their variances and standard errors.

        Args:
            factors: ``(n,)``.

        Returns:
            New columns.
        """
        return replace(
            self,
            values=self.values * factors,
            variances=self.variances * factors**2,
            stderr=self.stderr * np.abs(factors),
        )

    def _all(self) -> Iterator[Any]:
        return (getattr(self, field.name) for field in fields(self))


def order(column: NDArray[Any], *, reverse: bool) -> NDArray[np.int64]:
    """Rows from the smallest to the largest; those that are equal stay in order.

    Args:
        column: ``(n,)``.
        reverse: From the largest to the smallest.

    Returns:
        ``(n,)`` positions, those of NaN last either way.
    """
    rows = np.argsort(column, kind="stable")
    if reverse:
        rows = (len(column) - 1 - np.argsort(column[::-1], kind="stable"))[::-1]
    if column.dtype.kind == "f":
        unknown = np.isnan(column[rows])
        rows = np.concatenate([rows[~unknown], np.sort(rows[unknown])])
    return rows


def standard_errors(
    variances: NDArray[np.float64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Standard errors of means of independent contributions; NaN for a count of 0."""
    return np.sqrt(variances / np.where(counts == 0, np.nan, counts))


def as_array(column: Column) -> NDArray[Any]:
    """A copy of a column as an array, off any device and graph.

    Args:
        column: A sequence, array or tensor.

    Returns:
        A new array.
    """
    if isinstance(column, Tensor):
        here = column.detach().cpu()
        known = here.float() if here.dtype is torch.bfloat16 else here
        return np.array(known.numpy())
    return np.array(column)


def _column(name: str, column: Column, size: int | None) -> NDArray[Any]:
    array = as_array(column)
    if array.ndim != 1:
        raise InputError(f"{name} must have one dimension, got the shape {array.shape}")
    if size is not None and len(array) != size:
        raise InputError(
            f"{name} must have the length of values, {size}, got {len(array)}"
        )
    return array


def _numbers(name: str, column: Column, size: int | None = None) -> NDArray[np.float64]:
    array = _column(name, column, size)
    if array.size and array.dtype.kind not in "fiub":
        raise InputError(f"{name} must be real numbers, got the type {array.dtype}")
    wide = array.astype(np.float64, copy=False)
    if np.isinf(wide).any():
        raise InputError(
            f"{name} must be finite, got {wide[np.isinf(wide)][0]} at position "
            f"{int(np.isinf(wide).argmax())}"
        )
    return wide


def _non_negative(name: str, column: Column | None, size: int) -> NDArray[np.float64]:
    if column is None:
        return np.full(size, np.nan)
    array = _numbers(name, column, size)
    if (array < 0).any():
        raise InputError(f"{name} must not be negative, got {array.min()}")
    return array


def _integers(name: str, column: Column, size: int) -> NDArray[np.int64]:
    array = _column(name, column, size)
    if array.size and array.dtype.kind not in "iu":
        whole = array.dtype.kind == "f" and bool((array == np.floor(array)).all())
        if not whole:
            raise InputError(f"{name} must be integers, got the type {array.dtype}")
    return array.astype(np.int64, copy=False)


def _whole(name: str, column: Column, size: int) -> NDArray[np.int64]:
    array = _integers(name, column, size)
    if (array < 0).any():
        raise InputError(f"{name} must not be negative, got {array.min()}")
    return array


def _distinct(indices: Column | None, size: int) -> NDArray[np.int64]:
    if indices is None:
        return np.arange(size)
    array = _integers("indices", indices, size)
    found, times = np.unique(array, return_counts=True)
    if len(found) < size:
        raise InputError(
            f"indices must be distinct, but {found[times > 1][0]} occurs "
            f"{times.max()} times"
        )
    return array


def _names(names: Column | Sequence[str] | None, size: int) -> NDArray[Any] | None:
    if names is None:
        return None
    array = _column("data_names", names, size)
    # Objects would need a pickle to be stored; their strings do not.
    return array if array.dtype.kind in "iuUS" else array.astype(str)
