"""Beta Shapley values by sampling."""

from __future__ import annotations

from functools import partial
from typing import final

from torchattr.errors import InputError
from torchattr.games.game import Game
from torchattr.valuation.methods.log_coefficients import (
    LogCoefficient,
    log_beta_shapley,
)
from torchattr.valuation.methods.semivalue_valuation import SemivalueValuation
from torchattr.valuation.progress_bar import Show
from torchattr.valuation.samplers import IndexSampler
from torchattr.valuation.stopping import StoppingCriterion
from torchattr.valuation.utility import UtilityBase

__all__ = ["BetaShapleyValuation"]


@final
class BetaShapleyValuation(SemivalueValuation):
    r"""Beta Shapley, :math:`w(n,k) = B(k+\beta,\, n-1-k+\alpha) / B(\alpha, \beta)`.

    A large :math:`\alpha` favours contributions to small coalitions, a large
    :math:`\beta` those to large ones; with 1 and 1 it is the Shapley value.

    Args:
        utility: As in :class:`SemivalueValuation`, and so is what is not said here.
        sampler: Draws the coalitions.
        is_done: When to stop.
        alpha: First parameter, positive.
        beta: Second parameter, positive.
        skip_converged: Whether converged points are left alone.
        show_warnings: Whether warnings of the utility are shown.
        progress: Whether to show a progress bar.

    Raises:
        InputError: If a parameter is not positive.

    Example:
        >>> from torchattr.games.synthetic import ShoesGame
        >>> from torchattr.valuation.samplers import DeterministicUniformSampler
        >>> from torchattr.valuation.stopping import NoStopping
        >>> sampler = DeterministicUniformSampler()
        >>> beta = BetaShapleyValuation(
        ...     ShoesGame(2, 1), sampler, NoStopping(sampler), alpha=1, beta=1
        ... )
        >>> beta.fit().result.values.round(4)
        array([0.1667, 0.1667, 0.6667])

    References:
        Kwon and Zou (2022), *Beta Shapley*.
    """

    algorithm_name = "Beta-Shapley"

    def __init__(
        self,
        utility: UtilityBase | Game,
        sampler: IndexSampler,
        is_done: StoppingCriterion,
        alpha: float = 1.0,
        beta: float = 1.0,
        *,
        skip_converged: bool = False,
        show_warnings: bool = True,
        progress: Show = False,
    ) -> None:
        super().__init__(
            utility,
            sampler,
            is_done,
            skip_converged=skip_converged,
            show_warnings=show_warnings,
            progress=progress,
        )
        if not (alpha > 0 and beta > 0):
            raise InputError(f"alpha and beta must be positive, got {alpha}, {beta}")
        self.alpha = float(alpha)
        self.beta = float(beta)

    @property
    def log_coefficient(self) -> LogCoefficient:
        """Of Beta Shapley with these parameters."""
        return partial(log_beta_shapley, self.alpha, self.beta)
