"""Chunks that are computed when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torchattr.errors import InputError
from torchattr.influence.calculators.nested_sequence_aggregator import (
    NestedSequenceAggregator,
)
from torchattr.influence.calculators.progress_bar import counted
from torchattr.influence.calculators.sequence_aggregator import (
    ListAggregator,
    SequenceAggregator,
)
from torchattr.influence.calculators.torch_numpy_converter import (
    NumpyConverter,
    check_converter,
)
from torchattr.influence.calculators.zarr_store import (
    StoreLike,
    check_place,
    store_strips,
)

__all__ = ["LazyChunkSequence"]


class LazyChunkSequence:
    """Chunks one after another, such as the factors of batch after batch.

    Nothing is computed before :meth:`compute`, :meth:`to_zarr` or iteration, and
    everything anew by each of them.

    Args:
        generator_factory: Gives an iterable of the chunks each time it is called.
        len_generator: How many there will be, if that is known.

    Attributes:
        generator_factory: The same.
        len_generator: The same.

    Example:
        >>> import torch
        >>> from torchattr.influence import TorchCatAggregator
        >>> lazy = LazyChunkSequence(lambda: (torch.full((2,), i) for i in range(2)))
        >>> [chunk.shape for chunk in lazy], lazy.compute(TorchCatAggregator())
        ([torch.Size([2]), torch.Size([2])], tensor([0, 0, 1, 1]))
    """

    def __init__(
        self,
        generator_factory: Callable[[], Iterable[Any]],
        len_generator: int | None = None,
    ) -> None:
        self.generator_factory = generator_factory
        self.len_generator = len_generator

    def __iter__(self) -> Iterator[Any]:
        return iter(self.generator_factory())

    def compute(
        self,
        aggregator: SequenceAggregator | None = None,
        *,
        show_progress: bool = False,
    ) -> Any:
        """Compute all chunks.

        Args:
            aggregator: What becomes of them; a list if ``None``.
            show_progress: Whether a bar counts them.

        Returns:
            What the aggregator makes of them.

        Raises:
            InputError: If the aggregator is one of tables.
        """
        if not (aggregator is None or callable(aggregator)) or isinstance(
            aggregator, type | NestedSequenceAggregator
        ):
            raise InputError(
                "this is a sequence of chunks: aggregator must be an object such as "
                f"TorchCatAggregator(); got {aggregator!r}"
            )
        return (aggregator or ListAggregator())(
            LazyChunkSequence(
                lambda: counted(self, "Chunks", self.len_generator, show=show_progress),
                self.len_generator,
            )
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
        """Compute chunk after chunk, and write each to a zarr array as it comes.

        Args:
            path: A folder, or whatever else zarr takes as a store.
            converter: Makes arrays of chunks.
            return_stored: Whether the array is returned.
            overwrite: Whether a store that is there is replaced.
            show_progress: Whether a bar counts the chunks.

        Returns:
            The ``zarr.Array``, which is read from the store, or ``None``.

        Raises:
            InputError: If there is a store already, or a chunk is not one tensor.
            MissingExtraError: If zarr is not installed.

        Note:
            A few chunks, or megabytes, are in memory at once. A folder appears when it
            is complete: a run that is killed leaves one beside it that ends in
            ``.part``. Into a store that is an object, chunks go one by one.
        """
        check_converter(converter)
        check_place(path, overwrite=overwrite)
        arrays = (
            converter.to_numpy(chunk)
            for chunk in counted(self, "Chunks", self.len_generator, show=show_progress)
        )
        stored = store_strips(path, arrays, 0, overwrite=overwrite)
        return stored if return_stored else None
