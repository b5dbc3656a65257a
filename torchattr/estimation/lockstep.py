"""Permutations that advance together, so that what is evaluated at once is alike."""

from __future__ import annotations

import torch
from torch import Tensor

from torchattr.estimation.truncation import NoTruncation, TruncationPolicy
from torchattr.games.game import Game

__all__ = ["permutation_gains"]

# A few permutations would hand their game a few coalitions at a time, where many models
# are trained for little more than one. So they look ahead, by this many coalitions in
# all and this share of the players: what is wasted at most.
_MOST_AHEAD = 32
_SHARE_AHEAD = 1 / 16


def permutation_gains(
    game: Game,
    orders: Tensor,
    truncation: TruncationPolicy | None = None,
    *,
    ends: Tensor | None = None,
) -> Tensor:
    r"""What each player adds to those before it, in many permutations.

    :math:`g_{rt} = v(P_{t+1}^{\pi_r}) - v(P_t^{\pi_r})`. Without truncation all
    coalitions are asked for in one call. With it, all permutations take their step
    :math:`t` together, in a call with one coalition of :math:`t` players for each (and
    of a few further steps, if permutations are few and players many); those that the
    policy ends get gains of 0 from there on, so that their sum falls short of
    :math:`v(N) - v(\emptyset)`.

    Args:
        game: The game, with values ``(C, *value)``.
        orders: ``(R, n)``: the players in the order of each permutation.
        truncation: Which permutations end early, judged by the mean over the outputs
            if there are several; ``None`` is none.
        ends: ``(2, *value)``, the values of the empty and the full coalition, if they
            are known; evaluated if ``None``.

    Returns:
        ``(R, n, *value)`` float64: the gain at each position of each permutation.

    Example:
        >>> from torchattr.games import AdditiveGame
        >>> game = AdditiveGame(torch.tensor([1.0, 2.0, 4.0]))
        >>> permutation_gains(game, torch.tensor([[2, 0, 1]]))
        tensor([[4., 1., 2.]], dtype=torch.float64)
    """
    orders = orders.to(game.device)
    walks, n = len(orders), game.n_players
    ends = game(game.ends()) if ends is None else ends
    paths = torch.empty(
        (walks, n + 1, ends[0].numel()), dtype=torch.float64, device=game.device
    )
    paths[:, 0], paths[:, n] = ends.reshape(2, 1, -1).double()
    position = orders.argsort(-1)
    if truncation is None or isinstance(truncation, NoTruncation):
        steps = torch.arange(1, n, device=game.device)
        if walks * len(steps) > 0:
            coalitions = position[:, None] < steps[:, None]
            values = game(coalitions.flatten(0, 1))
            paths[:, 1:n] = values.reshape(walks, n - 1, -1).double()
    else:
        _walk(game, position, paths, truncation)
    return paths.diff(dim=1).reshape(walks, n, *ends.shape[1:])


def _walk(
    game: Game, position: Tensor, paths: Tensor, truncation: TruncationPolicy
) -> None:
    """Fill the paths step by step; those that end keep the value they have reached."""
    n = game.n_players
    going = torch.arange(len(paths), device=paths.device)
    walk = paths.mean(-1)  # of those that go on, so that a policy can have a view
    total = walk[0, n].clone()
    most_ahead, evaluated = min(_MOST_AHEAD, int(_SHARE_AHEAD * n)), 0
    for t in range(1, n):
        if t > evaluated:
            evaluated = min(t + max(most_ahead // len(going), 1), n) - 1
            steps = torch.arange(t, evaluated + 1, device=paths.device)
            values = game((position[:, None] < steps[:, None]).flatten(0, 1))
            values = values.reshape(len(going), len(steps), -1).double()
            paths[going, t : evaluated + 1] = values
            walk[:, t : evaluated + 1] = values.mean(-1)
        ended = truncation.truncated(walk[:, : t + 1], total, n)
        if bool(ended.any()):
            stopped, stays = going[ended], ~ended
            paths[stopped, t + 1 :] = paths[stopped, t : t + 1]
            going, walk, position = going[stays], walk[stays], position[stays]
            if len(going) == 0:
                break
