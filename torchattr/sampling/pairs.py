r"""Pairs: a coalition together with its complement.

The Shapley value, the Banzhaf value and every semivalue whose weights are symmetric
depend only on the odd part of a game, :math:`g(S) = (v(S) - v(N \setminus S)) / 2`.
Two evaluations of the game give one value of :math:`g`, so the pair is the unit of
sampling for regressions and Gaussian processes. A pair is stored by one side of it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, combinations
from math import comb

import torch
from torch import Tensor

__all__ = [
    "leverage_pairs",
    "n_pairs_available",
    "pair_sizes",
    "stratum_counts",
    "uniform_pairs",
]


def n_pairs_available(n_players: int) -> int:
    r"""Number of pairs beside the empty and the full coalition, :math:`2^{n-1} - 1`.

    Args:
        n_players: Number of players.

    Returns:
        An exact integer.

    Example:
        >>> n_pairs_available(4)
        7
    """
    return (1 << (n_players - 1)) - 1


def pair_sizes(pairs: Tensor) -> Tensor:
    """Size of the smaller side of each pair.

    Args:
        pairs: ``(P, n)`` booleans, either side of each pair.

    Returns:
        ``(P,)`` integers between 0 and ``n // 2``.

    Example:
        >>> pair_sizes(torch.tensor([[True, False, False], [True, True, False]]))
        tensor([1, 1])
    """
    sizes = pairs.sum(1)
    return torch.minimum(sizes, pairs.shape[1] - sizes)


def stratum_counts(n_players: int) -> list[int]:
    """Number of pairs whose smaller side has each size.

    Args:
        n_players: Number of players.

    Returns:
        Exact integers for sizes ``0, ..., n // 2``.

    Example:
        >>> stratum_counts(4)
        [1, 4, 3]
    """
    counts = [comb(n_players, size) for size in range(n_players // 2 + 1)]
    if n_players % 2 == 0:
        counts[-1] = max(counts[-1] // 2, 1)
    return counts


def leverage_pairs(
    n_players: int,
    n_pairs: int,
    *,
    generator: torch.Generator | None = None,
    device: torch.device | None = None,
) -> Tensor:
    r"""Distinct pairs, spread evenly over the sizes of coalitions.

    Sampling a size uniformly, and then a coalition of this size, is sampling by the
    leverage scores of the regression whose solution is the Shapley value. Here the
    number of pairs of each size is fixed in advance (as even as the number of pairs
    that exist allows) and pairs are drawn without replacement, which removes the
    variance of both. The rows come in random order, so that every prefix is a design.

    Args:
        n_players: Number of players.
        n_pairs: Number of pairs; at most :math:`2^{n-1} - 1` are returned, which is
            all of them.
        generator: Source of randomness; ``None`` is PyTorch's global one.
        device: Where the pairs live. They are drawn where the generator lives, so the
            device does not change them.

    Returns:
        ``(P, n)`` booleans: the smaller side of each pair; of two halves, the one with
        the last player.

    Example:
        >>> pairs = leverage_pairs(6, 9, generator=torch.Generator().manual_seed(0))
        >>> torch.bincount(pair_sizes(pairs))
        tensor([0, 3, 4, 2])

    References:
        Musco and Witter (2025), *Provably accurate Shapley value estimation via
        leverage score sampling*.
    """
    n_pairs = min(n_pairs, n_pairs_available(n_players))
    origin = torch.device("cpu") if generator is None else generator.device
    available = torch.tensor(
        [min(count, n_pairs) for count in stratum_counts(n_players)[1:]],
        dtype=torch.float64,
        device=origin,
    )
    counts = _even_counts(available, n_pairs, n_players, generator)
    drawn, sizes = [], []
    for size, (count, existing) in enumerate(
        zip(counts.tolist(), stratum_counts(n_players)[1:], strict=True), start=1
    ):
        # Rejection would stall where most pairs are wanted: list those strata whole.
        if count and existing <= 4 * count:
            listed = _all_of_size(n_players, size).to(origin)
            chosen = torch.randperm(existing, generator=generator, device=origin)
            drawn.append(listed[chosen[:count]])
        elif count:
            sizes.append(torch.full((count,), size, device=origin))
    if sizes:
        drawn.append(_distinct_of_sizes(torch.cat(sizes), n_players, generator))
    pairs = torch.cat([
        torch.zeros(0, n_players, dtype=torch.bool, device=origin),
        *drawn,
    ])
    order = torch.randperm(len(pairs), generator=generator, device=origin)
    return pairs[order].to(device=device)


def uniform_pairs(
    n_players: int,
    n_pairs: int,
    *,
    generator: torch.Generator | None = None,
    device: torch.device | None = None,
) -> Tensor:
    r"""Distinct pairs, all :math:`2^{n-1}` equally likely: the design for Banzhaf.

    The pair of the empty and the full coalition is one of them.

    Args:
        n_players: Number of players.
        n_pairs: Number of pairs; at most :math:`2^{n-1}` are returned.
        generator: Source of randomness; ``None`` is PyTorch's global one.
        device: Where the pairs live.

    Returns:
        ``(P, n)`` booleans: the side of each pair without the last player.

    Example:
        >>> uniform_pairs(2, 9, generator=torch.Generator().manual_seed(0)).int()
        tensor([[0, 0],
                [1, 0]], dtype=torch.int32)

    References:
        Liu, Witter, Korn, Alrashed, Paparas, Musco and Freire (2024), *Kernel Banzhaf*.
    """
    existing = 2 ** (n_players - 1)
    n_pairs = min(n_pairs, existing)
    origin = torch.device("cpu") if generator is None else generator.device
    if existing <= 4 * n_pairs:
        chosen = torch.randperm(existing, generator=generator, device=origin)[:n_pairs]
        bits = torch.arange(n_players, device=origin)
        return ((chosen[:, None] >> bits) & 1).bool().to(device=device)

    def propose(missing: Tensor) -> Tensor:
        shape = (len(missing), n_players)
        pairs = torch.rand(shape, generator=generator, device=origin) < 0.5
        pairs[:, -1] = False
        return pairs

    labels = torch.zeros(n_pairs, device=origin)
    return _distinct(propose, labels, n_players, generator).to(device=device)


def _even_counts(
    available: Tensor, n_pairs: int, n_players: int, generator: torch.Generator | None
) -> Tensor:
    """How many pairs each size gets: equally many, as far as they exist."""
    # Both sides of a pair of halves have the same size: it counts half.
    share = torch.ones_like(available)
    if n_players % 2 == 0:
        share[-1:] = 0.5
    # Small sizes run out first. Taking an exhausted size out raises the level of the
    # others, taking another one out lowers it: the level sought is the largest.
    left = n_pairs - available.cumsum(0) + available
    level = (left / share.flip(0).cumsum(0).flip(0)).amax() if n_pairs else 0
    expected = torch.minimum(available, level * share)
    counts = (expected + 1e-9).floor()  # the largest fractions get what is missing
    missing = n_pairs - int(counts.sum())
    ties = torch.rand(counts.shape, generator=generator, device=counts.device)
    urgency = (expected - counts + 1e-6 * ties).where(counts < available, -1)
    counts[urgency.argsort(descending=True)[:missing]] += 1
    return counts.long()


def _all_of_size(n_players: int, size: int) -> Tensor:
    """Every pair whose smaller side has ``size`` players, in lexicographic order."""
    halves = 2 * size == n_players
    members = combinations(range(n_players - halves), size - halves)
    flat = torch.tensor(list(chain.from_iterable(members)), dtype=torch.long)
    rows = flat.reshape(stratum_counts(n_players)[size], size - halves)
    pairs = torch.zeros(len(rows), n_players, dtype=torch.bool).scatter_(
        1, rows, value=True
    )
    pairs[:, -1] |= halves
    return pairs


def _distinct_of_sizes(
    sizes: Tensor, n_players: int, generator: torch.Generator | None
) -> Tensor:
    """One pair for each size asked for, uniform among sets of distinct pairs."""

    def propose(sizes: Tensor) -> Tensor:
        shape = (len(sizes), n_players)
        keys = torch.rand(shape, generator=generator, device=sizes.device)
        keys[2 * sizes == n_players, -1] = -1  # the last player is on the stored side
        return keys.argsort(1).argsort(1) < sizes[:, None]

    return _distinct(propose, sizes, n_players, generator)


def _distinct(
    propose: Callable[[Tensor], Tensor],
    labels: Tensor,
    n_players: int,
    generator: torch.Generator | None,
) -> Tensor:
    """``propose(labels)``, with repeated rows proposed anew until there are none."""
    # Rows are compared by a random hash; two different rows that share one (chance
    # 2^-62) only cost a proposal.
    keys = torch.randint(2**62, (n_players,), generator=generator, device=labels.device)
    rows = propose(labels)
    while True:
        order = (rows * keys).sum(1).argsort(stable=True)
        hashes = (rows[order] * keys).sum(1)
        repeated = order[1:][hashes[1:] == hashes[:-1]]
        if len(repeated) == 0:
            return rows
        rows[repeated] = propose(labels[repeated])
