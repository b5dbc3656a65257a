"""Truncated Monte Carlo Shapley."""

from __future__ import annotations

from typing import final

from torchattr.estimation.truncation import RelativeTruncation, TruncationPolicy
from torchattr.games.game import Game
from torchattr.valuation.methods.log_coefficients import LogCoefficient, log_shapley
from torchattr.valuation.methods.semivalue_valuation import SemivalueValuation
from torchattr.valuation.progress_bar import Show
from torchattr.valuation.samplers import PermutationSampler
from torchattr.valuation.stopping import HistoryDeviation, StoppingCriterion
from torchattr.valuation.utility import UtilityBase

__all__ = ["TMCShapleyValuation"]


@final
class TMCShapleyValuation(SemivalueValuation):
    """Data Shapley from permutations that end early.

    Where the rest of a permutation cannot change much any more, its points get a
    contribution of 0 without an evaluation. That is a bias, and no part of the standard
    error.

    Args:
        utility: As in :class:`SemivalueValuation`, and so is what is not said here.
        truncation: When a permutation ends; by default within 1% of the utility of all
            points, after two fifths of them.
        is_done: When to stop; by default when values have changed by less than 5% on
            average over the last 100 permutations.
        seed: Of the permutations.
        skip_converged: Whether converged points are left alone.
        show_warnings: Whether warnings of the utility are shown.
        progress: Whether to show a progress bar.

    Example:
        >>> from torchattr.games import FunctionGame
        >>> from torchattr.valuation.stopping import MinUpdates
        >>> majority = FunctionGame(lambda s: (s.sum(1) > 10).double(), n_players=30)
        >>> tmc = TMCShapleyValuation(majority, is_done=MinUpdates(50), seed=1).fit()
        >>> tmc.result.n_evaluations < 50 * 13
        True

    References:
        Ghorbani and Zou (2019), *Data Shapley*, algorithm 1.
    """

    algorithm_name = "TMC-Shapley"

    def __init__(
        self,
        utility: UtilityBase | Game,
        truncation: TruncationPolicy | None = None,
        is_done: StoppingCriterion | None = None,
        seed: int | None = None,
        *,
        skip_converged: bool = False,
        show_warnings: bool = True,
        progress: Show = False,
    ) -> None:
        if truncation is None:
            truncation = RelativeTruncation(rtol=0.01, burn_in_fraction=0.4)
        if is_done is None:
            is_done = HistoryDeviation(n_steps=100, rtol=0.05)
        super().__init__(
            utility,
            PermutationSampler(truncation, seed=seed),
            is_done,
            skip_converged=skip_converged,
            show_warnings=show_warnings,
            progress=progress,
        )

    @property
    def log_coefficient(self) -> LogCoefficient:
        """Of the Shapley value."""
        return log_shapley
