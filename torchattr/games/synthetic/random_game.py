"""Random sums of unanimity games: any structure, known values."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from torchattr.games.counts import as_count
from torchattr.games.game import Game

__all__ = ["RandomGame"]


@final
class RandomGame(Game):
    r"""A sum of unanimity games, :math:`v(S) = \sum_t c_t\,[T_t \subseteq S]`.

    The sets :math:`T_t` have a uniform size from 1 to :math:`n` and uniform members;
    the coefficients :math:`c_t` are standard normal.

    Args:
        n_players: Number of players.
        n_terms: Number of unanimity games.
        n_outputs: Values have shape ``(n_outputs,)``, with common sets and independent
            coefficients; a single number if ``None``.
        generator: Source of randomness; ``None`` is PyTorch's global one.
        device: Where the game lives; the CPU if ``None``.

    Raises:
        InputError: If a number is not positive.

    Example:
        >>> game = RandomGame(5, generator=torch.Generator().manual_seed(0))
        >>> empty, full = game(game.ends())
        >>> torch.allclose(game.shapley_values().sum(), full - empty)
        True

    References:
        Shapley (1953), *A value for n-person games* (they are a basis of all games).
    """

    def __init__(
        self,
        n_players: int,
        n_terms: int = 50,
        *,
        n_outputs: int | None = None,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        self.n_players = as_count("n_players", n_players)
        n_terms = as_count("n_terms", n_terms)
        shape = () if n_outputs is None else (as_count("n_outputs", n_outputs),)
        self.device = torch.device("cpu" if device is None else device)
        source = torch.device("cpu") if generator is None else generator.device
        sizes = torch.randint(
            1, self.n_players + 1, (n_terms, 1), generator=generator, device=source
        )
        order = torch.rand(
            n_terms, self.n_players, generator=generator, device=source
        ).argsort(1)
        #: ``(n_terms, n_players)`` booleans, the sets.
        self.members = (order.argsort(1) < sizes).to(self.device)
        #: ``(n_terms, *value)`` float64, the coefficients.
        self.coefficients = torch.randn(
            n_terms, *shape, generator=generator, device=source, dtype=torch.float64
        ).to(self.device)

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Sums of the coefficients of the sets that are complete.

        Args:
            coalitions: ``(C, n_players)`` booleans.

        Returns:
            ``(C,)`` or ``(C, n_outputs)``, float64.
        """
        missing = (~coalitions).float() @ self.members.float().T
        return (missing == 0).double() @ self.coefficients

    def shapley_values(self) -> Tensor:
        r""":math:`\sum_{t : i \in T_t} c_t / |T_t|`, ``(n_players, *value)``."""
        return self._sum_over_sets(1 / self.members.sum(1).double())

    def banzhaf_values(self) -> Tensor:
        r""":math:`\sum_{t : i \in T_t} c_t\,2^{1 - |T_t|}`, ``(n_players, *value)``."""
        return self._sum_over_sets(2 * 0.5 ** self.members.sum(1).double())

    def _sum_over_sets(self, share: Tensor) -> Tensor:
        return (self.members.double() * share[:, None]).T @ self.coefficients
