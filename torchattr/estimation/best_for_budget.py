"""The most accurate Shapley values that a number of evaluations can buy."""

from __future__ import annotations

import time

import torch

from torchattr.estimation.estimate import Estimate
from torchattr.estimation.exact import exact
from torchattr.estimation.kernel_shap import kernel_shap
from torchattr.estimation.odd_gaussian_process import odd_gaussian_process
from torchattr.estimation.odd_part import odd_values, total_value
from torchattr.games.counts import as_count
from torchattr.games.game import Game
from torchattr.sampling.a_optimal import a_optimal_pairs

__all__ = ["best_for_budget"]

_MOST_PAIRS = 2000  # for a Cholesky factor in a second; regression is as good beyond


def best_for_budget(
    game: Game, budget: int, *, generator: torch.Generator | None = None
) -> Estimate:
    r"""Shapley values by the estimator that suits the budget best.

    ================================  ==================================================
    :math:`2^n \le m`                 :func:`exact`
    up to 4,000 evaluations           Gaussian process on the odd part of the game, on
                                      A-optimal pairs of coalitions
    more                              :func:`kernel_shap`: paired regression
    ================================  ==================================================

    Args:
        game: The game, with values ``(C, *value)``.
        budget: The most evaluations, at least 2: the empty and the full coalition, then
            pairs (an odd one is left unused).
        generator: Source of the one random number that seeds the design; ``None`` is
            PyTorch's global one.

    Returns:
        The estimate, ``(n, *value)``; ``n_draws`` counts pairs.

    Raises:
        InputError: If the budget is below two.

    Example:
        >>> from torchattr.games import AdditiveGame
        >>> game = AdditiveGame(torch.arange(6.0))
        >>> estimate = best_for_budget(game, 30)
        >>> estimate.values.round(decimals=6).tolist(), estimate.n_evaluations
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 30)
    """
    n = game.n_players
    as_count("budget", budget, at_least=2)
    if budget >= 1 << n:
        return exact(game, max_evaluations=budget)
    n_pairs = (budget - 2) // 2
    if not 0 < n_pairs <= _MOST_PAIRS:
        return kernel_shap(game, budget, generator=generator)
    began = time.perf_counter()
    device = generator.device if generator is not None else None
    seed = int(torch.randint(2**31, (), generator=generator, device=device))
    pairs = a_optimal_pairs(n, n_pairs, seed=seed).to(game.device)
    total, shape = total_value(game)
    fit = odd_gaussian_process(pairs, odd_values(game, pairs), total)
    return Estimate(
        fit.values.reshape(n, *shape),
        fit.standard_errors.reshape(n, *shape),
        n_draws=n_pairs,
        n_evaluations=2 + 2 * n_pairs,
        seconds=time.perf_counter() - began,
    )
