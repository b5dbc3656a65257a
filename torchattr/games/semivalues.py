r"""Semivalues: how much a marginal contribution counts, by coalition size.

A semivalue of player :math:`i` is
:math:`\phi_i = \sum_{S \not\ni i} p_{|S|}\,[v(S \cup i) - v(S)]` with
:math:`\sum_{s=0}^{n-1} \binom{n-1}{s} p_s = 1`. Each function here maps the number of
players to the weights :math:`p_0, \dots, p_{n-1}`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor

from torchattr.errors import InputError

__all__ = [
    "Semivalue",
    "banzhaf",
    "beta_shapley",
    "leave_one_out",
    "log_binomial",
    "shapley",
    "weighted_banzhaf",
]

#: ``n_players -> (n_players,)`` float64 weights by the size of the coalition joined.
Semivalue: TypeAlias = Callable[[int], Tensor]


def log_binomial(n: int, k: Tensor) -> Tensor:
    r"""Logarithms of binomial coefficients, :math:`\log \binom{n}{k}`.

    Args:
        n: Size of the set.
        k: Sizes of the subsets, each between 0 and ``n``.

    Returns:
        A float64 tensor of the shape of ``k``.

    Example:
        >>> log_binomial(4, torch.arange(5)).exp().round()
        tensor([1., 4., 6., 4., 1.], dtype=torch.float64)
    """
    size = k.double()
    return math.lgamma(n + 1) - torch.lgamma(size + 1) - torch.lgamma(n - size + 1)


def shapley(n_players: int) -> Tensor:
    r"""Weights of the Shapley value, :math:`p_s = 1 / (n \binom{n-1}{s})`.

    Args:
        n_players: Number of players, at least one.

    Returns:
        ``p[s]`` for ``s = 0, ..., n_players - 1``.

    Example:
        >>> shapley(3)
        tensor([0.3333, 0.1667, 0.3333], dtype=torch.float64)

    References:
        Shapley (1953), *A value for n-person games*.
    """
    sizes = _sizes(n_players)
    return (-log_binomial(n_players - 1, sizes)).exp() / n_players


def banzhaf(n_players: int) -> Tensor:
    r"""Weights of the Banzhaf value, :math:`p_s = 2^{-(n-1)}`.

    Args:
        n_players: Number of players, at least one.

    Returns:
        ``p[s]`` for ``s = 0, ..., n_players - 1``.

    Example:
        >>> banzhaf(3)
        tensor([0.2500, 0.2500, 0.2500], dtype=torch.float64)

    References:
        Banzhaf (1965), *Weighted voting doesn't work*; Wang and Jia (2023),
        *Data Banzhaf*.
    """
    return torch.full_like(_sizes(n_players), 0.5 ** (n_players - 1))


def weighted_banzhaf(w: float) -> Semivalue:
    r"""Semivalue in which every other player stays with probability ``w``.

    :math:`p_s = w^s (1-w)^{n-1-s}`; ``w = 0.5`` is :func:`banzhaf`.

    Args:
        w: Probability of staying, strictly between 0 and 1.

    Returns:
        The semivalue.

    Raises:
        InputError: If ``w`` is outside the open interval.

    Example:
        >>> weighted_banzhaf(0.25)(3)
        tensor([0.5625, 0.1875, 0.0625], dtype=torch.float64)

    References:
        Li and Yu (2023), *Robust data valuation with weighted Banzhaf values*.
    """
    if not 0 < w < 1:
        raise InputError(f"w must lie strictly between 0 and 1, got {w!r}")
    return partial(_weighted_banzhaf, w)


def beta_shapley(a: float, b: float) -> Semivalue:
    r"""Beta Shapley, :math:`p_s = B(s+b,\,n-1-s+a) / B(a,b)`.

    A large ``a`` favours small coalitions; ``a = b = 1`` is :func:`shapley`.

    Args:
        a: First parameter, positive.
        b: Second parameter, positive.

    Returns:
        The semivalue.

    Raises:
        InputError: If a parameter is not positive.

    Example:
        >>> torch.allclose(beta_shapley(1, 1)(5), shapley(5))
        True

    References:
        Kwon and Zou (2022), *Beta Shapley*.
    """
    if not (a > 0 and b > 0):
        raise InputError(f"a and b must be positive, got {a!r} and {b!r}")
    return partial(_beta_shapley, a, b)


def leave_one_out(n_players: int) -> Tensor:
    r"""Weights of :math:`v(N) - v(N \setminus i)`: all on the largest coalition.

    Args:
        n_players: Number of players, at least one.

    Returns:
        ``p[s]`` for ``s = 0, ..., n_players - 1``.

    Example:
        >>> leave_one_out(3)
        tensor([0., 0., 1.], dtype=torch.float64)
    """
    weights = torch.zeros_like(_sizes(n_players))
    weights[-1] = 1
    return weights


def _sizes(n_players: int) -> Tensor:
    if n_players < 1:
        raise InputError(f"n_players must be at least 1, got {n_players}")
    return torch.arange(n_players, dtype=torch.float64)


def _weighted_banzhaf(w: float, n_players: int) -> Tensor:
    sizes = _sizes(n_players)
    return w**sizes * (1 - w) ** (n_players - 1 - sizes)


def _beta_shapley(a: float, b: float, n_players: int) -> Tensor:
    sizes = _sizes(n_players)
    log_joint = torch.lgamma(sizes + b) + torch.lgamma(n_players - 1 - sizes + a)
    log_scale = math.lgamma(n_players - 1 + a + b) + _log_beta(a, b)
    return (log_joint - log_scale).exp()


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
