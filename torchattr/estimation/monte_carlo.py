"""The mean over independent draws, with a stopping rule."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.estimation.estimate import Estimate
from torchattr.estimation.lockstep import permutation_gains
from torchattr.estimation.moments import Moments
from torchattr.estimation.stopping import StoppingRule, check_schedule
from torchattr.estimation.truncation import TruncationPolicy
from torchattr.games.counted import Counted
from torchattr.games.game import Game
from torchattr.sampling.draws import Sampler
from torchattr.sampling.permutations import PermutationSampler

__all__ = ["monte_carlo"]

# Bytes of coalitions, and of values in float64, that are held at once.
_BLOCK_BYTES = 2**25


def monte_carlo(
    game: Game,
    sampler: Sampler,
    n_draws: int,
    *,
    generator: torch.Generator | None = None,
    stopping: StoppingRule | None = None,
    truncation: TruncationPolicy | None = None,
) -> Estimate:
    r"""Mean and standard error of independent unbiased estimates.

    :math:`\hat\phi = \frac1R \sum_r H_r v(S_r)` with
    :math:`\mathrm{se}^2 = \frac{1}{R(R-1)} \sum_r (H_r v(S_r) - \hat\phi)^2`.

    The empty and the full coalition are evaluated once; each draw adds
    ``sampler.n_coalitions`` evaluations.

    Args:
        game: The game, with values ``(C, *value)``.
        sampler: The source of draws.
        n_draws: The most draws, at least one.
        generator: Source of randomness; ``None`` is PyTorch's global one.
        stopping: Ends the run early. It is asked after fixed numbers of draws (see
            :func:`~torchattr.estimation.stopping.check_schedule`), never at the
            boundaries of batches.
        truncation: Ends permutations early, which then advance together (see
            :func:`~torchattr.estimation.permutation_gains`): fewer
            evaluations, and a bias that standard errors do not show. Between two checks
            of a stopping rule there are few permutations to advance together.

    Returns:
        The estimate, ``(n, *value)``.

    Raises:
        InputError: If there is no draw to make, or ``truncation`` is for a sampler of
            something else than permutations.

    Example:
        >>> from torchattr.games import AdditiveGame
        >>> from torchattr.sampling import Permutations
        >>> game = AdditiveGame(torch.tensor([1.0, 2.0, 4.0]))
        >>> estimate = monte_carlo(game, Permutations(3), n_draws=2)
        >>> estimate.values.tolist(), estimate.n_evaluations
        ([1.0, 2.0, 4.0], 6)
    """
    n_draws = _affordable(n_draws, sampler, stopping)
    began = time.perf_counter()
    game = Counted(game)
    ends = game(game.ends())
    replicates = _replicates_of(game, sampler, ends, truncation)
    n_outputs = ends[0].numel()
    block = _draws_in_a_block(sampler, n_outputs, truncation)
    shape = (sampler.n_players, *ends.shape[1:])
    moments = Moments.none((sampler.n_players, n_outputs), game.device)
    history: list[Estimate] = []
    for check in [n_draws] if stopping is None else check_schedule(n_draws):
        for start in range(moments.count, check, block):
            estimates = replicates(min(block, check - start), generator)
            moments = moments.merged(Moments.of(estimates))
        history.append(
            Estimate(
                moments.mean.reshape(shape),
                moments.standard_error.reshape(shape),
                n_draws=moments.count,
                n_evaluations=game.n_evaluations,
                seconds=time.perf_counter() - began,
            )
        )
        if stopping is not None and stopping.is_met(history):
            break
    return history[-1]


def _affordable(n_draws: int, sampler: Sampler, stopping: StoppingRule | None) -> int:
    """How many draws a stopping rule leaves to make."""
    if stopping is not None and stopping.max_evaluations < float("inf"):
        spare = int(stopping.max_evaluations) - 2
        if sampler.n_coalitions > 0 or spare < 0:  # a single player has none of its own
            n_draws = min(n_draws, spare // max(sampler.n_coalitions, 1))
    if n_draws < 1:
        raise InputError(
            "n_samples (and MaxEvaluations) must allow at least one draw of "
            f"{sampler.n_coalitions} coalitions beside the empty and the full one"
        )
    return n_draws


def _replicates_of(
    game: Game, sampler: Sampler, ends: Tensor, truncation: TruncationPolicy | None
) -> Callable[[int, torch.Generator | None], Tensor]:
    """A function that gives the next ``(R, n, V)`` estimates, one for each draw."""
    empty, full = ends.reshape(2, -1).double()

    def whole(n_draws: int, generator: torch.Generator | None) -> Tensor:
        draws = sampler.draw(n_draws, generator)
        values = _values(game, draws.coalitions, empty)
        return draws.estimates(values, empty, full)

    if truncation is None:
        return whole
    if not isinstance(sampler, PermutationSampler):
        raise InputError(
            f"truncation is for permutations, not for {type(sampler).__name__}"
        )

    def truncated(n_draws: int, generator: torch.Generator | None) -> Tensor:
        orders = sampler.orders(n_draws, generator)
        walks = orders.flatten(0, 1)
        gains = permutation_gains(game, walks, truncation, ends=ends)
        gains = gains.reshape(*orders.shape, -1)
        position = orders.argsort(-1).unsqueeze(-1)
        return gains.gather(2, position.expand_as(gains)).mean(1)

    return truncated


def _draws_in_a_block(
    sampler: Sampler, n_outputs: int, truncation: TruncationPolicy | None
) -> int:
    """How many draws are evaluated before they are folded into the moments."""
    # With truncation, the coalitions of one step are all there are at a time.
    row = max(sampler.n_players if truncation is None else 8, 8 * n_outputs)
    return max(1, _BLOCK_BYTES // (row * max(sampler.n_coalitions, 1)))


def _values(game: Game, coalitions: Tensor, like: Tensor) -> Tensor:
    """``(R, c, V)`` float64 values of ``(R, c, n)`` coalitions."""
    if coalitions.numel() == 0:  # a single player has the empty and the full one only
        return like.new_empty(*coalitions.shape[:2], like.numel())
    return game(coalitions.flatten(0, 1)).double().reshape(*coalitions.shape[:2], -1)
