"""Banzhaf values by maximum sample reuse."""

from __future__ import annotations

from typing import final

from torchattr.games.game import Game
from torchattr.valuation.methods.log_coefficients import LogCoefficient, log_banzhaf
from torchattr.valuation.methods.semivalue_valuation import SemivalueValuation
from torchattr.valuation.progress_bar import Show
from torchattr.valuation.samplers import MSRSampler
from torchattr.valuation.stopping import StoppingCriterion
from torchattr.valuation.utility import UtilityBase

__all__ = ["MSRBanzhafValuation"]


@final
class MSRBanzhafValuation(SemivalueValuation):
    r"""Data Banzhaf from whole coalitions, each of which updates every point.

    .. math:: \hat\phi_i = \overline{u}_{S \ni i} - \overline{u}_{S \not\ni i}

    The count of a point is the smaller of the numbers of coalitions with and without
    it; about two evaluations add one to all counts.

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
        >>> from torchattr.games.synthetic import ShoesGame
        >>> from torchattr.valuation.stopping import MinUpdates
        >>> banzhaf = MSRBanzhafValuation(ShoesGame(2, 1), MinUpdates(200), seed=1)
        >>> result = banzhaf.fit().result
        >>> bool((abs(result.values - [0.25, 0.25, 0.75]) < 3 * result.stderr).all())
        True

    References:
        Wang and Jia (2023), *Data Banzhaf*, section 4.3.
    """

    algorithm_name = "MSR-Banzhaf"

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
        super().__init__(
            utility,
            MSRSampler(batch_size=batch_size, seed=seed),
            is_done,
            skip_converged=skip_converged,
            show_warnings=show_warnings,
            progress=progress,
        )

    @property
    def log_coefficient(self) -> LogCoefficient:
        """Of the Banzhaf value."""
        return log_banzhaf
