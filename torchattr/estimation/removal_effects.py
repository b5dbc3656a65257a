"""What the value loses when one player is removed."""

from __future__ import annotations

import torch
from torch import Tensor

from torchattr.estimation.estimate import Estimate
from torchattr.games.game import Game

__all__ = ["removal_coalitions", "removal_effects"]

_BLOCK_BYTES = 2**26  # of coalitions that are held at once


def removal_effects(game: Game) -> Estimate:
    r"""Leave-one-out values, :math:`\phi_i = v(N) - v(N \setminus i)`.

    Costs ``n + 1`` evaluations. The values keep the type that the game gives them.

    Args:
        game: The game, with values ``(C, *value)``.

    Returns:
        The exact values, ``(n, *value)``.

    Example:
        >>> from torchattr.games import FunctionGame
        >>> game = FunctionGame(lambda coalitions: coalitions.sum(1) ** 2, n_players=3)
        >>> removal_effects(game).values
        tensor([5, 5, 5])
    """
    n = game.n_players
    full = game(game.ends()[1:])
    block = max(1, _BLOCK_BYTES // n)
    without = torch.cat([
        game(_all_but(start, min(start + block, n), game))
        for start in range(0, n, block)
    ])
    if not without.dtype.is_signed:  # a yes that becomes a no is a loss of one
        full, without = full.long(), without.long()
    values = full - without
    return Estimate(
        values,
        torch.zeros_like(values, dtype=torch.get_default_dtype())
        if not values.is_floating_point()
        else torch.zeros_like(values),
        n_draws=0,
        n_evaluations=n + 1,
    )


def removal_coalitions(game: Game) -> Tensor:
    """The coalitions that :func:`removal_effects` asks for, in its order.

    Args:
        game: The game.

    Returns:
        ``(n + 1, n)``: the full coalition, then all but each player.

    Example:
        >>> from torchattr.games import FunctionGame
        >>> removal_coalitions(FunctionGame(torch.sum, n_players=2)).int().tolist()
        [[1, 1], [0, 1], [1, 0]]
    """
    return torch.cat([game.ends()[1:], _all_but(0, game.n_players, game)])


def _all_but(start: int, stop: int, game: Game) -> Tensor:
    players = torch.arange(game.n_players, device=game.device)
    return players[start:stop, None] != players
