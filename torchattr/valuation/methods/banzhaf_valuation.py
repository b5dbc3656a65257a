"""Banzhaf values by sampling."""

from __future__ import annotations

from typing import final

from torchattr.valuation.methods.log_coefficients import LogCoefficient, log_banzhaf
from torchattr.valuation.methods.semivalue_valuation import SemivalueValuation

__all__ = ["BanzhafValuation"]


@final
class BanzhafValuation(SemivalueValuation):
    r"""Data Banzhaf, :math:`w(n, k) = 2^{-(n-1)}`.

    The mean contribution to a coalition that each other point joins by a fair coin;
    of all semivalues the least disturbed by noise in the utility.

    Args:
        utility: As in :class:`SemivalueValuation`, and so are the others.
        sampler: Draws the coalitions.
        is_done: When to stop.
        skip_converged: Whether converged points are left alone.
        show_warnings: Whether warnings of the utility are shown.
        progress: Whether to show a progress bar.

    Example:
        >>> from torchattr.games.synthetic import ShoesGame
        >>> from torchattr.valuation.samplers import DeterministicUniformSampler
        >>> from torchattr.valuation.stopping import NoStopping
        >>> game, sampler = ShoesGame(2, 1), DeterministicUniformSampler()
        >>> BanzhafValuation(game, sampler, NoStopping(sampler)).fit().result.values
        array([0.25, 0.25, 0.75])

    References:
        Wang and Jia (2023), *Data Banzhaf*.
    """

    algorithm_name = "Banzhaf"

    @property
    def log_coefficient(self) -> LogCoefficient:
        """Of the Banzhaf value."""
        return log_banzhaf
