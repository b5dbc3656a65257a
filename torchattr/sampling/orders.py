"""Orders in rounds: players join one by one, and each order is numbered."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import factorial
from typing import TypeAlias, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchattr.sampling.marginals import Marginals
from torchattr.sampling.random_words import RandomWords
from torchattr.sampling.rounds import Rounds

#: How often each coalition size from 0 to n - 1 counts, for n players.
SizeCounts: TypeAlias = Callable[[int], NDArray[np.int64]]

__all__ = ["AllOrders", "OrderRounds", "Orders", "RandomOrders", "SizedOrders"]


@dataclass(frozen=True)
class Orders:
    """Orders in which all players join.

    Attributes:
        orders: ``(R, n)`` int64: the player at each position.
        rounds: ``(R,)`` int64, never falling: see
            :class:`~torchattr.sampling.marginals.Marginals`.
        replicates: ``(R,)`` int64: number of the smallest independent block.
        kept: ``(R, n)`` booleans: the positions whose marginal contributions count;
            ``None`` for all.

    Example:
        >>> zero = torch.tensor([0])
        >>> Orders(torch.tensor([[2, 0, 1]]), zero, zero).marginals().subsets.int()
        tensor([[0, 0, 0],
                [0, 0, 1],
                [1, 0, 1]], dtype=torch.int32)
    """

    orders: Tensor
    rounds: Tensor
    replicates: Tensor
    kept: Tensor | None = None

    def __len__(self) -> int:
        return len(self.orders)

    def marginals(self) -> Marginals:
        """What each player adds to those before it, order by order."""
        n = self.orders.shape[1]
        steps = torch.arange(n, dtype=torch.int32)
        place = torch.empty(self.orders.shape, dtype=torch.int32)
        place.scatter_(1, self.orders, steps.expand_as(place))
        whole = Marginals(
            self.orders.flatten(),
            (place[:, None, :] < steps[:, None]).flatten(0, 1),
            self.rounds.repeat_interleave(n),
            self.replicates.repeat_interleave(n),
        )
        if self.kept is None:
            return whole
        rows = self.kept.flatten()
        return Marginals(
            whole.players[rows],
            whole.subsets[rows],
            whole.rounds[rows],
            whole.replicates[rows],
        )


class OrderRounds(Rounds):
    """Rounds that are made of orders of all players."""

    @abstractmethod
    def orders(self, n: int, start: int, count: int) -> Orders:
        """The orders of the rounds from ``start`` to ``start + count - 1``."""

    @final
    def marginals(self, n: int, start: int, count: int) -> Marginals:
        """See :meth:`Rounds.marginals`."""
        return self.orders(n, start, count).marginals()

    @final
    def stratum_weights(self, n: int) -> None:
        """None: one order has all sizes."""

    @final
    def rows_per_round(self, n: int) -> int:
        """As many as updates of all players."""
        return round(self.updates_per_round(n) * n)


@final
class RandomOrders(OrderRounds):
    """Uniform orders; a round is one of them, or one and its reverse.

    Args:
        entropy: The seed, as :func:`~torchattr.sampling.random_words.entropy_of` gives.
        reversed_too: Whether each order is followed by its reverse.
    """

    def __init__(self, entropy: int, *, reversed_too: bool = False) -> None:
        self._words = RandomWords(entropy, "orders")
        self._reversed_too = reversed_too

    def orders(self, n: int, start: int, count: int) -> Orders:
        """See :meth:`OrderRounds.orders`."""
        rounds = torch.arange(start, start + count)
        # The lowest bits are the player itself: sorted keys are an order by themselves,
        # in half the time that sorting players by their keys takes.
        low = np.uint64((1 << max(n - 1, 1).bit_length()) - 1)
        keys = self._words.rows(start, count, n) & ~low
        keys |= np.arange(n, dtype=np.uint64)
        keys.sort(axis=1)
        orders = torch.from_numpy((keys & low).astype(np.int64))
        if self._reversed_too:
            orders = torch.stack([orders, orders.flip(1)], dim=1).flatten(0, 1)
            rounds = rounds.repeat_interleave(2)
        return Orders(orders, rounds, rounds)

    def samples_per_round(self, n: int) -> int:
        """One, or two."""
        return 2 if self._reversed_too else 1

    def updates_per_round(self, n: int) -> float:
        """As many as orders."""
        return self.samples_per_round(n)

    def n_rounds(self, n: int) -> None:
        """They never end."""

    def is_exhaustive(self) -> bool:
        """No."""
        return False


@final
class AllOrders(OrderRounds):
    """Every order once, in lexicographic order; a round is one of them."""

    def orders(self, n: int, start: int, count: int) -> Orders:
        """See :meth:`OrderRounds.orders`."""
        rounds = torch.arange(start, max(start, min(start + count, factorial(n))))
        return Orders(_lexicographic(n, rounds.numpy()), rounds, rounds)

    def samples_per_round(self, n: int) -> int:
        """One."""
        return 1

    def updates_per_round(self, n: int) -> float:
        """One."""
        return 1.0

    def n_rounds(self, n: int) -> int:
        """The factorial of ``n``."""
        return factorial(n)

    def is_exhaustive(self) -> bool:
        """Yes."""
        return True


@final
class SizedOrders(OrderRounds):
    r"""Uniform orders, of which each position counts only as often as asked.

    In a cycle of ``max(counts)`` orders, size :math:`k` counts :math:`c_k` times,
    spread evenly.

    Args:
        inner: The orders.
        counts: ``n -> (n,)`` integers :math:`c_k` for the sizes 0 to n - 1.
        is_finite: Whether the orders end after one cycle.
    """

    def __init__(
        self, inner: RandomOrders, counts: SizeCounts, *, is_finite: bool
    ) -> None:
        self._inner = inner
        self._counts = counts
        self._is_finite = is_finite

    def orders(self, n: int, start: int, count: int) -> Orders:
        """See :meth:`OrderRounds.orders`."""
        counts = torch.from_numpy(self._counts(n))
        cycle = int(counts.amax())
        if self._is_finite:
            count = max(0, min(count, cycle - start))
        drawn = self._inner.orders(n, start, count)
        step = (drawn.rounds % cycle)[:, None]
        kept = (step + 1) * counts // cycle > step * counts // cycle
        return replace(drawn, kept=kept)

    def samples_per_round(self, n: int) -> int:
        """One."""
        return 1

    def updates_per_round(self, n: int) -> float:
        """The mean number of positions that count, over the number of players."""
        counts = self._counts(n)
        return float(counts.sum() / (counts.max() * n))

    def n_rounds(self, n: int) -> int | None:
        """The length of a cycle, if the orders end."""
        return int(self._counts(n).max()) if self._is_finite else None

    def is_exhaustive(self) -> bool:
        """No."""
        return False


def _lexicographic(n: int, ranks: NDArray[np.int64]) -> Tensor:
    """``(R, n)``: the orders with these ranks among all orders."""
    left = np.tile(np.arange(n), (len(ranks), 1))
    orders = np.empty((len(ranks), n), dtype=np.int64)
    rows = np.arange(len(ranks))
    for place in range(n):  # each choice depends on the ones before
        block = factorial(n - 1 - place)
        digit, ranks = np.divmod(ranks, min(block, 2**62))  # no rank reaches further
        orders[:, place] = left[rows, digit]
        left[rows, digit] = -1
        left = left[left >= 0].reshape(len(ranks), n - 1 - place)
    return torch.from_numpy(orders)
