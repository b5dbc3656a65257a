"""Datasets of torch as Dask arrays, read chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from torchattr.errors import InputError
from torchattr.games.counts import as_count
from torchattr.influence.calculators.dask_modules import dask_array, dask_module

if TYPE_CHECKING:
    import dask.array as da

__all__ = ["torch_dataset_to_dask_array"]


def torch_dataset_to_dask_array(
    dataset: Dataset[Any],
    chunk_size: int,
    total_size: int | None = None,
    resulting_dtype: DTypeLike = np.float32,
) -> tuple[da.Array, ...]:
    """One array for each member of a dataset's examples: inputs, and targets.

    Args:
        dataset: Its examples are tuples of tensors, arrays or numbers of one shape
            each, or one of these.
        chunk_size: How many examples a chunk has; the last one may have fewer.
        total_size: How many examples there are; ``len(dataset)`` if ``None``, or what
            one pass over the dataset counts.
        resulting_dtype: Of the arrays; those of integers, such as tokens and labels,
            keep theirs if this is a floating one.

    Returns:
        Arrays of shape ``(total_size, ...)``, cut along the first dimension.

    Raises:
        InputError: If the dataset is empty, or smaller than ``total_size``.
        MissingExtraError: If dask is not installed.

    Note:
        Nothing but the first example is read before a chunk is computed. A chunk of an
        ``IterableDataset`` is reached by passing over all examples before it.

    Example:
        >>> import torch
        >>> from torch.utils.data import TensorDataset
        >>> dataset = TensorDataset(torch.ones(5, 3), torch.arange(5))
        >>> x, y = torch_dataset_to_dask_array(dataset, chunk_size=2)
        >>> x.shape, x.dtype, y.chunks, y.compute()
        ((5, 3), dtype('float32'), ((2, 2, 1),), array([0, 1, 2, 3, 4]))
    """
    size = as_count("chunk_size", chunk_size)
    n_examples = _number(dataset, total_size)
    firsts = _read(dataset, 0, 1, resulting_dtype)
    delayed = dask_module().delayed
    array = dask_array()
    held = delayed(dataset, pure=False, traverse=False)
    columns: list[list[Any]] = [[] for _ in firsts]
    for start in range(0, n_examples, size):
        stop = min(start + size, n_examples)
        chunk = delayed(_read, pure=False)(held, start, stop, resulting_dtype)
        for i, first in enumerate(firsts):
            shape = (stop - start, *first.shape[1:])
            columns[i].append(array.from_delayed(chunk[i], shape, meta=first[:0]))
    return tuple(array.concatenate(column) for column in columns)


def _number(dataset: Dataset[Any], total_size: int | None) -> int:
    known = len(dataset) if isinstance(dataset, Sized) else None
    if total_size is None:
        items: Any = dataset  # (iterable also by __getitem__ alone)
        n_examples = len([None for _ in items]) if known is None else known
    else:
        n_examples = as_count("total_size", total_size)
    if n_examples == 0 or (known is not None and n_examples > known):
        raise InputError(
            f"the dataset has {known or 0} examples; "
            + ("pass one that has some" if not known else f"total_size is {n_examples}")
        )
    return n_examples


def _read(
    dataset: Dataset[Any], start: int, stop: int, dtype: DTypeLike
) -> list[NDArray[Any]]:
    """Examples of a range, stacked: an array for each of their members."""
    if isinstance(dataset, IterableDataset):
        items = list(islice(dataset, start, stop))
    else:
        items = [dataset[i] for i in range(start, stop)]
    if len(items) < stop - start:
        raise InputError(
            f"the dataset ends after {start + len(items)} examples; pass total_size="
        )
    rows = [item if isinstance(item, tuple | list) else (item,) for item in items]
    return [_stacked(column, dtype) for column in zip(*rows, strict=True)]


def _stacked(column: Sequence[Any], dtype: DTypeLike) -> NDArray[Any]:
    array = np.stack([
        x.numpy(force=True) if isinstance(x, Tensor) else np.asarray(x) for x in column
    ])
    wanted = np.dtype(dtype)
    if array.dtype.kind in "iub" and wanted.kind == "f":
        return array
    return array.astype(wanted, copy=False)
