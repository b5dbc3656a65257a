"""The answer of a valuation: values, and how sure they are."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from torchattr.errors import InputError
from torchattr.valuation.result.columns import Column, Columns, order
from torchattr.valuation.result.extras import frozen, is_same, merged_extras
from torchattr.valuation.result.merging import merged
from torchattr.valuation.result.result_file import read, write
from torchattr.valuation.result.rows import Rows
from torchattr.valuation.result.status import Status
from torchattr.valuation.result.table import table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ValuationResult"]

SORT_KEYS = {
    "value": "values",
    "variance": "variances",
    "index": "indices",
    "name": "names",
}


class ValuationResult(Rows):
    r"""Values of points with their variances, counts, standard errors and names.

    A result never changes: sorting, slicing, scaling and merging give new ones, and its
    arrays are read-only. Rows have an order, which iteration, ``[]`` and the arrays
    follow; two results are equal if they say the same about the same indices, whatever
    the order.

    Args:
        values: ``(n,)``; NaN where nothing is known (a count of 0).
        variances: Sample variances of the marginal contributions, not of the values; by
            default not known (NaN).
        counts: How many contributions each value is a mean of; by default 1.
        indices: Of the points in the data; by default ``0..n-1``.
        data_names: Of the points; by default their indices as strings.
        algorithm: Name of the method.
        status: How far it got.
        stderr: Standard errors of the values; by default
            :math:`\sqrt{\text{variance} / \text{count}}`, which is right for
            independent contributions.
        replicates: How many independent blocks of contributions there were (an
            antithetic pair is one), so that results merge exactly; by default the
            counts.
        **extras: What else the method says, read as attributes.

    Raises:
        InputError: If lengths differ, an index occurs twice, a number cannot be what it
            is given as, or an extra has the name of an attribute.

    Example:
        >>> result = ValuationResult(
        ...     values=[0.5, 2.0], variances=[1.0, 4.0], counts=[4, 4], subsidy=0.1
        ... )
        >>> result.stderr, result.subsidy
        (array([0.5, 1. ]), 0.1)
        >>> [item.idx for item in result.sort(reverse=True)]
        [1, 0]
        >>> (result + result).counts
        array([8, 8])
    """

    _algorithm: str
    _status: Status
    _extras: Mapping[str, Any]

    def __init__(
        self,
        *,
        values: Column,
        variances: Column | None = None,
        counts: Column | None = None,
        indices: Column | None = None,
        data_names: Column | Sequence[str] | None = None,
        algorithm: str = "",
        status: Status = Status.Pending,
        stderr: Column | None = None,
        replicates: Column | None = None,
        **extras: object,
    ) -> None:
        columns = Columns.of(
            values=values,
            variances=variances,
            counts=counts,
            stderr=stderr,
            replicates=replicates,
            indices=indices,
            names=data_names,
        )
        taken = sorted(extras.keys() & RESERVED)
        if taken:
            raise InputError(
                f"extras cannot be called {', '.join(taken)}: these are attributes of "
                "every result"
            )
        if not isinstance(status, Status):
            raise InputError(f"status must be a Status, got {status!r}")
        self.__dict__.update(
            _columns=columns,
            _algorithm=str(algorithm),
            _status=status,
            _extras={name: frozen(extra) for name, extra in extras.items()},
        )

    def __getattr__(self, name: str) -> Any:  # ruff: ignore[any-type] (extras are free)
        # Asked before there are extras only while an object is put together.
        extras = self.__dict__.get("_extras", {})
        if name not in extras:
            raise AttributeError(
                f"this result has no {name!r}; beside its columns it has "
                f"{', '.join(extras) or 'nothing'}"
            )
        return extras[name]

    def _with(self, columns: Columns, **changes: object) -> ValuationResult:
        """The same with other columns, all parts having been checked before."""
        result = object.__new__(ValuationResult)
        result.__dict__.update(self.__dict__, _columns=columns, **changes)
        return result

    def __reduce__(self) -> tuple[Any, ...]:
        columns = self._columns
        return partial(
            ValuationResult,
            values=columns.values,
            variances=columns.variances,
            counts=columns.counts,
            indices=columns.indices,
            data_names=columns.given_names,
            algorithm=self._algorithm,
            status=self._status,
            stderr=columns.stderr,
            replicates=columns.replicates,
            **self._extras,
        ), ()

    @property
    def algorithm(self) -> str:
        """Name of the method."""
        return self._algorithm

    @property
    def status(self) -> Status:
        """How far the method got."""
        return self._status

    @property
    def extras(self) -> Mapping[str, Any]:
        """What the method says beside the columns, by name."""
        return MappingProxyType(dict(self._extras))

    def __getitem__(self, key: SupportsIndex | slice | ArrayLike) -> ValuationResult:
        return self._with(self._columns.take(self._chosen(key)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ValuationResult):
            return NotImplemented
        mine, theirs = self._columns.by_index(), other._columns.by_index()
        return (
            self._algorithm == other._algorithm
            and self._status is other._status
            and mine.is_same(theirs)
            and is_same(self._extras, other._extras)
        )

    __hash__ = None  # type: ignore[assignment]  # an order of rows has no hash

    def __add__(self, other: ValuationResult) -> ValuationResult:
        if not isinstance(other, ValuationResult):
            return NotImplemented
        if self._algorithm and other._algorithm and self._algorithm != other._algorithm:
            raise InputError(
                "results of the same method can be added, got "
                f"{self._algorithm!r} and {other._algorithm!r}"
            )
        if not len(self) or not len(other):
            return (self if len(self) else other).copy()
        return self._with(
            merged(self._columns, other._columns),
            _algorithm=self._algorithm or other._algorithm,
            _status=self._status & other._status,
            _extras=merged_extras(self._extras, other._extras),
        )

    def __repr__(self) -> str:
        shown = [
            f"{item.name}: {item.value:.4g} ± {item.stderr:.2g}"
            for item in map(self._item, range(min(len(self), 3)))
        ]
        rest = ["..."] if len(self) > len(shown) else []
        method = f"{self._algorithm}, " if self._algorithm else ""
        return (
            f"ValuationResult({method}{self._status.name}, n={len(self)}: "
            f"{', '.join([*shown, *rest])})"
        )

    def sort(
        self,
        key: str = "value",
        reverse: bool = False,  # ruff: ignore[boolean-type-hint-positional-argument, boolean-default-value-positional-argument] (pyDVL's argument)
        *,
        inplace: bool = False,
    ) -> ValuationResult:
        """The same rows in another order; rows that compare equal keep theirs.

        Args:
            key: ``"value"``, ``"variance"``, ``"index"`` or ``"name"``.
            reverse: Whether the largest comes first. NaN comes last either way.
            inplace: Only False: a result never changes.

        Returns:
            A new result.

        Raises:
            InputError: If the key is another, or to sort in place is asked for.
        """
        if key not in SORT_KEYS:
            raise InputError(f"key must be one of {', '.join(SORT_KEYS)}, got {key!r}")
        if inplace:
            raise InputError(
                "a result never changes: write result = result.sort(...) in place of "
                "result.sort(..., inplace=True)"
            )
        column = getattr(self, SORT_KEYS[key])
        return self._with(self._columns.take(order(column, reverse=reverse)))

    def copy(self) -> ValuationResult:
        """An equal result in the same order."""
        return self._with(self._columns)

    def scale(
        self, factor: float, data_indices: Column | None = None
    ) -> ValuationResult:
        """Values in another unit.

        Args:
            factor: Multiplies values; variances by its square, standard errors by its
                absolute value.
            data_indices: Which points; ``None`` is all.

        Returns:
            A new result.
        """
        factors = np.ones(len(self))
        rows = slice(None) if data_indices is None else self.positions(data_indices)
        factors[rows] = factor
        return self._with(self._columns.scaled(factors))

    def to_dataframe(
        self, column: str | None = "shapley", *, use_names: bool = False
    ) -> pd.DataFrame:
        """A table with one row for each point, in the result's order.

        Args:
            column: Name of the column of values, from which the others' follow
                (``shapley_variances``, ``shapley_counts``, ``shapley_stderr``);
                ``None`` is the name of the method.
            use_names: Whether rows are called by name, not by index in the data.

        Returns:
            The table.

        Raises:
            MissingExtraError: If pandas is not installed.
        """
        name = self._algorithm or "values" if column is None else column
        return table(
            {
                name: self.values,
                f"{name}_variances": self.variances,
                f"{name}_counts": self.counts,
                f"{name}_stderr": self.stderr,
            },
            index=self.names if use_names else self.indices,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """What :func:`~torchattr.valuation.save_result` does."""
        write(
            path,
            self._columns,
            algorithm=self._algorithm,
            status=self._status,
            extras=self._extras,
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ValuationResult:
        """What :func:`~torchattr.valuation.load_result` does."""
        arrays, header = read(path)
        return cls(
            data_names=arrays.pop("names", None),
            algorithm=header["algorithm"],
            status=Status(header["status"]),
            **arrays,
            **header["extras"],
        )

    @classmethod
    def from_random(
        cls,
        size: int,
        total: float | None = None,
        seed: int | np.random.Generator | None = None,
        **options: Any,  # ruff: ignore[any-type] (the constructor checks them)
    ) -> ValuationResult:
        """Values drawn from [-1, 1], say for comparison.

        Args:
            size: How many.
            total: What they add up to, by shifting them all by the same amount.
            seed: Of the draw.
            **options: More arguments of the constructor.

        Returns:
            A converged result of the algorithm ``"random"``.

        Raises:
            InputError: If the size is not positive.
        """
        if size < 1:
            raise InputError(f"size must be at least 1, got {size}")
        values = np.random.default_rng(seed).uniform(-1, 1, size)
        if total is not None:
            values += (total - values.sum()) / size
        defaults: dict[str, Any] = {"algorithm": "random", "status": Status.Converged}
        return cls(values=values, **defaults | options)

    @classmethod
    def empty(
        cls,
        algorithm: str = "",
        **options: Any,  # ruff: ignore[any-type] (the constructor checks them)
    ) -> ValuationResult:
        """A result of no points, to add others to.

        Args:
            algorithm: Name of the method.
            **options: More arguments of the constructor.

        Returns:
            What adds nothing.
        """
        return cls(values=[], algorithm=algorithm, **options)

    @classmethod
    def zeros(
        cls,
        algorithm: str = "",
        indices: Column | None = None,
        data_names: Column | Sequence[str] | None = None,
        size: int = 0,
        **options: Any,  # ruff: ignore[any-type] (the constructor checks them)
    ) -> ValuationResult:
        """A result of points about which nothing is known, all with the value 0.

        Args:
            algorithm: Name of the method.
            indices: Of the points; by default ``0..size-1``.
            data_names: Of the points.
            size: How many, where there are no indices.
            **options: More arguments of the constructor.

        Returns:
            A result with counts of 0.
        """
        n = size if indices is None else len(np.atleast_1d(np.asarray(indices)))
        zeros = np.zeros(n)
        return cls(
            values=zeros,
            counts=zeros,
            indices=indices,
            data_names=data_names,
            algorithm=algorithm,
            **options,
        )


RESERVED = frozenset(dir(ValuationResult))
