"""Rounds of the samples that a user's sampler generates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchattr.errors import InputError
from torchattr.sampling.marginals import EVERYBODY, Marginals
from torchattr.sampling.orders import OrderRounds, Orders
from torchattr.sampling.rounds import Rounds
from torchattr.valuation.types import Sample

__all__ = ["GeneratedOrders", "GeneratedRounds", "Generates"]


class Generates(Protocol):
    """What a user's sampler offers."""

    def generate(self, indices: NDArray[np.int64]) -> Iterable[Sample]:
        """The samples, one by one."""

    def sample_limit(self, indices: NDArray[np.int64]) -> int | None:
        """How many samples there are."""


@dataclass
class _Place:
    """How far an iterator over samples has come."""

    n: int
    position: int
    samples: Iterator[Sample]


class _Generated:
    """Samples by their number, although they can only be generated one by one.

    A run asks for one part after another, so the iterator is kept. Asked for something
    before its place, it begins anew; what a generator of its own randomness yields then
    is its author's affair.
    """

    def __init__(self, sampler: Generates) -> None:
        self._sampler = sampler
        self._place: _Place | None = None

    def limit(self, n: int) -> int | None:
        return self._sampler.sample_limit(np.arange(n))

    def between(self, n: int, start: int, count: int) -> list[Sample]:
        place = self._place
        if place is None or place.n != n or place.position > start:
            place = _Place(n, 0, iter(self._sampler.generate(np.arange(n))))
        skipped = sum(1 for _ in islice(place.samples, start - place.position))
        samples = list(islice(place.samples, count))
        place.position += skipped + len(samples)
        self._place = place
        return samples


@final
class GeneratedRounds(Rounds):
    """Samples with or without an index; each is its own replicate.

    Args:
        sampler: The sampler.
        is_proper: Whether each sample has an index. A round is then ``n`` samples, else
            one.
    """

    def __init__(self, sampler: Generates, *, is_proper: bool = True) -> None:
        self._samples = _Generated(sampler)
        self._is_proper = is_proper

    def marginals(self, n: int, start: int, count: int) -> Marginals:
        """See :meth:`Rounds.marginals`."""
        length = self.samples_per_round(n)
        samples = self._samples.between(n, start * length, count * length)
        numbers = torch.arange(start * length, start * length + len(samples))
        players = torch.tensor(
            [
                EVERYBODY if sample.idx is None else int(sample.idx)
                for sample in samples
            ],
            dtype=torch.int64,
        )
        subsets = torch.zeros(len(samples), n, dtype=torch.bool)
        for row, sample in zip(subsets, samples, strict=True):  # ragged subsets
            row[_members(sample, n)] = True
        valid = (players >= EVERYBODY) & (players < n)
        alone = ~subsets.gather(1, players.clamp(0, n - 1)[:, None])[:, 0]
        wrong = torch.nonzero(~valid | (~alone & (players >= 0)))[:, 0].tolist()
        if wrong:
            raise InputError(
                f"a sample must have one of the {n} indices, or None, and a subset "
                f"without it; got {samples[wrong[0]]!r}. Correct generate."
            )
        return Marginals(players, subsets, numbers // max(length, 1), numbers)

    def samples_per_round(self, n: int) -> int:
        """See :meth:`Rounds.samples_per_round`."""
        return n if self._is_proper else 1

    def rows_per_round(self, n: int) -> int:
        """See :meth:`Rounds.rows_per_round`."""
        return self.samples_per_round(n)

    def updates_per_round(self, n: int) -> float:
        """See :meth:`Rounds.updates_per_round`."""
        return 1.0

    def n_rounds(self, n: int) -> int | None:
        """See :meth:`Rounds.n_rounds`."""
        limit = self._samples.limit(n)
        return None if limit is None else -(-limit // max(1, self.samples_per_round(n)))

    def stratum_weights(self, n: int) -> None:
        """None."""

    def is_exhaustive(self) -> bool:
        """Nothing is known of it."""
        return False


@final
class GeneratedOrders(OrderRounds):
    """Permutations that a user's sampler generates; each is a round and a replicate.

    Args:
        sampler: The sampler.
    """

    def __init__(self, sampler: Generates) -> None:
        self._samples = _Generated(sampler)

    def orders(self, n: int, start: int, count: int) -> Orders:
        """See :meth:`OrderRounds.orders`."""
        samples = self._samples.between(n, start, count)
        orders = torch.empty(len(samples), n, dtype=torch.int64)
        for row, sample in zip(orders, samples, strict=True):
            members = _members(sample, n)
            if sample.idx is not None or len(members) != n:
                raise _not_a_permutation(sample, n)
            row[:] = members
        whole = (orders.sort(1).values == torch.arange(n)).all(1)
        if not bool(whole.all()):
            raise _not_a_permutation(samples[int(whole.int().argmin())], n)
        rounds = torch.arange(start, start + len(samples))
        return Orders(orders, rounds, rounds)

    def samples_per_round(self, n: int) -> int:
        """See :meth:`Rounds.samples_per_round`."""
        return 1

    def updates_per_round(self, n: int) -> float:
        """See :meth:`Rounds.updates_per_round`."""
        return 1.0

    def n_rounds(self, n: int) -> int | None:
        """See :meth:`Rounds.n_rounds`."""
        return self._samples.limit(n)

    def is_exhaustive(self) -> bool:
        """Nothing is known of it."""
        return False


def _members(sample: Sample, n: int) -> Tensor:
    members = torch.from_numpy(np.asarray(sample.subset, dtype=np.int64))
    if members.numel() and not (int(members.min()) >= 0 and int(members.max()) < n):
        raise InputError(
            f"the subset of a sample must be of the {n} indices that generate is "
            f"given; got {sample!r}. Correct generate."
        )
    return members


def _not_a_permutation(sample: Sample, n: int) -> InputError:
    return InputError(
        "a sampler of permutations must yield Sample(None, permutation of all "
        f"{n} indices); got {sample!r}. Correct generate, or subclass "
        "PowersetSampler."
    )
