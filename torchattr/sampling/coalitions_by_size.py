"""Coalitions of given sizes: all of them, or random ones, and how many of each size."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, combinations

import numpy as np
import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.semivalues import Semivalue, log_binomial, shapley

__all__ = ["allocate_to_sizes", "coalitions_of_sizes", "random_coalitions_of_sizes"]


def allocate_to_sizes(
    n_players: int, n_evaluations: int, *, semivalue: Semivalue = shapley
) -> Tensor:
    r"""How many coalitions of each size to evaluate.

    The sizes 0, 1, n - 1 and n are taken whole (the border trick: they are few, and
    each tells a player's value alone or without it). Of the others each gets two, and
    the rest is shared in proportion to

    .. math:: \sqrt{w_{s-1}^2\,\tfrac{n}{s} + w_s^2\,\tfrac{n}{n-s}},
        \qquad w_s = \binom{n-1}{s} p_s,

    which minimises the variance of size-stratified sums when values vary alike within
    all sizes. For the Shapley value that is :math:`\propto 1/\sqrt{s(n-s)}`, which
    serves all Beta Shapley and Banzhaf values well. No size gets more coalitions than
    it has; one that gets all is to be enumerated.

    Args:
        n_players: Number of players.
        n_evaluations: Number of coalitions in all.
        semivalue: The value to be estimated best.

    Returns:
        ``(n_players + 1,)`` integers that sum to ``n_evaluations``, or to
        ``2 ** n_players`` if that is less.

    Raises:
        InputError: If there are fewer evaluations than that takes, 4n - 4.

    Example:
        >>> allocate_to_sizes(6, 40)
        tensor([1, 6, 9, 8, 9, 6, 1])

    References:
        Li and Yu (2024), *One sample fits all*; Kolpaczki et al. (2024),
        *Approximating the Shapley value without marginal contributions*.
    """
    n = n_players
    sizes = torch.arange(n + 1)
    pools = log_binomial(n, sizes).exp().round()
    if n_evaluations >= float(pools.sum()):
        return pools.long()
    fewest = max(2, 4 * n - 4)
    if n_evaluations < fewest:
        raise InputError(
            f"size-stratified sums of {n} players need at least {fewest} "
            f"evaluations, got {n_evaluations}. With fewer, sample permutations."
        )
    pools = pools.clamp(max=n_evaluations)
    least = torch.where((sizes < 2) | (sizes > n - 2), pools, 2.0)
    urgency = _urgency(n, semivalue)
    low, high = 0.0, n_evaluations / float(urgency.amin())
    for _ in range(100):  # bisection for the number per unit of urgency
        middle = (low + high) / 2
        total = float((middle * urgency).clamp(least, pools).sum())
        low, high = (low, middle) if total > n_evaluations else (middle, high)
    shares = (low * urgency).clamp(least, pools)
    counts = shares.floor()
    missing = n_evaluations - int(counts.sum())
    ahead = torch.where(counts < pools, shares - counts, -1.0).topk(missing).indices
    counts[ahead] += 1
    return counts.long()


def coalitions_of_sizes(n_players: int, sizes: Iterable[int]) -> Tensor:
    """All coalitions of some sizes.

    Args:
        n_players: Number of players.
        sizes: The sizes.

    Returns:
        ``(C, n_players)`` booleans on the CPU, size by size.

    Example:
        >>> coalitions_of_sizes(3, [0, 2]).int()
        tensor([[0, 0, 0],
                [1, 1, 0],
                [1, 0, 1],
                [0, 1, 1]], dtype=torch.int32)
    """
    blocks = [torch.empty(0, n_players, dtype=torch.bool)]
    for size in sizes:
        players = chain.from_iterable(combinations(range(n_players), size))
        members = torch.as_tensor(np.fromiter(players, dtype=np.int64))
        rows = members.reshape(-1, size) if size else members.new_empty(1, 0)
        block = torch.zeros(len(rows), n_players, dtype=torch.bool)
        blocks.append(block.scatter_(1, rows, value=True))
    return torch.cat(blocks)


def random_coalitions_of_sizes(
    n_players: int, sizes: Tensor, *, generator: torch.Generator | None = None
) -> Tensor:
    """One uniformly random coalition of each given size, with replacement.

    Args:
        n_players: Number of players.
        sizes: ``(C,)`` integers from 0 to ``n_players``.
        generator: Source of randomness; ``None`` is PyTorch's global one.

    Returns:
        ``(C, n_players)`` booleans, on the generator's device.

    Example:
        >>> random_coalitions_of_sizes(5, torch.tensor([0, 2, 5])).sum(1)
        tensor([0, 2, 5])
    """
    device = torch.device("cpu") if generator is None else generator.device
    keys = torch.rand(
        len(sizes), n_players, generator=generator, device=device, dtype=torch.float64
    )
    first = torch.arange(n_players, device=device) < sizes.to(device)[:, None]
    return torch.zeros_like(first).scatter_(1, keys.argsort(1), first)


def _urgency(n: int, semivalue: Semivalue) -> Tensor:
    """Standard deviation that one coalition of each size would leave; never zero."""
    sizes = torch.arange(n, dtype=torch.float64)
    weights = log_binomial(n - 1, sizes).exp() * semivalue(n)
    joined = torch.nn.functional.pad(weights.square() * n / (n - sizes), (0, 1))
    left = torch.nn.functional.pad(weights.square() * n / (sizes + 1), (1, 0))
    urgency = (joined + left).sqrt()
    return urgency + 1e-9 * urgency.amax()  # takes what the others cannot use
