"""Training data, batch by batch, as often as it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.examples import Examples
from torchattr.influence.empirical_risk import EmpiricalRisk

__all__ = ["BatchFunction", "Batches", "one_or_more"]

#: What makes ``(inputs, targets)`` of a batch that is something else.
BatchFunction = Callable[[Any], tuple[Any, Any]]


class Batches:
    """Batches of examples on the device and in the precision of a model.

    Every pass draws the same random numbers, so that a loader that shuffles or
    augments gives the same batches each time; and the global stream, which a
    ``DataLoader`` otherwise advances, stays as it was. An iterator, which
    can be read only once, is kept in memory.

    Args:
        loader: Any iterable of batches ``(x, y)``, or one such pair as a tuple.
            ``x`` is a tensor, given to the model as ``model(x)``, a tuple or list
            (``model(*x)``) or a dict (``model(**x)``).
        risk: Whose model the batches are for.
        batch_function: Makes ``(x, y)`` of a batch that is something else.

    Raises:
        InputError: If it cannot be iterated over.

    Example:
        >>> model = torch.nn.Linear(2, 1).double()
        >>> risk = EmpiricalRisk(model, torch.nn.functional.mse_loss)
        >>> batches = Batches([(torch.ones(3, 2), torch.ones(3, 1))], risk)
        >>> [(len(examples), examples.inputs.dtype) for examples in batches]
        [(3, torch.float64)]
    """

    def __init__(
        self,
        loader: Iterable[Any],
        risk: EmpiricalRisk,
        batch_function: BatchFunction | None = None,
    ) -> None:
        loader = one_or_more(loader)
        if not isinstance(loader, Iterable):
            raise InputError(
                "expected an iterable of batches (x, y), such as a DataLoader; got "
                f"{type(loader).__name__}"
            )
        self._loader = list(loader) if isinstance(loader, Iterator) else loader
        self._risk = risk
        self._batch_function = batch_function
        self._random_state = torch.get_rng_state()
        self._count: int | None = None

    @property
    def n_examples(self) -> int:
        """How many examples there are; one pass over the data if none was made yet."""
        if self._count is None:
            for _ in self:
                pass
        return self._count or 0

    def restricted(self, risk: EmpiricalRisk) -> Batches:
        """The same batches, for a risk of fewer parameters.

        Args:
            risk: Of the same model.

        Returns:
            Batches that share the data.
        """
        if risk is self._risk:
            return self
        other = Batches(self._loader, risk, self._batch_function)
        other._random_state, other._count = self._random_state, self._count
        return other

    def __iter__(self) -> Iterator[Examples]:
        reading = _OwnRandomNumbers(self._random_state)
        with reading:
            iterator = iter(self._loader)
        end = object()
        count = 0
        while True:
            with reading:
                batch = next(iterator, end)
            if batch is end:
                break
            examples = self._risk.examples(*self._pair(batch))
            count += len(examples)
            yield examples
        if count == 0:
            raise InputError("the training data hold no batch; pass at least one")
        self._count = count

    def _pair(self, batch: Any) -> tuple[Any, Any]:
        if self._batch_function is not None:
            batch = self._batch_function(batch)
        if isinstance(batch, Mapping):
            raise InputError(
                f"a batch is a dict with {sorted(map(str, batch))}; pass "
                "batch_function=, which makes (inputs, targets) of it"
            )
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise InputError(
                "a batch must be a pair (inputs, targets); got "
                f"{type(batch).__name__}"
                + (
                    f" of length {len(batch)}"
                    if isinstance(batch, tuple | list)
                    else ""
                )
                + ". Pass batch_function=, which makes such a pair of it"
                + (", or [(x, y)] for one batch" if isinstance(batch, Tensor) else "")
            )
        return batch[0], batch[1]


def one_or_more(loader: Iterable[Any]) -> Iterable[Any]:
    """What a user passed as batches, a pair being one batch.

    Args:
        loader: An iterable of batches, or ``(x, y)`` as a tuple.

    Returns:
        An iterable of batches.

    Example:
        >>> x, y = torch.ones(3, 2), torch.ones(3)
        >>> len(one_or_more((x, y))), len(one_or_more(((x, y), (x, y))))
        (1, 2)
    """
    # Targets are a tensor; the second of two batches is a pair.
    if isinstance(loader, tuple) and len(loader) == 2 and isinstance(loader[1], Tensor):
        return [loader]
    return loader


class _OwnRandomNumbers:
    """Blocks that share a random stream of their own; the global one stays."""

    def __init__(self, state: Tensor) -> None:
        self._inside = state

    def __enter__(self) -> None:
        self._outside = torch.get_rng_state()
        torch.set_rng_state(self._inside)

    def __exit__(self, *_: object) -> None:
        self._inside = torch.get_rng_state()
        torch.set_rng_state(self._outside)
