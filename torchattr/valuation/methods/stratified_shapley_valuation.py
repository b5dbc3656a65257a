"""Shapley values from sizes drawn first."""

from __future__ import annotations

from typing import final

from torchattr.games.game import Game
from torchattr.valuation.methods.log_coefficients import LogCoefficient, log_shapley
from torchattr.valuation.methods.semivalue_valuation import SemivalueValuation
from torchattr.valuation.progress_bar import Show
from torchattr.valuation.samplers import (
    ConstantSampleSize,
    RandomSizeIteration,
    SequentialIndexIteration,
    StratifiedSampler,
)
from torchattr.valuation.stopping import StoppingCriterion
from torchattr.valuation.utility import UtilityBase

__all__ = ["StratifiedShapleyValuation"]


@final
class StratifiedShapleyValuation(SemivalueValuation):
    """Data Shapley: a size, all equally likely, then a coalition of that size.

    Args:
        utility: As in :class:`SemivalueValuation`, and so is what is not said here.
        is_done: When to stop.
        batch_size: Accepted for pyDVL's sake: how many coalitions are evaluated at once
            is up to the utility, and changes no value.
        seed: Of the sampler.
        skip_converged: Whether converged points are left alone.
        show_warnings: Whether warnings of the utility are shown.
        progress: Whether to show a progress bar.

    Example:
        >>> import torch
        >>> from torchattr.games import AdditiveGame
        >>> from torchattr.valuation.stopping import MinUpdates
        >>> game = AdditiveGame(torch.tensor([1.0, 2.0, 4.0]))
        >>> StratifiedShapleyValuation(game, MinUpdates(2), seed=0).fit().result.values
        array([1., 2., 4.])

    References:
        Maleki et al. (2013), *Bounding the estimation error of sampling-based Shapley
        value approximation*.
    """

    algorithm_name = "Stratified-Shapley"

    def __init__(
        self,
        utility: UtilityBase | Game,
        is_done: StoppingCriterion,
        batch_size: int = 1,
        seed: int | None = None,
        *,
        skip_converged: bool = False,
        show_warnings: bool = True,
        progress: Show = False,
    ) -> None:
        sampler = StratifiedSampler(
            sample_sizes=ConstantSampleSize(n_samples=1),
            sample_sizes_iteration=RandomSizeIteration,
            batch_size=batch_size,
            index_iteration=SequentialIndexIteration,
            seed=seed,
        )
        super().__init__(
            utility,
            sampler,
            is_done,
            skip_converged=skip_converged,
            show_warnings=show_warnings,
            progress=progress,
        )

    @property
    def log_coefficient(self) -> LogCoefficient:
        """Of the Shapley value."""
        return log_shapley
