r"""The odd part of a game, on which symmetric semivalues alone depend.

:math:`g(S) = (v(S) - v(N \setminus S)) / 2` takes two evaluations, a pair.
"""

from __future__ import annotations

import torch
from torch import Tensor

from torchattr.games.game import Game

__all__ = ["odd_values", "total_value"]


def total_value(game: Game) -> tuple[Tensor, torch.Size]:
    r"""What all players share, :math:`v(N) - v(\emptyset)`; costs two evaluations.

    Args:
        game: The game, with values ``(C, *value)``.

    Returns:
        ``(V,)`` float64, and the shape of a value.

    Example:
        >>> from torchattr.games import AdditiveGame
        >>> total_value(AdditiveGame(torch.tensor([1.0, 2.0]), offset=5.0))
        (tensor([3.], dtype=torch.float64), torch.Size([]))
    """
    ends = game(game.ends())
    empty, full = ends.reshape(2, -1).double()
    return full - empty, ends.shape[1:]


def odd_values(game: Game, pairs: Tensor) -> Tensor:
    """The odd part at some coalitions; costs two evaluations each.

    Args:
        game: The game, with values ``(C, *value)``.
        pairs: ``(P, n)`` booleans, one side of each pair.

    Returns:
        ``(P, V)`` float64.

    Example:
        >>> from torchattr.games import AdditiveGame
        >>> game = AdditiveGame(torch.tensor([1.0, 2.0]), offset=5.0)
        >>> odd_values(game, torch.tensor([[True, False]]))
        tensor([[-0.5000]], dtype=torch.float64)
    """
    both = torch.stack([pairs, ~pairs], dim=1).flatten(0, 1)
    values = game(both).reshape(len(pairs), 2, -1).double()
    return (values[:, 0] - values[:, 1]) / 2
