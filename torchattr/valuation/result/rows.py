"""The rows of a result: one for each point, in an order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError
from torchattr.valuation.result.columns import Column, Columns, as_array
from torchattr.valuation.result.value_item import ValueItem

__all__ = ["NoSuchPointError", "Rows"]


class NoSuchPointError(InputError, IndexError):
    """An index error too, as Python expects of sequences."""


class Rows:
    """Columns read by name, points read by index, and nothing to change.

    A subclass fills ``_columns``.
    """

    _columns: Columns

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(
            f"a result never changes; make a new one to have another {name!r}"
        )

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    @property
    def values(self) -> NDArray[np.float64]:
        """``(n,)``, NaN where nothing is known."""
        return self._columns.values

    @property
    def variances(self) -> NDArray[np.float64]:
        """``(n,)`` sample variances of the marginal contributions."""
        return self._columns.variances

    @property
    def counts(self) -> NDArray[np.int64]:
        """``(n,)`` numbers of contributions."""
        return self._columns.counts

    @property
    def stderr(self) -> NDArray[np.float64]:
        """``(n,)`` standard errors of the values, in their unit; NaN if unknown."""
        return self._columns.stderr

    @property
    def replicates(self) -> NDArray[np.int64]:
        """``(n,)`` numbers of independent blocks of contributions."""
        return self._columns.replicates

    @property
    def indices(self) -> NDArray[np.int64]:
        """``(n,)`` indices of the points in the data."""
        return self._columns.indices

    @property
    def names(self) -> NDArray[Any]:
        """``(n,)`` names of the points."""
        return self._columns.names

    def __len__(self) -> int:
        return len(self._columns)

    def __iter__(self) -> Iterator[ValueItem]:
        return map(self._item, range(len(self)))

    def _item(self, row: int) -> ValueItem:
        return ValueItem(
            idx=int(self.indices[row]),
            name=self.names[row].item(),
            value=float(self.values[row]),
            variance=float(self.variances[row]),
            count=int(self.counts[row]),
            stderr=float(self.stderr[row]),
        )

    def __array__(
        self,
        dtype: np.dtype[Any] | None = None,
        copy: bool | None = None,  # ruff: ignore[boolean-type-hint-positional-argument] (numpy's protocol)
    ) -> NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=copy is not False)

    def positions(self, data_indices: Column) -> NDArray[np.int64]:
        """Rows in which some indices are.

        Args:
            data_indices: Indices of points in the data.

        Returns:
            ``(m,)`` positions.

        Raises:
            NoSuchPointError: If an index is not in the result.
        """
        wanted = np.atleast_1d(as_array(data_indices))
        rows = self._columns.rows_of(wanted) if wanted.dtype.kind in "iu" else [-1]
        rows = np.asarray(rows, dtype=np.int64) if wanted.size else wanted.astype(int)
        if (rows < 0).any():
            raise NoSuchPointError(
                f"no index {wanted[rows < 0][0]!s} in this result of {len(self)} "
                "points; result.indices lists those there are"
            )
        return rows

    def get(self, data_index: int) -> ValueItem:
        """What is known about one point, whatever the order.

        Args:
            data_index: Its index in the data.

        Returns:
            Its value, name, variance, count and standard error.

        Raises:
            InputError: If the index is not in the result; it is an IndexError too.
        """
        return self._item(int(self.positions([data_index])[0]))

    def _chosen(self, key: object) -> NDArray[np.int64]:
        """Rows by position: one, several, a slice, or a mask."""
        # An empty list would be an array of floats, which are no positions.
        empty = isinstance(key, Sequence) and not key
        chosen: Any = np.array([], dtype=int) if empty else key
        try:
            return np.atleast_1d(np.arange(len(self))[chosen])
        except IndexError as error:
            raise NoSuchPointError(
                f"cannot take {key!r} of a result of {len(self)} points: {error}"
            ) from error
