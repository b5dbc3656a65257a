"""Batches that are not touched before they are needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from functools import cached_property
from typing import Any

from torch.utils.data import DataLoader

from torchattr.errors import InputError
from torchattr.games.examples import Examples
from torchattr.influence.batches import Batches, one_or_more
from torchattr.influence.influence import Influence

__all__ = ["LazyBatches", "known_length"]


class LazyBatches:
    """Batches of a loader, which may be a generator, for a fitted influence object.

    Args:
        influence: Whose model they are for.
        loader: As for its ``fit``. An iterator is read, and kept, when the batches are
            first asked for.

    Attributes:
        n_batches: How many, if the loader knows.

    Raises:
        InputError: If it cannot be iterated over.

    Example:
        >>> import torch
        >>> from torchattr.influence import DirectInfluence
        >>> influence = DirectInfluence(torch.nn.Linear(1, 1), torch.nn.MSELoss())
        >>> batches = LazyBatches(influence, [(torch.ones(3, 1), torch.ones(3, 1))])
        >>> batches.n_batches, batches.n_examples(), [len(batch) for batch in batches]
        (1, 3, [3])
    """

    def __init__(self, influence: Influence, loader: Iterable[Any]) -> None:
        if not isinstance(loader, Iterable):
            raise InputError(
                "expected an iterable of batches (x, y), such as a DataLoader; got "
                f"{type(loader).__name__}"
            )
        loader = one_or_more(loader)
        self._influence = influence
        self._loader = loader
        self.n_batches = _length(loader)

    def n_examples(self) -> int | None:
        """How many examples there are, if that can be known without a pass over them.

        Returns:
            Their number; where only the number of batches is known, that times the size
            of the first; or ``None``.
        """
        return known_length(self._read, self)

    def __iter__(self) -> Iterator[Examples]:
        return iter(self._batches)

    @cached_property
    def _read(self) -> Iterable[Any]:
        loader = self._loader
        return list(loader) if isinstance(loader, Iterator) else loader

    @cached_property
    def _batches(self) -> Batches:
        return self._influence.batches(self._read)


def known_length(loader: Iterable[Any], batches: Iterable[Sized]) -> int | None:
    """How many examples a loader gives, as far as it says.

    Args:
        loader: What may know.
        batches: What it gives, of which the first is looked at if need be.

    Returns:
        A number, or ``None``; exact for a ``DataLoader`` that batches, otherwise that
        of batches times the size of the first.

    Example:
        >>> known_length([[1, 2], [3]], [[1, 2], [3]]), known_length(iter([]), [])
        (4, None)
    """
    n_batches = _length(loader)
    if not n_batches:
        return n_batches
    if isinstance(loader, DataLoader) and loader.batch_size is not None:
        n_examples = _length(loader.sampler)
        if n_examples is not None:
            return min(n_examples, n_batches * loader.batch_size)
    return n_batches * len(next(iter(batches)))


def _length(loader: object) -> int | None:
    try:
        return len(loader) if isinstance(loader, Sized) else None
    except TypeError:  # (a DataLoader of an IterableDataset)
        return None
