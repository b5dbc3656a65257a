"""Shapley values by sampling."""

from __future__ import annotations

from typing import final

from torchattr.valuation.methods.log_coefficients import LogCoefficient, log_shapley
from torchattr.valuation.methods.semivalue_valuation import SemivalueValuation

__all__ = ["ShapleyValuation"]


@final
class ShapleyValuation(SemivalueValuation):
    r"""Data Shapley, :math:`w(n, k) = 1 / (n \binom{n-1}{k})`.

    The contribution of a point to the mean over all sizes of coalitions. With
    permutations (:class:`~torchattr.valuation.PermutationSampler`) the values
    sum to :math:`u(N) - u(\emptyset)`, and each permutation costs ``n`` evaluations.

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
        >>> shapley = ShapleyValuation(game, sampler, NoStopping(sampler)).fit()
        >>> shapley.result.values.round(4), shapley.result.stderr
        (array([0.1667, 0.1667, 0.6667]), array([0., 0., 0.]))

    References:
        Ghorbani and Zou (2019), *Data Shapley*.
    """

    algorithm_name = "Shapley"

    @property
    def log_coefficient(self) -> LogCoefficient:
        """Of the Shapley value."""
        return log_shapley
