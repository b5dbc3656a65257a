r"""Exact semivalues from every coalition, in :math:`O(2^n)` time and little memory."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.estimation.estimate import Estimate
from torchattr.games.game import Game
from torchattr.games.semivalues import Semivalue, shapley
from torchattr.sampling.enumeration import coalition_block

__all__ = ["count_of_coalitions", "evaluate_all", "exact"]

_BLOCK_BYTES = 2**26  # coalitions of a block, and their values with temporaries
_MOST_LOW_PLAYERS = 16  # larger blocks leave the cache and gain nothing


def count_of_coalitions(n_players: int) -> str:
    """How many coalitions there are, for a message.

    Args:
        n_players: Number of players.

    Returns:
        The power, and its digits unless they would fill lines.

    Example:
        >>> count_of_coalitions(20), count_of_coalitions(1000)
        ('2**20 = 1048576', '2**1000')
    """
    power = f"2**{n_players}"
    return f"{power} = {2**n_players}" if n_players <= 64 else power


def exact(
    game: Game, semivalue: Semivalue = shapley, *, max_evaluations: int = 2**26
) -> Estimate:
    r"""Values of all players by evaluating each of the :math:`2^n` coalitions once.

    With :math:`u(S) = (p_{|S|-1} + p_{|S|})\,v(S)` and :math:`p_{-1} = p_n = 0`,

    .. math:: \phi_i = \sum_{S \ni i} u(S) - \sum_S p_{|S|}\,v(S).

    Coalitions come in blocks in which the first players take all their states. Inside a
    block the sums over :math:`S \ni i` are made by folding its upper half, where player
    :math:`i` stays, onto its lower half, from the last player to the first: twice as
    many additions as coalitions, for all players together. Nothing of size
    :math:`2^n` is stored.

    Args:
        game: The game, with values ``(C, *value)``.
        semivalue: Which value of the players.
        max_evaluations: Refuse a game with more coalitions.

    Returns:
        ``(n, *value)`` in float64, with standard errors of 0.

    Raises:
        InputError: If there are more than ``max_evaluations`` coalitions.

    Example:
        >>> from torchattr.games.semivalues import banzhaf
        >>> from torchattr.games.synthetic import ShoesGame
        >>> exact(ShoesGame(left=2, right=1), banzhaf).values
        tensor([0.2500, 0.2500, 0.7500], dtype=torch.float64)

    References:
        Shapley (1953), *A value for n-person games*; Dubey, Neyman and Weber (1981),
        *Value theory without efficiency*.
    """
    n = game.n_players
    if 2**n > max_evaluations:
        raise InputError(
            f"exact values of {n} players need {count_of_coalitions(n)} evaluations, "
            f"more than max_evaluations={max_evaluations}. Group players, or sample "
            "coalitions."
        )
    began = time.perf_counter()
    weights = semivalue(n).to(game.device)
    joined = torch.nn.functional.pad(weights, (0, 1))  # p_s for s = 0..n
    both = joined + torch.nn.functional.pad(weights, (1, 0))  # p_{s-1} + p_s
    phi = torch.zeros(n, 1, dtype=torch.float64, device=game.device)
    shift: Tensor | None = None  # semivalues ignore it; rounding does not
    shape: tuple[int, ...] = ()
    for coalitions, block in evaluate_all(game):
        values = block.reshape(len(block), -1).double()
        if shift is None:
            shape, shift = block.shape[1:], values[0].clone()
        values = torch.sub(values, shift)  # a copy: values may be the game's own
        sizes = coalitions.sum(1)
        base = joined[sizes] @ values
        low_sums, total = _fold(values.mul_(both[sizes, None]))
        high_sums = coalitions[0, len(low_sums) :, None] * total
        phi = phi + torch.cat([low_sums, high_sums]) - base
    phi = phi.reshape(n, *shape)
    return Estimate(
        phi,
        torch.zeros_like(phi),
        n_draws=0,
        n_evaluations=2**n,
        seconds=time.perf_counter() - began,
    )


def evaluate_all(game: Game) -> Iterator[tuple[Tensor, Tensor]]:
    """Every coalition with its value, each once, in blocks of bounded memory.

    Args:
        game: The game.

    Yields:
        ``(2**c, n)`` coalitions, all states of the first ``c`` players with the others
        fixed, and their ``(2**c, *value)`` values. The empty coalition comes first.

    Example:
        >>> from torchattr.games.synthetic import MinerGame
        >>> [values.tolist() for _, values in evaluate_all(MinerGame(3))]
        [[0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0]]
    """
    n = game.n_players
    # The size of a value is known once there is one: the empty coalition goes ahead.
    empty = game(game.ends()[:1])
    row_bytes = n + 24 * empty.numel()
    n_low = max(
        1, min(n, _MOST_LOW_PLAYERS, (_BLOCK_BYTES // row_bytes).bit_length() - 1)
    )
    for high in range(2 ** (n - n_low)):
        coalitions = coalition_block(n, n_low, high, device=game.device)
        if high == 0:
            yield coalitions, torch.cat([empty, game(coalitions[1:])])
        else:
            yield coalitions, game(coalitions)


def _fold(table: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over the states in which each player stays, ``(c, V)``, and over all."""
    stays: list[Tensor] = []
    while len(table) > 1:
        absent, present = table.chunk(2)
        stays.append(present.sum(0))
        table = absent + present
    return torch.stack(stays[::-1]), table[0]
