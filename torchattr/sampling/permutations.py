r"""Permutations: players join one by one, in random orders.

The value gained when player :math:`i` joins those before it, averaged over uniform
orders, is the Shapley value. One order of ``n`` players needs ``n - 1`` coalitions of
its own, since the empty and the full one are shared by all.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, final

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.sampling.draws import Draws, Sampler

__all__ = [
    "AntitheticPermutations",
    "GivenPermutations",
    "OrthogonalPermutations",
    "PermutationDraws",
    "PermutationSampler",
    "Permutations",
]


@final
@dataclass(frozen=True)
class PermutationDraws(Draws):
    """Replicates that are means over permutations.

    Attributes:
        orders: ``(R, P, n)``: the player at each position, for ``P`` permutations of
            each replicate.
        coalitions: ``(R, P * (n - 1), n)``: the players before each position.

    Example:
        >>> draws = PermutationDraws.of(torch.tensor([[[1, 0, 2]]]))
        >>> draws.coalitions.int().tolist()
        [[[0, 1, 0], [1, 1, 0]]]
    """

    orders: Tensor
    coalitions: Tensor

    @classmethod
    def of(cls, orders: Tensor) -> PermutationDraws:
        """Replicates from orders.

        Args:
            orders: ``(R, P, n)``, each row a permutation of ``0, ..., n - 1``.

        Returns:
            The replicates.
        """
        n = orders.shape[-1]
        position = torch.argsort(orders, dim=-1)
        steps = torch.arange(n - 1, device=orders.device)
        coalitions = position[:, :, None, :] <= steps[:, None]
        return cls(orders, coalitions.flatten(1, 2))

    def estimates(self, values: Tensor, empty: Tensor, full: Tensor) -> Tensor:
        """Mean over the permutations of what each player adds; see :class:`Draws`."""
        draws, permutations, n = self.orders.shape
        paths = torch.empty(
            (draws, permutations, n + 1, values.shape[-1]),
            dtype=values.dtype,
            device=values.device,
        )
        paths[:, :, 0], paths[:, :, -1] = empty, full
        paths[:, :, 1:-1] = values.reshape(draws, permutations, n - 1, values.shape[-1])
        gains = paths.diff(dim=2)
        position = torch.argsort(self.orders, dim=-1).unsqueeze(-1)
        return gains.gather(2, position.expand_as(gains)).mean(1)


class PermutationSampler(Sampler):
    """A sampler whose replicates are means over permutations.

    Example:
        >>> [isinstance(s, PermutationSampler) for s in (Permutations(3), Sampler)]
        [True, False]
    """

    @property
    @abstractmethod
    def n_permutations(self) -> int:
        """Permutations in one draw."""

    @abstractmethod
    def orders(self, n_draws: int, generator: torch.Generator | None = None) -> Tensor:
        """The permutations of the next draws, without their coalitions.

        Args:
            n_draws: Number of replicates, at least one.
            generator: Source of randomness; ``None`` is PyTorch's global one.

        Returns:
            ``(R, P, n)``: the player at each position.
        """

    def draw(
        self, n_draws: int, generator: torch.Generator | None = None
    ) -> PermutationDraws:
        """See :meth:`Sampler.draw`."""
        return PermutationDraws.of(self.orders(n_draws, generator))


@final
@dataclass(frozen=True)
class Permutations(PermutationSampler):
    """Uniform permutations, as ``torch.randperm`` gives them; a draw is one.

    Attributes:
        n_players: Number of players.
        device: Where the coalitions are made.
        labels: ``(n,)`` ascending, distinct: the place of each player in the stream.
            Captum counts the gaps in a feature mask as features; to consume and give
            the same random numbers, permutations are drawn over ``n_labels`` places, of
            which those of no player are dropped. ``None`` is ``0, ..., n - 1``.
        n_labels: Number of places.

    Example:
        >>> draws = Permutations(3).draw(1, torch.Generator().manual_seed(0))
        >>> draws.orders
        tensor([[[2, 0, 1]]])
        >>> draws.coalitions.int()
        tensor([[[0, 0, 1],
                 [1, 0, 1]]], dtype=torch.int32)
    """

    n_players: int
    device: torch.device | None = None
    labels: Tensor | None = None
    n_labels: int | None = None

    @property
    def n_coalitions(self) -> int:  # type: ignore[override]  # derived, not stored
        """``n - 1``."""
        return self.n_players - 1

    @property
    def n_permutations(self) -> int:
        """Permutations in one draw."""
        return 1

    def orders(self, n_draws: int, generator: torch.Generator | None = None) -> Tensor:
        """See :meth:`PermutationSampler.orders`."""
        places = self.n_labels or self.n_players
        device = generator.device if generator is not None else None
        shuffles = (
            torch.randperm(places, generator=generator, device=device)
            for _ in range(n_draws)
        )
        if self.labels is not None and places > self.n_players:
            player = torch.full((places,), -1, device=device)
            player[self.labels] = torch.arange(self.n_players, device=device)
            # One by one, since a mask with wide gaps has many places and few players.
            named = (player[shuffle] for shuffle in shuffles)
            shuffles = (players[players >= 0] for players in named)
        orders = torch.stack(list(shuffles))
        return orders.to(device=self.device)[:, None]


@final
@dataclass(frozen=True)
class AntitheticPermutations(PermutationSampler):
    """Permutations with their reverses; a draw is such a pair.

    The same as :class:`~torchattr.sampling.Antithetic` permutations, for estimators
    that need the orders themselves.

    Attributes:
        n_players: Number of players.
        device: Where the coalitions are made.

    Example:
        >>> AntitheticPermutations(3).orders(1, torch.Generator().manual_seed(0))
        tensor([[[2, 0, 1],
                 [1, 0, 2]]])
    """

    n_players: int
    device: torch.device | None = None

    @property
    def n_coalitions(self) -> int:  # type: ignore[override]  # derived, not stored
        """``2 (n - 1)``."""
        return 2 * (self.n_players - 1)

    @property
    def n_permutations(self) -> int:
        """Permutations in one draw."""
        return 2

    def orders(self, n_draws: int, generator: torch.Generator | None = None) -> Tensor:
        """See :meth:`PermutationSampler.orders`."""
        orders = Permutations(self.n_players, self.device).orders(n_draws, generator)
        return torch.cat([orders, orders.flip(-1)], dim=1)


@final
class GivenPermutations(PermutationSampler):
    """Permutations from an iterable, in its order; a draw is one.

    Args:
        orders: Permutations of ``0, ..., n_players - 1``, each a sequence of ints.
        n_players: Number of players.
        device: Where the coalitions are made.

    Example:
        >>> GivenPermutations([[1, 0], [0, 1]], 2).draw(2).orders.tolist()
        [[[1, 0]], [[0, 1]]]
    """

    def __init__(
        self,
        orders: Iterable[Sequence[int]],
        n_players: int,
        device: torch.device | None = None,
    ) -> None:
        self._orders = iter(orders)
        self._device = device
        self.n_players = n_players
        self.n_coalitions = n_players - 1

    @property
    def n_permutations(self) -> int:
        """Permutations in one draw."""
        return 1

    def orders(self, n_draws: int, generator: torch.Generator | None = None) -> Tensor:
        """The next permutations; ``generator`` is not used.

        Args:
            n_draws: Number of permutations.
            generator: Ignored.

        Returns:
            ``(R, 1, n)``.

        Raises:
            InputError: If too few are left, or one is not a permutation.
        """
        orders = [list(map(int, order)) for order in islice(self._orders, n_draws)]
        everyone = list(range(self.n_players))
        if len(orders) < n_draws or any(sorted(row) != everyone for row in orders):
            raise InputError(
                f"the given permutations must be {n_draws} orders of 0, ..., "
                f"{self.n_players - 1}; got {len(orders)}: {orders[:3]}..."
            )
        return torch.tensor(orders, device=self._device)[:, None]


@final
@dataclass(frozen=True)
class OrthogonalPermutations(PermutationSampler):
    r"""Permutations spread evenly over the sphere; a draw is a block of ``2 (n - 1)``.

    A uniformly random orthonormal basis of the hyperplane
    :math:`\{x : \sum_i x_i = 0\}` gives ``n - 1`` directions; sorting the
    coordinates of each direction and of its opposite gives two permutations, one the
    reverse of the other. Each is uniform, together they are nearly balanced.

    Attributes:
        n_players: Number of players.
        device: Where the coalitions are made.

    Example:
        >>> OrthogonalPermutations(3).draw(1).orders.shape
        torch.Size([1, 4, 3])

    References:
        Mitchell, Cooper, Frank and Holmes (2022), *Sampling permutations for Shapley
        value estimation*, section 4.
    """

    n_players: int
    device: torch.device | None = None

    @property
    def n_permutations(self) -> int:
        """Permutations in one draw."""
        return max(1, 2 * (self.n_players - 1))

    @property
    def n_coalitions(self) -> int:  # type: ignore[override]  # derived, not stored
        """``2 (n - 1)^2``."""
        return self.n_permutations * (self.n_players - 1)

    def orders(self, n_draws: int, generator: torch.Generator | None = None) -> Tensor:
        """See :meth:`PermutationSampler.orders`."""
        n = self.n_players
        if n == 1:
            return torch.zeros(n_draws, 1, 1, dtype=torch.int64, device=self.device)
        options: dict[str, Any] = {"dtype": torch.float64}
        if generator is not None:
            options |= {"generator": generator, "device": generator.device}
        gaussian = torch.stack([
            torch.randn(n - 1, n - 1, **options) for _ in range(n_draws)
        ])
        q, r = torch.linalg.qr(gaussian)
        # Signs of the diagonal make the orthogonal matrix uniform (Mezzadri 2007).
        basis = q * torch.diagonal(r, dim1=-2, dim2=-1).sign().unsqueeze(-2)
        orders = torch.argsort(basis @ _helmert(n).to(basis.device), dim=-1)
        return torch.cat([orders, orders.flip(-1)], dim=1).to(device=self.device)


def _helmert(n: int) -> Tensor:
    """``(n - 1, n)``: orthonormal rows, orthogonal to the vector of ones."""
    rows = torch.tril(torch.ones(n - 1, n, dtype=torch.float64))
    count = torch.arange(1, n, dtype=torch.float64)
    rows[torch.arange(n - 1), torch.arange(1, n)] = -count
    return rows / (count * (count + 1)).sqrt()[:, None]
