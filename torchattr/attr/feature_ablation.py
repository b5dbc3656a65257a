"""What the output loses when one feature is replaced by its baseline."""

from __future__ import annotations

from typing import Any

import torch
from torch.futures import Future

from torchattr.estimation.removal_effects import removal_coalitions, removal_effects
from torchattr.games.ablation_game import FeatureMask, Inputs
from torchattr.games.baselines import Baselines
from torchattr.games.feature_attribution import FeatureAttribution
from torchattr.games.target import TargetLike

__all__ = ["FeatureAblation"]


class FeatureAblation(FeatureAttribution):
    r"""Differences made by single features, :math:`\phi_i = v(N) - v(N \setminus i)`.

    :math:`v(S)` is the model's output with all features outside :math:`S` replaced by
    their baselines. Values keep the type of the output, integers too.

    References:
        Zeiler and Fergus (2014), *Visualizing and understanding convolutional
        networks*.
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
        return_standard_error: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Differences made by the features.

        Costs ``n + 1`` evaluations of each example. Arguments not listed are shared by
        all methods: :class:`PerturbationAttribution`.

        Args:
            **kwargs: Ignored, as in captum (``enable_cross_tensor_attribution``).

        Returns:
            The attributions, or a pair of them and their standard errors: 0, but for
            the spread of a distribution of baselines.

        Raises:
            InputError: If an argument does not fit.

        Example:
            >>> x = torch.tensor([[1.0, 2.0, 3.0]])
            >>> FeatureAblation(lambda x: x[:, 0] * x[:, 1] + x[:, 2]).attribute(x)
            tensor([[2., 2., 3.]])
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
            removal_effects,
            n_evaluations=game.n_players + 1,
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
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        **kwargs: Any,
    ) -> Future[Any]:
        """:meth:`attribute` for a ``forward_func`` that returns a future.

        All calls are issued at once; see :meth:`ShapleyValueSampling.attribute_future`.

        Args:
            show_progress: Accepted; nothing is shown, since the calls do not wait.
            **kwargs: Ignored, as in captum.

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
        return self._explained_later(game, removal_coalitions(game), removal_effects)
