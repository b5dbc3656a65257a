"""Pairs chosen so that they say as much as possible about the values of players."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from torchattr.sampling.odd_kernel import OddKernel, Quadrature
from torchattr.sampling.pairs import leverage_pairs, n_pairs_available

__all__ = ["a_optimal_pairs"]

# The game that designs are made for: rough interactions, as strong as main effects once
# there are two pairs for each player. Weak ones leave all pairs to the main effects,
# which is right for as many pairs as players; beyond, it costs a seventh of the error.
_COUPLING = 4.0
_WEAKEST, _STRONGEST = 0.1, 1.0
_SIZES = 0.1
_NOISE = 1e-2  # as a share of interactions
_JITTER = 1e-9

_SPARE = 600  # candidates beside the pairs wanted; twice as many gained nothing
_MOST_CANDIDATES = 900
_MOST_CHOSEN = 250  # beyond, a chosen pair is hardly better than a random one


@lru_cache(maxsize=128)
def a_optimal_pairs(n_players: int, n_pairs: int, *, seed: int = 0) -> Tensor:
    r"""Distinct pairs that together leave the values of players least uncertain.

    Before any evaluation, a Gaussian prior on the odd part of the game (see
    ``torchattr/sampling/odd_kernel.py``) says how much a pair would reduce
    :math:`\mathrm{tr}\,\mathrm{Cov}(\phi)`. Among some hundreds of leverage pairs,
    the one that reduces it most is taken, again and again. Against leverage pairs
    themselves the error of the estimate falls by a third. The design depends on the
    arguments alone and is cached; relabel the players to randomise it.

    Args:
        n_players: Number of players.
        n_pairs: Number of pairs; at most :math:`2^{n-1} - 1`, which is all of them.
        seed: Seed of the candidates.

    Returns:
        ``(P, n)`` booleans on the CPU, the most telling pairs first. The tensor is the
        cached one: do not write to it.

    Example:
        >>> a_optimal_pairs(6, 10).shape
        torch.Size([10, 6])

    References:
        Chaloner and Verdinelli (1995), *Bayesian experimental design: a review*.
    """
    n_pairs = min(n_pairs, n_pairs_available(n_players))
    generator = torch.Generator().manual_seed(seed)
    pool = leverage_pairs(n_players, n_pairs + _SPARE, generator=generator)
    if len(pool) == n_pairs:
        return pool
    spared = n_pairs / n_players - 1  # pairs for each player, beside main effects
    chosen = _greedy(
        pool[:_MOST_CANDIDATES],
        min(n_pairs, _MOST_CHOSEN),
        interaction=min(max(spared, _WEAKEST), _STRONGEST),
    )
    rest = torch.ones(len(pool), dtype=torch.bool)
    rest[chosen] = False
    return torch.cat([pool[chosen], pool[rest][: n_pairs - len(chosen)]])


def _greedy(candidates: Tensor, n_chosen: int, *, interaction: float) -> Tensor:
    """Indices of the candidates that reduce the uncertainty most, one after another."""
    noise = _NOISE * interaction
    among, with_players = _prior(candidates, interaction)
    # The full coalition is known first; then its row is no candidate.
    _observe(among, with_players, 0, noise=_JITTER)
    among, with_players = among[1:, 1:].clone(), with_players[:, 1:].clone()
    chosen = torch.empty(n_chosen, dtype=torch.long)
    free = torch.ones(len(candidates), dtype=torch.bool)
    for step in range(n_chosen):
        reduction = with_players.square().sum(0) / (among.diagonal() + noise)
        best = int(reduction.where(free, -1).argmax())
        _observe(among, with_players, best, noise=noise)
        chosen[step], free[best] = best, False
    return chosen


def _prior(candidates: Tensor, interaction: float) -> tuple[Tensor, Tensor]:
    """Covariances among the full coalition and the candidates, and with the players."""
    n = candidates.shape[1]
    ones = torch.ones(1, n, dtype=torch.float64)
    signs = torch.cat([ones, candidates.double() * 2 - 1])
    kernel = OddKernel(ones, (ones * _COUPLING / n).clamp(max=0.9))
    among = kernel.covariance(
        signs,
        kernel.products(signs),
        interaction=ones[0, :1] * interaction,
        size=ones[0, :1] * _SIZES,
    )[0]
    shapley = Quadrature.beta(n, 1.0, signs.device)
    linear, joint = kernel.readout(signs, shapley)
    return among, (linear + interaction * joint)[0]


def _observe(among: Tensor, with_players: Tensor, index: int, *, noise: float) -> None:
    """Condition both covariances, in place, on one observation."""
    column = among[:, index].clone()
    gain = column / (column[index] + noise)
    with_players.addr_(with_players[:, index].clone(), gain, alpha=-1)
    among.addr_(column, gain, alpha=-1)
