"""A table of blocks that are computed when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError
from torchattr.influence.calculators.nested_sequence_aggregator import (
    NestedListAggregator,
    NestedSequenceAggregator,
)
from torchattr.influence.calculators.progress_bar import counted
from torchattr.influence.calculators.sequence_aggregator import SequenceAggregator
from torchattr.influence.calculators.top_k import TopInfluences, top_influences
from torchattr.influence.calculators.torch_numpy_converter import (
    NumpyConverter,
    check_converter,
)
from torchattr.influence.calculators.zarr_store import (
    StoreLike,
    check_place,
    store_strips,
)

__all__ = ["Columns", "NestedLazyChunkSequence"]


@dataclass(frozen=True)
class Columns:
    """The columns of a table, where they and not its rows come one after another.

    Attributes:
        columns: For each training batch, blocks of all test batches.

    Example:
        >>> lazy = NestedLazyChunkSequence(lambda: Columns(iter(["ac", "bd"])))
        >>> lazy.compute()
        [['a', 'b'], ['c', 'd']]
    """

    columns: Iterable[Iterable[Any]]


class NestedLazyChunkSequence:
    """Blocks of influences: rows are test batches, columns are training batches.

    Nothing is computed before :meth:`compute`, :meth:`to_zarr`, :meth:`top_k` or
    iteration, and everything anew by each of them. Iteration gives the rows; where the
    table comes by columns, it holds all blocks to do so.

    Args:
        generator_factory: Gives an iterable of rows each time it is called, each an
            iterable of blocks; or ``Columns``.
        len_outer_generator: How many rows or columns it will give, if that is known.

    Attributes:
        len_outer_generator: The same.

    Example:
        >>> import torch
        >>> rows = [[torch.zeros(1, 2), torch.ones(1, 2)], [torch.ones(1, 2)] * 2]
        >>> lazy = NestedLazyChunkSequence(lambda: iter(rows))
        >>> [[int(block[0, 0]) for block in row] for row in lazy]
        [[0, 1], [1, 1]]
    """

    def __init__(
        self,
        generator_factory: Callable[[], Iterable[Iterable[Any]] | Columns],
        len_outer_generator: int | None = None,
    ) -> None:
        self._factory = generator_factory
        self.len_outer_generator = len_outer_generator

    def generator_factory(self) -> Iterator[Iterable[Any]]:
        """The rows."""
        return iter(self)

    def __iter__(self) -> Iterator[Iterable[Any]]:
        strips, axis = self._strips(show=False)
        return _transposed(strips) if axis else iter(strips)

    def compute(
        self,
        aggregator: NestedSequenceAggregator | None = None,
        *,
        show_progress: bool = False,
    ) -> Any:
        """Compute all blocks.

        Args:
            aggregator: What becomes of them; a list of rows, which are lists of
                blocks, if ``None``.
            show_progress: Whether a bar counts rows, or columns.

        Returns:
            What the aggregator makes of them.

        Raises:
            InputError: If the aggregator is one of sequences.
        """
        if not (aggregator is None or callable(aggregator)) or isinstance(
            aggregator, type | SequenceAggregator
        ):
            raise InputError(
                "this is a table of blocks: aggregator must be an object such as "
                f"NestedTorchCatAggregator(); got {aggregator!r}"
            )

        def factory() -> Iterable[Iterable[Any]] | Columns:
            strips, axis = self._strips(show=show_progress)
            return Columns(strips) if axis else strips

        return (aggregator or NestedListAggregator())(
            NestedLazyChunkSequence(factory, self.len_outer_generator)
        )

    def to_zarr(
        self,
        path: StoreLike,
        converter: NumpyConverter,
        return_stored: bool = False,  # ruff: ignore[boolean-type-hint-positional-argument, boolean-default-value-positional-argument] (pyDVL's)
        overwrite: bool = False,  # ruff: ignore[boolean-type-hint-positional-argument, boolean-default-value-positional-argument] (pyDVL's)
        *,
        show_progress: bool = False,
    ) -> Any:
        """Compute row after row, or column after column, into a zarr array.

        Args:
            path: A folder, or whatever else zarr takes as a store.
            converter: Makes arrays of blocks.
            return_stored: Whether the array is returned.
            overwrite: Whether a store that is there is replaced.
            show_progress: Whether a bar counts rows, or columns.

        Returns:
            The ``zarr.Array`` of shape ``(n_test, n_train, ...)``, which is read from
            the store, or ``None``.

        Raises:
            InputError: If there is a store already, or a block is not one tensor.
            MissingExtraError: If zarr is not installed.

        Note:
            One row or column of blocks, or a few that make up megabytes, is in memory
            at once. Otherwise as :meth:`LazyChunkSequence.to_zarr`.
        """
        check_converter(converter)
        check_place(path, overwrite=overwrite)
        strips, axis = self._strips(show=show_progress)
        arrays = (_array(strip, 1 - axis, converter) for strip in strips)
        stored = store_strips(path, arrays, axis, overwrite=overwrite)
        return stored if return_stored else None

    def top_k(self, k: int, *, show_progress: bool = False) -> TopInfluences:
        """The training examples that help each test example most, and least.

        Indices count training examples in the order in which their loader gives them;
        one that shuffles makes them meaningless.

        Args:
            k: How many of each.
            show_progress: Whether a bar counts rows, or columns.

        Returns:
            ``helpers`` with the largest influences first and ``opponents`` with the
            smallest first, each with ``values`` and ``indices`` of shape
            ``(n_test, k)``. Of equal influences, lower indices come first.

        Raises:
            InputError: If ``k`` exceeds the number of training examples, or these are
                influences of features.

        Note:
            One row or column of blocks is in memory at once, and ``4 k n_test``
            numbers.
        """
        strips, axis = self._strips(show=show_progress)
        return top_influences(map(list, strips), axis, k)

    def _strips(self, *, show: bool) -> tuple[Iterator[Iterable[Any]], int]:
        """Rows or columns as they come, and the axis along which they do."""
        table = self._factory()
        strips = table.columns if isinstance(table, Columns) else table
        shown = counted(strips, "Influences", self.len_outer_generator, show=show)
        return shown, int(isinstance(table, Columns))


def _transposed(columns: Iterable[Iterable[Any]]) -> Iterator[Iterable[Any]]:
    yield from zip(*map(list, columns), strict=True)


def _array(strip: Iterable[Any], axis: int, converter: NumpyConverter) -> NDArray[Any]:
    blocks = list(strip)
    if any(isinstance(block, tuple | list | dict) for block in blocks):
        raise InputError(
            "influences of the features of several inputs are several arrays, which "
            "to_zarr does not write; use compute()"
        )
    return np.concatenate([converter.to_numpy(block) for block in blocks], axis)
