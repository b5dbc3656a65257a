"""Shapley values by regression."""

from __future__ import annotations

from typing import Any

import torch

from torchattr.attr.over_baselines import seen_by_caller
from torchattr.estimation.kernel_shap import kernel_shap
from torchattr.estimation.stopping import StoppingRule
from torchattr.games.ablation_game import FeatureMask, Inputs
from torchattr.games.baselines import Baselines
from torchattr.games.counts import as_count
from torchattr.games.feature_attribution import FeatureAttribution
from torchattr.games.target import TargetLike

__all__ = ["KernelShap"]


class KernelShap(FeatureAttribution):
    r"""Shapley values as the fit of an additive model to coalitions of features.

    :math:`\min_\phi \sum_S w_{|S|} (v(S) - v(\emptyset) - \sum_{i \in S} \phi_i)^2`
    with the kernel :math:`w_s = (n-1) / (\binom{n}{s} s (n-s))`, constrained so that
    the values sum to :math:`v(N) - v(\emptyset)`. Coalitions come in complementary
    pairs, without replacement; all examples and outputs share them and one solution.

    References:
        See :func:`torchattr.estimation.kernel_shap`.
    """

    @property
    def multiplies_by_inputs(self) -> bool:
        """Coefficients of kept features; as in captum."""
        return False

    @torch.no_grad()
    def attribute(
        self,
        inputs: Inputs,
        baselines: Baselines = None,
        target: TargetLike = None,
        additional_forward_args: object = None,
        feature_mask: FeatureMask = None,
        n_samples: int = 25,
        perturbations_per_eval: int | None = None,
        return_input_shape: bool = True,
        show_progress: bool = False,
        *,
        generator: torch.Generator | None = None,
        stopping: StoppingRule | None = None,
        return_standard_error: bool = False,
    ) -> Any:
        """Shapley values of the features.

        Arguments not listed are shared by all methods:
        :class:`PerturbationAttribution`.

        Args:
            n_samples: Evaluations of each example, at least 2, counting the empty and
                the full coalition. The values are exact from ``2 ** n`` on.
            return_input_shape: Whether every element gets the value of its group;
                otherwise the answer is ``(*output_shape, n)``.

        Returns:
            The attributions, or a pair of them and their standard errors, which are
            NaN where there are too few samples to tell.

        Raises:
            InputError: If an argument does not fit.

        Example:
            >>> x = torch.tensor([[1.0, 2.0, 3.0]])
            >>> kernel_shap = KernelShap(lambda x: x[:, 0] * x[:, 1] + x[:, 2])
            >>> kernel_shap.attribute(x)
            tensor([[1., 1., 3.]])
        """
        n_samples = as_count("n_samples", n_samples, at_least=2)
        game = self._game(
            inputs,
            baselines,
            target,
            additional_forward_args,
            feature_mask,
            perturbations_per_eval,
        )
        rule = seen_by_caller(stopping, game)
        return self._explained(
            game,
            lambda game: kernel_shap(
                game, n_samples, generator=generator, stopping=rule
            ),
            n_evaluations=min(n_samples - n_samples % 2, 1 << game.n_players),
            show_progress=show_progress,
            return_standard_error=return_standard_error,
            as_inputs=return_input_shape,
        )
