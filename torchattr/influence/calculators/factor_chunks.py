"""The test side of influences: factors, batch after batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.influence.calculators.lazy_batches import LazyBatches, known_length
from torchattr.influence.calculators.lazy_chunk_sequence import LazyChunkSequence
from torchattr.influence.influence import Influence

__all__ = ["FactorChunks", "GivenFactors", "SolvedFactors"]


class SolvedFactors:
    """Factors of batches, each solved for when it is asked for.

    Args:
        influence: What solves.
        batches: Test examples.

    Attributes:
        batches: The same.
    """

    def __init__(self, influence: Influence, batches: LazyBatches) -> None:
        self._influence = influence
        self.batches = batches

    def __call__(self) -> Iterator[Tensor]:
        """Chunks of shape ``(batch, P)``."""
        for examples in self.batches:
            yield self._influence.influence_factors(examples.inputs, examples.targets)

    def n_examples(self) -> int | None:
        """How many factors there will be, if that is known."""
        return self.batches.n_examples()


class GivenFactors:
    """Factors that were computed before.

    Args:
        influence: What they are for.
        factors: One tensor or an iterable of tensors or arrays of shape ``(batch, P)``.

    Raises:
        InputError: If it cannot be iterated over.
    """

    def __init__(self, influence: Influence, factors: Iterable[Any]) -> None:
        if isinstance(factors, Tensor | np.ndarray) and factors.ndim == 2:
            factors = [factors]
        if not isinstance(factors, Iterable):
            raise InputError(
                "expected an iterable of factors, such as influence_factors gives; got "
                f"{type(factors).__name__}"
            )
        self._influence = influence
        self._factors = factors

    def __call__(self) -> Iterator[Tensor]:
        """Chunks of shape ``(batch, P)``, checked."""
        if isinstance(self._factors, Iterator):
            self._factors = list(self._factors)
        return (self._checked(chunk) for chunk in self._factors)

    def n_examples(self) -> int | None:
        """How many factors there are, if that is known."""
        if isinstance(self._factors, LazyChunkSequence):
            factory = self._factors.generator_factory
            return factory.n_examples() if isinstance(factory, SolvedFactors) else None
        chunks = self()
        return known_length(self._factors, chunks)

    def _checked(self, chunk: object) -> Tensor:
        if isinstance(chunk, tuple | list) and len(chunk) == 1:
            (chunk,) = chunk  # (of a DataLoader of a TensorDataset)
        if isinstance(chunk, np.ndarray):
            chunk = torch.tensor(chunk)
        width = self._influence.n_parameters
        if not isinstance(chunk, Tensor) or chunk.ndim != 2 or chunk.shape[1] != width:
            shape = (
                f" of shape {tuple(chunk.shape)}" if isinstance(chunk, Tensor) else ""
            )
            raise InputError(
                f"factors must have shape (batch, {width}), as influence_factors gives "
                f"them; got {type(chunk).__name__}{shape}"
            )
        return chunk.to(self._influence.device, self._influence.dtype)


#: Whichever of the two.
FactorChunks = SolvedFactors | GivenFactors
