"""A runway, as long as the largest plane needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.counts import as_count
from torchattr.games.game import Game

__all__ = ["AirportGame"]

# Number of landings of the types that cost 1, 2, ..., 10.
_LANDINGS = (8, 12, 6, 14, 8, 9, 13, 10, 10, 10)


@final
class AirportGame(Game):
    r"""Cost of a runway, :math:`v(S) = \max_{i \in S} c_i`, and 0 for nobody.

    By default 100 landings with costs from 1 to 10.

    Args:
        n_players: Number of landings; 100, or the number of ``costs``.
        costs: A cost for each landing, not negative.

    Raises:
        InputError: If the arguments do not fit together.

    Example:
        >>> AirportGame(costs=[1.0, 2.0, 5.0]).shapley_values()
        tensor([0.3333, 0.8333, 3.8333], dtype=torch.float64)

    References:
        Littlechild and Owen (1973), *A simple expression for the Shapley value in a
        special case*; Castro, Gomez and Tejada (2009), *Polynomial calculation of the
        Shapley value based on sampling*, section 4.3.
    """

    def __init__(
        self,
        n_players: int | None = None,
        *,
        costs: Sequence[float] | Tensor | None = None,
    ) -> None:
        self.costs = _checked_costs(n_players, costs)
        self.n_players = len(self.costs)

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Cost of the longest runway that is needed.

        Args:
            coalitions: ``(C, n_players)`` booleans.

        Returns:
            ``(C,)`` float64.
        """
        return torch.where(coalitions, self.costs, 0.0).amax(1)

    def shapley_values(self) -> Tensor:
        """Each piece of runway is shared equally by the planes that need it."""
        users = torch.arange(self.n_players, 0, -1).double()
        return self._sum_of_pieces(1 / users)

    def banzhaf_values(self) -> Tensor:
        """Each piece is paid with the chance that no other plane needs it."""
        others = torch.arange(self.n_players - 1, -1, -1).double()
        return self._sum_of_pieces(0.5**others)

    def _sum_of_pieces(self, share: Tensor) -> Tensor:
        """Sums of (piece x share) up to each cost; pieces by increasing cost."""
        ordered, order = self.costs.sort()
        pieces = torch.diff(ordered, prepend=ordered.new_zeros(1))
        values = torch.empty_like(self.costs)
        values[order] = (pieces * share).cumsum(0)
        return values


def _checked_costs(
    n_players: int | None, costs: Sequence[float] | Tensor | None
) -> Tensor:
    if costs is None:
        if n_players not in {None, 100}:
            raise InputError(
                f"the published game has 100 players, got n_players={n_players!r}. "
                "Pass costs=... for another one."
            )
        landings = torch.tensor(_LANDINGS)
        return torch.arange(1.0, 11.0).double().repeat_interleave(landings)
    costs = torch.as_tensor(costs, dtype=torch.float64)
    if costs.ndim != 1 or not len(costs):
        raise InputError(f"costs must be one-dimensional, got {tuple(costs.shape)}")
    if not bool(((costs >= 0) & costs.isfinite()).all()):
        raise InputError("costs must be finite and not negative")
    if n_players is not None and as_count("n_players", n_players) != len(costs):
        raise InputError(f"n_players is {n_players}, but there are {len(costs)} costs")
    return costs
