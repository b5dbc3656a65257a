"""Pairs chosen so that they say as much as possible about the values of players."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from torchattr.sampling.odd_kernel import OddKernel, Quadrature, size_covariance
from torchattr.sampling.pairs import leverage_pairs, n_pairs_available

__all__ = ["a_optimal_pairs"]

# The prior of the odd part for which designs are made: c0, r3, nu, ws of the reference.
_COUPLING = 2.0
_INTERACTIONS = 0.1
_NOISE = 1e-2
_SIZES = 0.1

_MAX_GREEDY = 250  # beyond, a chosen pair is hardly better than a random one
_MAX_CANDIDATES = 900


@lru_cache(maxsize=128)
def a_optimal_pairs(n_players: int, n_pairs: int, *, seed: int = 0) -> Tensor:
    P = min(n_pairs, n_pairs_available(n_players))
    generator = torch.Generator().manual_seed(seed)
    pool_size = 4 * P if P <= 150 else P + 600
    pool = leverage_pairs(n_players, pool_size, generator=generator)
    if len(pool) == P:
        return pool
    k = min(P, _MAX_GREEDY)
    cand = pool[:_MAX_CANDIDATES]
    chosen = _greedy(cand, k)
    taken = torch.zeros(len(pool), dtype=torch.bool)
    taken[chosen] = True
    return torch.cat([cand[chosen], pool[~taken][: P - k]])


def _greedy(candidates: Tensor, n_chosen: int) -> Tensor:
    n = candidates.shape[1]
    x = torch.cat([torch.ones(1, n), candidates * 2.0 - 1]).double()
    ones = torch.ones(1, n, dtype=torch.float64)
    kernel = OddKernel(ones, (ones * _COUPLING / n).clamp(max=0.9))
    quadrature = Quadrature.beta(n, 1.0, torch.device("cpu"))
    sizes = (x > 0).sum(1)
    C = kernel.linear(x, x)[0] + _INTERACTIONS * kernel.interactions(x, x)[0] + _SIZES * size_covariance(sizes, sizes, n)
    lin, joint = kernel.readout(x, quadrature)
    B = (lin + _INTERACTIONS * joint)[0]

    def condition(j: Tensor, noise: float) -> None:
        u = C[:, j] / (C[j, j] + noise)
        B.sub_(B[:, j].outer(u) if B.ndim == 2 else u)
        C.sub_(C[j, :].outer(u).T if False else u.outer(C[j, :].clone()))

    zero = torch.tensor(0)
    u = C[0].clone(); v = u[0] + 1e-9
    B -= torch.outer(B[:, 0].clone(), u / v); C -= torch.outer(u, u / v)
    tau = _NOISE * _INTERACTIONS + 1e-9
    C, B = C[1:, 1:].contiguous(), B[:, 1:].contiguous()
    out = torch.empty(n_chosen, dtype=torch.long)
    used = torch.zeros(len(C), dtype=torch.bool)
    for i in range(n_chosen):
        gain = B.square().sum(0) / (C.diagonal() + tau)
        gain[used] = -1
        j = gain.argmax()
        out[i] = j
        used[j] = True
        u = C[j].clone(); v = u[j] + tau
        B.addr_(B[:, j].clone(), u / v, alpha=-1)
        C.addr_(u, u / v, alpha=-1)
    return out
