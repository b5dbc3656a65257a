"""The order in which a model visits its training examples."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["members_in_order", "order", "scrambled"]

_MASK = 2**64 - 1


def scrambled(*numbers: int) -> int:
    """A number of 64 bits that depends on each of some numbers, and on their order.

    The finaliser of SplitMix64 after each (Steele, Lea and Flood, 2014).

    Args:
        *numbers: Any integers; they count modulo :math:`2^{64}`.

    Returns:
        An integer from 0 to :math:`2^{64} - 1`.

    Example:
        >>> scrambled(0, 1) != scrambled(1, 0)
        True
    """
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


def order(seed: int, epoch: int, n: int) -> Tensor:
    """The order of all ``n`` examples in an epoch: a function of seed, epoch and n.

    Args:
        seed: Any integer.
        epoch: Number of the epoch, from 0.
        n: Number of examples of the whole training set.

    Returns:
        A permutation of ``0 .. n - 1``, int64 on the CPU.

    Example:
        >>> order(0, 0, 5).sort().values
        tensor([0, 1, 2, 3, 4])
    """
    generator = torch.Generator().manual_seed(scrambled(seed, epoch))
    return torch.randperm(n, generator=generator)


def members_in_order(coalitions: Tensor, order: Tensor, width: int) -> Tensor:
    """The members of each coalition, in the order of an epoch.

    Args:
        coalitions: ``(K, n)`` booleans.
        order: ``(n,)`` a permutation of the examples.
        width: Columns of the answer, at least the size of the largest coalition.

    Returns:
        ``(K, width)`` positions of examples; 0 after the last member.

    Example:
        >>> coalitions = torch.tensor([[True, False, True], [False, True, False]])
        >>> members_in_order(coalitions, torch.tensor([2, 1, 0]), width=2)
        tensor([[2, 0],
                [1, 0]])
    """
    n_models, n = coalitions.shape
    stay = coalitions[:, order]
    # A place for each member, and one more column for all others. A stable sort by
    # membership gives the same, in several times the time.
    place = torch.where(stay, stay.cumsum(1) - 1, width)
    members = order.new_zeros(n_models, width + 1)
    members.scatter_(1, place, order.expand(n_models, n))
    return members[:, :width]
