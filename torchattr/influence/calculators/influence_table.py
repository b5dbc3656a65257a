"""Influences of training batches on test batches, each side computed once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor

from torchattr.influence.calculators.factor_chunks import FactorChunks
from torchattr.influence.calculators.joined_chunks import parts
from torchattr.influence.calculators.lazy_batches import LazyBatches
from torchattr.influence.calculators.nested_lazy_chunk_sequence import Columns
from torchattr.influence.influence import Influence
from torchattr.influence.influence_mode import InfluenceMode

__all__ = ["InfluenceTable"]


class InfluenceTable:
    """Rows or columns of influences: one side is held, the other one is streamed.

    Args:
        influence: A fitted influence object.
        factors: Of the test side.
        train: The training side.
        mode: What about the training examples is varied.
    """

    def __init__(
        self,
        influence: Influence,
        factors: FactorChunks,
        train: LazyBatches,
        mode: InfluenceMode,
    ) -> None:
        self._influence = influence
        self._factors = factors
        self._train = train
        self._mode = mode

    def __call__(self) -> Iterable[Iterable[Any]] | Columns:
        """Rows if the training side is held, otherwise columns."""
        return self._rows() if self._train_is_smaller() else Columns(self._columns())

    def _train_is_smaller(self) -> bool:
        # What is held for other modes would be graphs of the training side.
        if self._mode is not InfluenceMode.Up:
            return False
        n_test = self._factors.n_examples()
        n_train = self._train.n_examples()
        return n_test is not None and n_train is not None and n_train < n_test

    def _rows(self) -> Iterator[Iterable[Any]]:
        influence = self._influence
        held = [influence.gradients(examples) for examples in self._train]
        for factors in self._factors():
            yield [influence.influences_from_gradients(factors, g) for g in held]

    def _columns(self) -> Iterator[Iterable[Any]]:
        chunks = list(self._factors())
        sizes = [len(chunk) for chunk in chunks]
        factors = _emptied(chunks)
        for examples in self._train:
            column = self._influence.influences_from_factors(
                factors, examples.inputs, examples.targets, self._mode
            )
            yield parts(column, sizes)


def _emptied(chunks: list[Tensor]) -> Tensor:
    """The chunks as one tensor; each is let go once it is copied, unlike by a cat."""
    if len(chunks) == 1:
        return chunks[0]
    stop = sum(map(len, chunks))
    whole = chunks[0].new_empty(stop, *chunks[0].shape[1:])
    while chunks:
        chunk = chunks.pop()
        whole[stop - len(chunk) : stop] = chunk
        stop -= len(chunk)
    return whole
