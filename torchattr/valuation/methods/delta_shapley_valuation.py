"""Delta Shapley: contributions to coalitions of some sizes only."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torchattr.errors import InputError
from torchattr.games.game import Game
from torchattr.valuation.methods.log_coefficients import (
    LogCoefficient,
    log_mean_over_sizes,
)
from torchattr.valuation.methods.semivalue_valuation import SemivalueValuation
from torchattr.valuation.progress_bar import Show
from torchattr.valuation.samplers import (
    StratifiedPermutationSampler,
    StratifiedSampler,
)
from torchattr.valuation.stopping import StoppingCriterion
from torchattr.valuation.utility import UtilityBase

__all__ = ["DeltaShapleyValuation"]


@final
class DeltaShapleyValuation(SemivalueValuation):
    r"""Mean contribution over the sizes of coalitions from a lower to an upper bound.

    .. math:: \phi_i = \frac{1}{u - l + 1} \sum_{k=l}^{u} \binom{n-1}{k}^{-1}
        \sum_{|S| = k} [u(S \cup i) - u(S)]

    Args:
        utility: As in :class:`SemivalueValuation`, and so is what is not said here.
        sampler: A stratified one; the bounds are those of its sample sizes.
        is_done: When to stop.
        skip_converged: Whether converged points are left alone.
        show_warnings: Whether warnings of the utility are shown.
        progress: Whether to show a progress bar.

    Raises:
        InputError: If the sampler is not stratified.

    Example:
        >>> from torchattr.games import FunctionGame
        >>> from torchattr.valuation.samplers import ConstantSampleSize
        >>> from torchattr.valuation.stopping import NoStopping
        >>> pairs = FunctionGame(lambda s: s.sum(1) * (s.sum(1) - 1.0), n_players=5)
        >>> sizes = ConstantSampleSize(n_samples=8, lower_bound=1, upper_bound=4)
        >>> sampler = StratifiedSampler(sizes, seed=0)
        >>> delta = DeltaShapleyValuation(pairs, sampler, NoStopping(sampler)).fit()
        >>> delta.result.values
        array([5., 5., 5., 5., 5.])

    References:
        Watson et al. (2023), *Accelerated Shapley value approximation for data
        evaluation*.
    """

    algorithm_name = "Delta-Shapley"

    def __init__(
        self,
        utility: UtilityBase | Game,
        sampler: StratifiedSampler | StratifiedPermutationSampler,
        is_done: StoppingCriterion,
        *,
        skip_converged: bool = False,
        show_warnings: bool = True,
        progress: Show = False,
    ) -> None:
        if not isinstance(sampler, StratifiedSampler | StratifiedPermutationSampler):
            raise InputError(
                "Delta Shapley needs a StratifiedSampler, a VRDSSampler or a "
                "StratifiedPermutationSampler, whose sizes have bounds; got "
                f"{sampler!r}"
            )
        super().__init__(
            utility,
            sampler,
            is_done,
            skip_converged=skip_converged,
            show_warnings=show_warnings,
            progress=progress,
        )
        self._sizes = sampler.sample_sizes_strategy

    @property
    def log_coefficient(self) -> LogCoefficient:
        """Of the mean over the sampler's sizes."""
        return self._log_coefficient

    def _log_coefficient(self, n: int, k: ArrayLike, /) -> NDArray[np.float64]:
        lower, upper = self._sizes.effective_bounds(n - 1)
        return log_mean_over_sizes(lower, upper, n, k)
