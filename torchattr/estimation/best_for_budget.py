"""The most accurate Shapley values that a number of evaluations can buy."""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor

from torchattr.estimation.estimate import Estimate
from torchattr.estimation.exact import exact
from torchattr.estimation.odd_gaussian_process import odd_gaussian_process
from torchattr.estimation.odd_part import odd_values, total_value
from torchattr.estimation.paired_regression import paired_regression
from torchattr.games.counts import as_count
from torchattr.games.game import Game
from torchattr.sampling.a_optimal import a_optimal_pairs
from torchattr.sampling.pairs import leverage_pairs

__all__ = ["best_for_budget"]

_MOST_CORRELATED_PAIRS = 2000  # a covariance takes a second to factorise


def best_for_budget(
    game: Game, budget: int, *, generator: torch.Generator | None = None
) -> Estimate:
    r"""Shapley values by the estimator with the least error for a budget.

    ==================== ==========================================================
    budget m             estimator
    ==================== ==========================================================
    m at least 2^n       exact enumeration
    up to 4,003          odd Gaussian process on A-optimal pairs
    above                regression on leverage pairs, with size intercepts
    ==================== ==========================================================

    Antithetic permutations, the usual choice below 3n, were measured to be less
    accurate from 2n on (0.38 against 0.39 of the norm of the values for 10 to 16
    players, 0.39 against 0.33 for 30 to 64) and give no standard error at 2n.

    Args:
        game: The game, with values ``(C, *value)``.
        budget: The most evaluations, at least 2: the empty and the full coalition, then
            pairs of complements. An odd one is left unused.
        generator: Source of randomness; ``None`` is PyTorch's global one.

    Returns:
        The estimate, ``(n, *value)``; ``n_draws`` counts pairs. With the two ends
        alone, the equal split with standard errors of NaN.

    Raises:
        InputError: If there are fewer than two evaluations.

    Example:
        >>> from torchattr.games.synthetic import RandomGame
        >>> game = RandomGame(10, generator=torch.Generator().manual_seed(0))
        >>> generator = torch.Generator().manual_seed(0)
        >>> estimate = best_for_budget(game, 100, generator=generator)
        >>> error = estimate.values - game.shapley_values()
        >>> bool(error.norm() < 0.2 * estimate.values.norm())
        True
    """
    budget = as_count("budget", budget, at_least=2)
    n = game.n_players
    if budget >= 1 << n:
        return exact(game, max_evaluations=budget)
    began = time.perf_counter()
    n_pairs = (budget - 2) // 2
    total, shape = total_value(game)
    if n_pairs == 0:
        values = (total / n).expand(n, -1)
        errors = torch.full_like(values, torch.nan)
    else:
        correlated = n_pairs <= _MOST_CORRELATED_PAIRS
        if correlated:
            pairs = _relabelled(a_optimal_pairs(n, n_pairs), generator)
        else:
            pairs = leverage_pairs(n, n_pairs, generator=generator)
        pairs = pairs.to(game.device)
        pairs, odd = _evaluated(game, pairs)
        n_pairs = len(pairs)
        fit = (odd_gaussian_process if correlated else paired_regression)(
            pairs, odd, total
        )
        values, errors = fit.values, fit.standard_errors
    return Estimate(
        values.reshape(n, *shape),
        errors.reshape(n, *shape),
        n_draws=n_pairs,
        n_evaluations=2 + 2 * n_pairs,
        seconds=time.perf_counter() - began,
    )


def _evaluated(game: Game, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs and their odd values, without those whose evaluations a trial has cost."""
    if len(pairs) == 1:  # each side on its own, so that there is nothing to try
        sides = torch.cat([game(pairs), game(~pairs)]).reshape(2, 1, -1).double()
        return pairs, (sides[0] - sides[1]) / 2
    first = odd_values(game, pairs[:1])
    rest = pairs[1 : len(pairs) - math.ceil(game.n_wasted / 2)]
    if len(rest) == 0:
        return pairs[:1], first
    return pairs[: 1 + len(rest)], torch.cat([first, odd_values(game, rest)])


def _relabelled(pairs: Tensor, generator: torch.Generator | None) -> Tensor:
    """A design for other names of the players, which is as good and independent."""
    device = torch.device("cpu") if generator is None else generator.device
    order = torch.randperm(pairs.shape[1], generator=generator, device=device)
    return pairs[:, order.cpu()]
