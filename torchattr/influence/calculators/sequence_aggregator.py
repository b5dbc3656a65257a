"""What becomes of the chunks of a lazy sequence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from torchattr.influence.calculators.joined_chunks import joined

if TYPE_CHECKING:
    from torchattr.influence.calculators.lazy_chunk_sequence import LazyChunkSequence

__all__ = ["ListAggregator", "SequenceAggregator", "TorchCatAggregator"]


class SequenceAggregator(ABC):
    """Makes one object of the chunks of a :class:`LazyChunkSequence`.

    Example:
        >>> from torchattr.influence import LazyChunkSequence
        >>> class Count(SequenceAggregator):
        ...     def __call__(self, tensor_sequence):
        ...         return sum(1 for _ in tensor_sequence)
        >>> LazyChunkSequence(lambda: iter("abc")).compute(Count())
        3
    """

    @abstractmethod
    def __call__(self, tensor_sequence: LazyChunkSequence) -> Any:
        """The object.

        Args:
            tensor_sequence: What gives the chunks when it is iterated over.
        """


class ListAggregator(SequenceAggregator):
    """The chunks in a list.

    Example:
        >>> from torchattr.influence import LazyChunkSequence
        >>> LazyChunkSequence(lambda: iter("abc")).compute(ListAggregator())
        ['a', 'b', 'c']
    """

    def __call__(self, tensor_sequence: LazyChunkSequence) -> list[Any]:
        """A list of the chunks."""
        return list(tensor_sequence)


class TorchCatAggregator(SequenceAggregator):
    """The chunks as one tensor, joined along the first dimension.

    Example:
        >>> import torch
        >>> from torchattr.influence import LazyChunkSequence
        >>> chunks = LazyChunkSequence(lambda: iter([torch.ones(2), torch.zeros(1)]))
        >>> chunks.compute(TorchCatAggregator())
        tensor([1., 1., 0.])
    """

    def __call__(self, tensor_sequence: LazyChunkSequence) -> Any:
        """One tensor."""
        return joined(list(tensor_sequence), 0)
