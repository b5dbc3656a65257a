"""Shapley values by a regression on pairs of coalitions, as the pairs come in."""

from __future__ import annotations

import time

import torch

from torchattr.estimation.estimate import Estimate
from torchattr.estimation.exact import exact
from torchattr.estimation.odd_part import odd_values, total_value
from torchattr.estimation.paired_regression import paired_regression
from torchattr.estimation.stopping import StoppingRule, check_schedule
from torchattr.games.counts import as_count
from torchattr.games.game import Game
from torchattr.sampling.pairs import leverage_pairs

__all__ = ["kernel_shap"]


def kernel_shap(
    game: Game,
    n_evaluations: int,
    *,
    generator: torch.Generator | None = None,
    stopping: StoppingRule | None = None,
) -> Estimate:
    r"""Shapley values as the weighted least squares fit of an additive game.

    Distinct pairs :math:`\{S, N \setminus S\}` spread evenly over the sizes are
    evaluated, and :math:`(v(S) - v(N \setminus S)) / 2` is regressed on membership
    under the constraint :math:`\sum_i \phi_i = v(N) - v(\emptyset)`; see
    :func:`~torchattr.estimation.paired_regression`. Exact when all
    coalitions are affordable.

    Args:
        game: The game, with values ``(C, *value)``.
        n_evaluations: The most evaluations, at least 2: the empty and the full
            coalition, then pairs (an odd one is left unused).
        generator: Source of randomness; ``None`` is PyTorch's global one.
        stopping: Ends the run early; asked after fixed numbers of pairs.

    Returns:
        The estimate, ``(n, *value)``; ``n_draws`` counts pairs.

    Raises:
        InputError: If there are fewer than two evaluations.

    Example:
        >>> from torchattr.games import AdditiveGame
        >>> game = AdditiveGame(torch.arange(6.0))
        >>> estimate = kernel_shap(game, 20, generator=torch.Generator().manual_seed(0))
        >>> estimate.values.round(decimals=6).tolist(), estimate.n_evaluations
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 20)

    References:
        Lundberg and Lee (2017), *A unified approach to interpreting model predictions*;
        Covert and Lee (2021), *Improving KernelSHAP*; Musco and Witter (2025),
        *Provably accurate Shapley value estimation via leverage score sampling*.
    """
    n = game.n_players
    as_count("n_samples", n_evaluations, at_least=2)
    allowed = n_evaluations
    if stopping is not None:
        allowed = int(max(2, min(allowed, stopping.max_evaluations)))
    if allowed >= 1 << n:
        return exact(game, max_evaluations=allowed)
    began = time.perf_counter()
    total, shape = total_value(game)
    n_pairs = (allowed - 2) // 2
    pairs = leverage_pairs(n, n_pairs, generator=generator, device=game.device)
    odd = total.new_empty(0, total.numel())
    history: list[Estimate] = []
    checked = stopping is not None and n_pairs > 1
    for check in check_schedule(n_pairs) if checked else [n_pairs]:
        if check > 0:  # else the total alone is known, and is split equally
            odd = torch.cat([odd, odd_values(game, pairs[len(odd) : check])])
        fit = paired_regression(pairs[:check], odd, total)
        history.append(
            Estimate(
                fit.values.reshape(n, *shape),
                fit.standard_errors.reshape(n, *shape),
                n_draws=check,
                n_evaluations=2 + 2 * check,
                seconds=time.perf_counter() - began,
                degrees_of_freedom=max(check - n, 1),
            )
        )
        if stopping is not None and stopping.is_met(history):
            break
    return history[-1]
