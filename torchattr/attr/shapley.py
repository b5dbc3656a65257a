"""The best Shapley values for a budget of evaluations."""

from __future__ import annotations

from typing import Any

import torch

from torchattr.estimation.best_for_budget import best_for_budget
from torchattr.estimation.estimate import Estimate
from torchattr.games.ablation_game import FeatureMask, Inputs
from torchattr.games.baselines import Baselines
from torchattr.games.counts import as_count
from torchattr.games.feature_attribution import FeatureAttribution
from torchattr.games.game import Game
from torchattr.games.target import TargetLike

__all__ = ["Shapley"]


class Shapley(FeatureAttribution):
    r"""Shapley values, as accurate as a number of evaluations can buy.

    The values are exact where all coalitions are affordable; otherwise the estimator is
    chosen by the budget, see
    :func:`~torchattr.estimation.best_for_budget`.
    """

    @torch.no_grad()
    def attribute(
        self,
        inputs: Inputs,
        baselines: Baselines = None,
        target: TargetLike = None,
        additional_forward_args: object = None,
        feature_mask: FeatureMask = None,
        *,
        budget: int,
        perturbations_per_eval: int | None = None,
        generator: torch.Generator | None = None,
        return_standard_error: bool = False,
        show_progress: bool = False,
    ) -> Any:
        """Shapley values of the features.

        Arguments not listed are shared by all methods:
        :class:`PerturbationAttribution`.

        Args:
            budget: The most evaluations of each example, at least 2, counting the empty
                and the full coalition and what it takes to find out about
                ``forward_func`` (see :class:`~torchattr.games.Forward`). With a
                distribution of ``D`` baselines an evaluation takes ``D`` rows.

        Returns:
            The attributions, or a pair of them and their standard errors, which are 0
            where the values are exact and NaN where the budget says nothing about them.

        Raises:
            InputError: If an argument does not fit.

        Example:
            >>> x = torch.tensor([[1.0, 2.0, 3.0]])
            >>> shapley = Shapley(lambda x: x[:, 0] * x[:, 1] + x[:, 2])
            >>> shapley.attribute(x, budget=8)
            tensor([[1., 1., 3.]])
        """
        budget = as_count("budget", budget, at_least=2)
        arguments = (inputs, baselines, target, additional_forward_args, feature_mask)
        game = self._game(*arguments, perturbations_per_eval)
        left = budget - game.n_probes
        if left < 2 or left < 1 << game.n_players <= budget:
            # A probe would take what an answer, or an exact one, needs; a single
            # variant at a time needs no probe.
            game, left = self._game(*arguments, 1), budget
        is_distribution = game.is_distribution  # a mean first, then the samples

        def solve(game: Game) -> Estimate:
            return best_for_budget(
                game, left, generator=generator, first_is_main=is_distribution
            )

        return self._explained(
            game,
            solve,
            n_evaluations=min(left - left % 2, 1 << game.n_players),
            show_progress=show_progress,
            return_standard_error=return_standard_error,
        )
