"""What becomes of the blocks of a lazy table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from torchattr.influence.calculators.joined_chunks import joined

if TYPE_CHECKING:
    from torchattr.influence.calculators.nested_lazy_chunk_sequence import (
        NestedLazyChunkSequence,
    )

__all__ = [
    "NestedListAggregator",
    "NestedSequenceAggregator",
    "NestedTorchCatAggregator",
]


class NestedSequenceAggregator(ABC):
    """Makes one object of the blocks of a :class:`NestedLazyChunkSequence`.

    Example:
        >>> from torchattr.influence import NestedLazyChunkSequence
        >>> class Widths(NestedSequenceAggregator):
        ...     def __call__(self, nested_sequence_of_tensors):
        ...         return [len(list(row)) for row in nested_sequence_of_tensors]
        >>> NestedLazyChunkSequence(lambda: iter(["ab", "cd"])).compute(Widths())
        [2, 2]
    """

    @abstractmethod
    def __call__(self, nested_sequence_of_tensors: NestedLazyChunkSequence) -> Any:
        """The object.

        Args:
            nested_sequence_of_tensors: What gives rows of blocks when it is iterated
                over.
        """


class NestedListAggregator(NestedSequenceAggregator):
    """The blocks in a list of lists: for each test batch, one for each training batch.

    Example:
        >>> from torchattr.influence import NestedLazyChunkSequence
        >>> lazy = NestedLazyChunkSequence(lambda: iter(["ab", "cd"]))
        >>> lazy.compute(NestedListAggregator())
        [['a', 'b'], ['c', 'd']]
    """

    def __call__(
        self, nested_sequence_of_tensors: NestedLazyChunkSequence
    ) -> list[list[Any]]:
        """Lists of blocks in a list of rows."""
        return [list(row) for row in nested_sequence_of_tensors]


class NestedTorchCatAggregator(NestedSequenceAggregator):
    """The blocks as one tensor of shape ``(n_test, n_train, ...)``.

    Influences of the features of several inputs are joined input by input.

    Example:
        >>> import torch
        >>> from torchattr.influence import NestedLazyChunkSequence
        >>> row = [torch.ones(1, 2), torch.zeros(1, 1)]
        >>> lazy = NestedLazyChunkSequence(lambda: iter([row, row]))
        >>> lazy.compute(NestedTorchCatAggregator())
        tensor([[1., 1., 0.],
                [1., 1., 0.]])
    """

    def __call__(self, nested_sequence_of_tensors: NestedLazyChunkSequence) -> Any:
        """One tensor, or a structure of tensors."""
        rows = [joined(list(row), 1) for row in nested_sequence_of_tensors]
        return joined(rows, 0)
