"""What Dask arrays must be like, and what they are cut into."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torchattr.errors import InputError

if TYPE_CHECKING:
    import dask.array as da

__all__ = [
    "ChunkedExamples",
    "InvalidDimensionChunksError",
    "ThreadSafetyViolationError",
    "UnalignedChunksError",
    "aligned_chunks",
    "chunk_key",
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


@dataclass(frozen=True)
class ChunkedExamples:
    """Inputs and targets that are cut in the same places.

    Attributes:
        inputs: One array for each tensor of a model's inputs.
        targets: An array.
        structure: ``None`` for a model of one input, ``()`` for one of several, their
            names where they are passed by name.
        sizes: Lengths of the chunks.
    """

    inputs: tuple[da.Array, ...]
    targets: da.Array
    structure: tuple[str, ...] | None
    sizes: tuple[int, ...]

    @property
    def arrays(self) -> list[da.Array]:
        """All arrays."""
        return [*self.inputs, self.targets]

    def keys(self, i: int) -> list[Any]:
        """What graphs call the inputs of a chunk, and its targets.

        Args:
            i: Which chunk.

        Returns:
            Keys of the inputs, in a list, and of the targets.
        """
        return [
            [chunk_key(array, i) for array in self.inputs],
            chunk_key(self.targets, i),
        ]


def chunk_key(array: da.Array, i: int) -> tuple[Any, ...]:
    """What graphs call a chunk of an array that is cut along its first dimension.

    Args:
        array: The array.
        i: Which chunk.

    Returns:
        The key.

    Example:
        >>> import dask.array as da
        >>> chunk_key(da.ones((3, 2), chunks=(2, 2), name="ones"), 1)
        ('ones', 1, 0)
    """
    return (array.name, i, *[0] * (array.ndim - 1))


def aligned_chunks(x: Any, y: da.Array, side: str) -> ChunkedExamples:
    """Inputs and targets, chunk by chunk.

    Args:
        x: An array, or a tuple, list or dict of arrays.
        y: An array that is cut in the same places.
        side: What follows the names in errors, such as ``"_test"``.

    Returns:
        The examples.

    Raises:
        UnalignedChunksError: If they are cut in different places.

    Example:
        >>> import dask.array as da
        >>> array = da.ones(3, chunks=2)
        >>> aligned_chunks(array, array, "").sizes
        (2, 1)
    """
    sizes = chunk_sizes(y, f"y{side}")
    structure: tuple[str, ...] | None = None
    named = {f"x{side}": x}
    if isinstance(x, Mapping):
        structure = tuple(map(str, x))
        named = {f"x{side}[{key!r}]": array for key, array in x.items()}
    elif isinstance(x, tuple | list):
        structure = ()
        named = {f"x{side}[{i}]": array for i, array in enumerate(x)}
    for name, array in named.items():
        if chunk_sizes(array, name) != sizes:
            raise UnalignedChunksError(
                f"{name} and y{side} must be cut in the same places; got chunks "
                f"{chunk_sizes(array, name)} and {sizes}. Rechunk one like the other"
            )
    return ChunkedExamples(tuple(named.values()), y, structure, sizes)


def _chunks(array: Any, name: str) -> tuple[tuple[int, ...], ...]:
    # Whoever has one has Dask imported; whoever has none need not.
    from torchattr.influence.calculators.dask_modules import dask_array

    if not isinstance(array, dask_array().Array) or array.ndim == 0:
        raise InputError(
            f"{name} must be a dask.array.Array with a dimension of examples; got "
            f"{type(array).__name__}. Try dask.array.from_array, or "
            "torch_dataset_to_dask_array"
        )
    chunks: tuple[tuple[int, ...], ...] = array.chunks
    return chunks
