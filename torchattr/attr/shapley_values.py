"""Shapley values from all coalitions."""

from __future__ import annotations

from typing import Any

import torch
from torch.futures import Future

from torchattr.errors import InputError
from torchattr.estimation.exact import count_of_coalitions, exact
from torchattr.games.ablation_game import AblationGame, FeatureMask, Inputs
from torchattr.games.baselines import Baselines
from torchattr.games.counts import as_count
from torchattr.games.feature_attribution import FeatureAttribution
from torchattr.games.target import TargetLike
from torchattr.sampling.enumeration import coalition_block

__all__ = ["ShapleyValues"]


class ShapleyValues(FeatureAttribution):
    r"""Exact Shapley values.

    :math:`\phi_i = \sum_{S \not\ni i} \frac{1}{n \binom{n-1}{|S|}}
    [v(S \cup i) - v(S)]`, where :math:`v(S)` is the model's output with all features
    outside :math:`S` replaced by their baselines. Each of the :math:`2^n` coalitions is
    evaluated once.

    References:
        Shapley (1953), *A value for n-person games*.
    """

    @torch.no_grad()
    def attribute(
        self,
        inputs: Inputs,
        baselines: Baselines = None,
        target: TargetLike = None,
        additional_forward_args: object = None,
        feature_mask: FeatureMask = None,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        *,
        max_evaluations: int = 2**20,
        return_standard_error: bool = False,
    ) -> Any:
        r"""Shapley values of the features.

        Costs :math:`2^n` evaluations of each example. Arguments not listed are shared
        by all methods: :class:`PerturbationAttribution`.

        Args:
            max_evaluations: The most evaluations of each example that are allowed.

        Returns:
            The attributions, or a pair of them and their standard errors: 0, but for
            the spread of a distribution of baselines.

        Raises:
            InputError: If an argument does not fit, or more evaluations are needed than
                allowed.

        Example:
            >>> x = torch.tensor([[1.0, 2.0, 3.0]])
            >>> ShapleyValues(lambda x: x[:, 0] * x[:, 1] + x[:, 2]).attribute(x)
            tensor([[1., 1., 3.]])
        """
        game = self._game(
            inputs,
            baselines,
            target,
            additional_forward_args,
            feature_mask,
            perturbations_per_eval,
        )
        return self._explained(
            game,
            lambda game: exact(game, max_evaluations=max_evaluations),
            n_evaluations=_affordable(game, max_evaluations),
            show_progress=show_progress,
            return_standard_error=return_standard_error,
        )

    @torch.no_grad()
    def attribute_future(
        self,
        inputs: Inputs,
        baselines: Baselines = None,
        target: TargetLike = None,
        additional_forward_args: object = None,
        feature_mask: FeatureMask = None,
        n_samples: int = 25,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        *,
        max_evaluations: int = 2**20,
    ) -> Future[Any]:
        """:meth:`attribute` for a ``forward_func`` that returns a future.

        All calls are issued at once; see :meth:`ShapleyValueSampling.attribute_future`.

        Args:
            n_samples: Ignored, as in captum, which has it in this place.
            show_progress: Accepted; nothing is shown, since the calls do not wait.
            max_evaluations: The most evaluations of each example that are allowed.

        Returns:
            A future of what :meth:`attribute` returns.
        """
        game = self._game(
            inputs,
            baselines,
            target,
            additional_forward_args,
            feature_mask,
            perturbations_per_eval,
        )
        _affordable(game, max_evaluations)
        n = game.n_players
        coalitions = coalition_block(n, n_low=n, high=0, device=game.device)
        return self._explained_later(game, coalitions, exact)


def _affordable(game: AblationGame, max_evaluations: int) -> int:
    as_count("max_evaluations", max_evaluations)
    needed = 1 << game.n_players
    if needed > max_evaluations:
        raise InputError(
            f"{game.n_players} features need {count_of_coalitions(game.n_players)} "
            "evaluations of each example, more than max_evaluations="
            f"{max_evaluations}; group them with feature_mask, or use Shapley"
        )
    return needed
