"""Influences of many batches on many batches, one after another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torchattr.errors import InputError
from torchattr.influence.calculators.factor_chunks import (
    FactorChunks,
    GivenFactors,
    SolvedFactors,
)
from torchattr.influence.calculators.influence_table import InfluenceTable
from torchattr.influence.calculators.lazy_batches import LazyBatches
from torchattr.influence.calculators.lazy_chunk_sequence import LazyChunkSequence
from torchattr.influence.calculators.nested_lazy_chunk_sequence import (
    NestedLazyChunkSequence,
)
from torchattr.influence.influence import Influence
from torchattr.influence.influence_mode import InfluenceMode, checked_mode

__all__ = ["SequentialInfluenceCalculator"]


class SequentialInfluenceCalculator:
    """Influences of the examples of one loader on those of another, lazily.

    Results are computed when they are asked for, and everything anew each time. Then
    **each test batch is solved once, and each training gradient is computed once**: the
    side with fewer examples is held in memory, the other one is streamed. Held are
    either all test factors, ``n_test * P`` numbers, or all training gradients, as
    factors where layers allow it (for a linear layer the inputs and the output
    gradients of its examples). Where a loader does not know its length, and for
    ``InfluenceMode.Perturbation``, it is the test side.

    Args:
        influence_function_model: A fitted influence object, such as
            :class:`DirectInfluence`; its ``batch_function`` applies to the loaders.

    Raises:
        InputError: If it is none.

    Example:
        >>> import torch
        >>> from torchattr.influence import DirectInfluence, NestedTorchCatAggregator
        >>> batches = [(torch.tensor([[i]]), torch.tensor([[1.0]])) for i in (1.0, 2.0)]
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> _ = model.weight.data.fill_(0.0)
        >>> influence = DirectInfluence(model, torch.nn.MSELoss()).fit(batches)
        >>> lazy = SequentialInfluenceCalculator(influence).influences(batches, batches)
        >>> lazy.compute(NestedTorchCatAggregator())
        tensor([[0.8000, 1.6000],
                [1.6000, 3.2000]])
    """

    def __init__(self, influence_function_model: Influence) -> None:
        if not isinstance(influence_function_model, Influence):
            raise InputError(
                "expected an influence object such as DirectInfluence(...).fit(loader);"
                f" got {type(influence_function_model).__name__}"
            )
        self._influence = influence_function_model

    def influence_factors(self, data_iterable: Iterable[Any]) -> LazyChunkSequence:
        """Preconditioned gradients of batch after batch.

        Args:
            data_iterable: Any iterable of batches ``(x, y)``; a generator is read, and
                kept, on first use.

        Returns:
            Chunks of shape ``(batch, P)``.

        Raises:
            InputError: If the influence object is not fitted.
        """
        batches = self._batches(data_iterable)
        return LazyChunkSequence(
            SolvedFactors(self._influence, batches), batches.n_batches
        )

    def influences(
        self,
        test_data_iterable: Iterable[Any],
        train_data_iterable: Iterable[Any],
        mode: InfluenceMode = InfluenceMode.Up,
    ) -> NestedLazyChunkSequence:
        """Influences of training batches on test batches.

        Args:
            test_data_iterable: Any iterable of batches ``(x, y)``.
            train_data_iterable: The same. A loader that shuffles has one order in all
                passes.
            mode: What about the training examples is varied.

        Returns:
            Blocks of shape ``(test batch, train batch)``, in ``Perturbation`` with the
            dimensions of features after these and in the structure of ``x``.

        Raises:
            InputError: If the influence object is not fitted.
        """
        test = SolvedFactors(self._influence, self._batches(test_data_iterable))
        return self._table(test, train_data_iterable, mode)

    def influences_from_factors(
        self,
        z_test_factors: Iterable[Any],
        train_data_iterable: Iterable[Any],
        mode: InfluenceMode = InfluenceMode.Up,
    ) -> NestedLazyChunkSequence:
        """:meth:`influences`, where the test side has been solved for already.

        Args:
            z_test_factors: What :meth:`influence_factors` gave; or any iterable of
                tensors or arrays of shape ``(batch, P)``, such as parts of what was
                stored; or one tensor.
            train_data_iterable: Any iterable of batches ``(x, y)``.
            mode: What about the training examples is varied.

        Returns:
            As :meth:`influences`.

        Raises:
            InputError: If the influence object is not fitted; when computed, if factors
                have another shape.
        """
        self._check_fitted()
        factors = GivenFactors(self._influence, z_test_factors)
        return self._table(factors, train_data_iterable, mode)

    def _table(
        self,
        factors: FactorChunks,
        train_data_iterable: Iterable[Any],
        mode: InfluenceMode,
    ) -> NestedLazyChunkSequence:
        train = self._batches(train_data_iterable)
        return NestedLazyChunkSequence(
            InfluenceTable(self._influence, factors, train, checked_mode(mode))
        )

    def _batches(self, loader: Iterable[Any]) -> LazyBatches:
        self._check_fitted()
        return LazyBatches(self._influence, loader)

    def _check_fitted(self) -> None:
        if not self._influence.is_fitted:
            raise InputError(
                f"the {type(self._influence).__name__} knows no training data yet; "
                "call its fit(loader) first"
            )
