"""All coalitions, a block at a time."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["coalition_block"]


def coalition_block(
    n_players: int, n_low: int, high: int, *, device: torch.device | None = None
) -> Tensor:
    r"""The coalitions numbered :math:`h\,2^c, \dots, (h+1)\,2^c - 1`.

    Player :math:`i` stays in a coalition if bit :math:`i` of its number is set, so the
    first :math:`c` players take all their states and the others stay as they are.

    Args:
        n_players: Number of players.
        n_low: :math:`c`, the number of players that vary inside the block.
        high: :math:`h`, the number of the block, below ``2 ** (n_players - n_low)``.
        device: Where to make them; the CPU if ``None``.

    Returns:
        ``(2 ** n_low, n_players)`` booleans.

    Example:
        >>> coalition_block(3, n_low=1, high=2).int()
        tensor([[0, 0, 1],
                [1, 0, 1]], dtype=torch.int32)
    """
    device = torch.device("cpu") if device is None else device
    block = torch.empty(2**n_low, n_players, dtype=torch.bool, device=device)
    block[:, :n_low] = _all_states(n_low, device)
    for player in range(n_low, n_players):  # a fill each, no copy from the host
        block[:, player] = bool(high >> (player - n_low) & 1)
    return block


@lru_cache(maxsize=4)  # at most 1 MB each at the sizes that exact enumeration asks for
def _all_states(n_players: int, device: torch.device) -> Tensor:
    numbers = torch.arange(2**n_players, dtype=torch.int32, device=device)
    players = torch.arange(n_players, dtype=torch.int32, device=device)
    return (numbers[:, None] >> players & 1).bool()
