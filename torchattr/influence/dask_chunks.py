"""What Dask arrays must be like, and what they are cut into."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from torchattr.errors import InputError

if TYPE_CHECKING:
    import dask.array as da

__all__ = [
    "InvalidDimensionChunksError",
    "ThreadSafetyViolationError",
    "UnalignedChunksError",
    "aligned_chunks",
    "blocks_of",
    "chunk_sizes",
]


class InvalidDimensionChunksError(InputError):
    """An array is cut along more than its first dimension.

    Example:
        >>> issubclass(InvalidDimensionChunksError, ValueError)
        True
    """


class UnalignedChunksError(InputError):
    """Inputs and targets are cut in different places.

    Example:
        >>> issubclass(UnalignedChunksError, ValueError)
        True
    """


class ThreadSafetyViolationError(InputError):
    """Workers have several threads, which would share one model.

    Example:
        >>> issubclass(ThreadSafetyViolationError, ValueError)
        True
    """


def chunk_sizes(array: da.Array, name: str) -> tuple[int, ...]:
    """Lengths of the chunks of an array that is cut along its first dimension only.

    Args:
        array: A Dask array.
        name: How an error calls it.

    Returns:
        The lengths.

    Raises:
        InvalidDimensionChunksError: If it is cut along another dimension.
        InputError: If it is no Dask array, or its lengths are unknown.

    Example:
        >>> import dask.array as da
        >>> chunk_sizes(da.ones((3, 2), chunks=(2, 2)), "x")
        (2, 1)
    """
    chunks = _chunks(array, name)
    if any(len(along) > 1 for along in chunks[1:]):
        raise InvalidDimensionChunksError(
            f"{name} must be cut into chunks along its first dimension only; got "
            f"chunks {chunks}. Call {name}.rechunk({{1: -1, ...}})"
        )
    if any(math.isnan(size) for size in chunks[0]):
        raise InputError(
            f"the lengths of the chunks of {name} are unknown; call "
            f"{name}.compute_chunk_sizes() first"
        )
    return chunks[0]


def aligned_chunks(x: Any, y: da.Array, side: str) -> tuple[list[Any], tuple[int, ...]]:
    """Inputs and targets, chunk by chunk.

    Args:
        x: An array, or a tuple, list or dict of arrays.
        y: An array that is cut in the same places.
        side: What follows the names in errors, such as ``"_test"``.

    Returns:
        ``(x, y)`` of each chunk, delayed, and the lengths of the chunks.

    Raises:
        UnalignedChunksError: If they are cut in different places.

    Example:
        >>> import dask.array as da
        >>> array = da.ones(3, chunks=2)
        >>> aligned_chunks(array, array, "")[1]
        (2, 1)
    """
    sizes = chunk_sizes(y, f"y{side}")
    for name, array in _named(x, f"x{side}"):
        if chunk_sizes(array, name) != sizes:
            raise UnalignedChunksError(
                f"{name} and y{side} must be cut in the same places; got chunks "
                f"{chunk_sizes(array, name)} and {sizes}. Rechunk one like the other"
            )
    blocks = blocks_of(x)
    return list(zip(blocks, blocks_of(y), strict=True)), sizes


def blocks_of(x: Any) -> list[Any]:
    """The chunks of arrays that are cut along their first dimension.

    Args:
        x: An array, or a tuple, list or dict of arrays.

    Returns:
        For each chunk a delayed array, or a tuple or dict of them.

    Example:
        >>> import dask.array as da
        >>> [block.compute() for block in blocks_of(da.ones(3, chunks=2))]
        [array([1., 1.]), array([1.])]
    """
    if isinstance(x, Mapping):
        columns = [blocks_of(array) for array in x.values()]
        return [dict(zip(x, row, strict=True)) for row in zip(*columns, strict=True)]
    if isinstance(x, tuple | list):
        return list(zip(*(blocks_of(array) for array in x), strict=True))
    delayed: list[Any] = x.to_delayed().ravel().tolist()
    return delayed


def _chunks(array: Any, name: str) -> tuple[tuple[int, ...], ...]:
    # Whoever has one has Dask imported; whoever has none need not.
    from torchattr.influence.dask_modules import dask_array

    if not isinstance(array, dask_array().Array) or array.ndim == 0:
        raise InputError(
            f"{name} must be a dask.array.Array with a dimension of examples; got "
            f"{type(array).__name__}. Try dask.array.from_array, or "
            "torch_dataset_to_dask_array"
        )
    chunks: tuple[tuple[int, ...], ...] = array.chunks
    return chunks


def _named(x: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(x, Mapping):
        yield from ((f"{name}[{key!r}]", array) for key, array in x.items())
    elif isinstance(x, tuple | list):
        yield from ((f"{name}[{i}]", array) for i, array in enumerate(x))
    else:
        yield name, x
