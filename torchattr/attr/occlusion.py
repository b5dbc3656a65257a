"""What the output loses when a box of features is replaced by its baseline."""

from __future__ import annotations

from typing import Any

import torch

from torchattr.estimation.removal_effects import removal_effects
from torchattr.games.ablation_game import Inputs, checked_inputs
from torchattr.games.baselines import Baselines
from torchattr.games.feature_attribution import FeatureAttribution
from torchattr.games.sliding_windows import Extents, SlidingWindows
from torchattr.games.target import TargetLike

__all__ = ["Occlusion"]


class Occlusion(FeatureAttribution):
    r"""Differences made by the positions of a sliding window.

    The value of an element is the mean of :math:`v(N) - v(N \setminus w)` over the
    windows :math:`w` that cover it.

    References:
        Zeiler and Fergus (2014), *Visualizing and understanding convolutional
        networks*.
    """

    @torch.no_grad()
    def attribute(
        self,
        inputs: Inputs,
        sliding_window_shapes: Extents,
        strides: Extents | None = None,
        baselines: Baselines = None,
        target: TargetLike = None,
        additional_forward_args: object = None,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        *,
        return_standard_error: bool = False,
    ) -> Any:
        """Mean differences made by the windows over each element.

        Costs one evaluation of each example for each position of a window, and one
        more. Arguments not listed are shared by all methods:
        :class:`PerturbationAttribution`.

        Args:
            sliding_window_shapes: Size of the window without the batch dimension: a
                tuple of ints, or one for each input.
            strides: Steps of the window, in the same form; ``None`` is 1 everywhere.

        Returns:
            The attributions, or a pair of them and their standard errors: 0, but for
            the spread of a distribution of baselines (upper bounds where windows
            overlap).

        Raises:
            InputError: If an argument does not fit.

        Example:
            >>> x = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
            >>> Occlusion(lambda x: x.sum(1)).attribute(x, (2,), strides=(1,))
            tensor([[3., 4., 6., 7.]])
        """
        windows = SlidingWindows(checked_inputs(inputs), sliding_window_shapes, strides)
        game = self._game(
            inputs,
            baselines,
            target,
            additional_forward_args,
            windows,
            perturbations_per_eval,
        )
        return self._explained(
            game,
            removal_effects,
            n_evaluations=game.n_players + 1,
            show_progress=show_progress,
            return_standard_error=return_standard_error,
        )
