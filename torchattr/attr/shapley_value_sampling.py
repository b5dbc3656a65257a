"""Shapley values by sampling permutations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias

import torch
from torch.futures import Future

from torchattr.attr.over_baselines import seen_by_caller
from torchattr.errors import InputError
from torchattr.estimation.monte_carlo import monte_carlo
from torchattr.estimation.stopping import StoppingRule
from torchattr.games.ablation_game import AblationGame, FeatureMask, Inputs
from torchattr.games.baselines import Baselines
from torchattr.games.counts import as_count
from torchattr.games.feature_attribution import FeatureAttribution
from torchattr.games.players import FeatureGroups
from torchattr.games.target import TargetLike
from torchattr.sampling.antithetic import Antithetic
from torchattr.sampling.draws import Sampler
from torchattr.sampling.permutations import (
    GivenPermutations,
    OrthogonalPermutations,
    Permutations,
)

__all__ = ["ShapleyValueSampling"]

Sampling: TypeAlias = Literal["permutation", "antithetic", "orthogonal"]


def random_permutations(num_features: int, num_samples: int) -> Iterable[Sequence[int]]:
    """Captum's default for ``permutation_generator``.

    Args:
        num_features: Length of a permutation.
        num_samples: Number of permutations.

    Yields:
        Permutations from PyTorch's global generator.
    """
    for _ in range(num_samples):
        yield torch.randperm(num_features).tolist()


class ShapleyValueSampling(FeatureAttribution):
    r"""Shapley values as means over random permutations of the features.

    :math:`\phi_i = \frac1K \sum_k v(P_i^{\pi_k} \cup i) - v(P_i^{\pi_k})`, where
    :math:`P_i^\pi` are the features before :math:`i` in the order :math:`\pi` and
    :math:`v(S)` is the model's output with all features outside :math:`S` replaced by
    their baselines. All examples and outputs share the permutations.

    Attributes:
        permutation_generator: As in captum, a function ``(num_features, num_samples)``
            to permutations; replace it to choose them.

    References:
        Castro, Gomez and Tejada (2009), *Polynomial calculation of the Shapley value
        based on sampling*; Strumbelj and Kononenko (2010). Antithetic and orthogonal
        permutations: Mitchell, Cooper, Frank and Holmes (2022).
    """

    def __init__(self, forward_func: Callable[..., Any]) -> None:
        super().__init__(forward_func)
        self.permutation_generator = random_permutations

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
        show_progress: bool = False,
        *,
        sampling: Sampling = "permutation",
        generator: torch.Generator | None = None,
        stopping: StoppingRule | None = None,
        return_standard_error: bool = False,
    ) -> Any:
        r"""Shapley values of the features.

        Costs ``n_samples * (n - 1) + 2`` evaluations of each example. Arguments not
        listed are shared by all methods: :class:`PerturbationAttribution`.

        Args:
            n_samples: Number of permutations, at least one, rounded up to whole
                replicates: an antithetic pair is two, an orthogonal block
                ``2 (n - 1)``. With a stopping rule, the maximum.
            sampling: ``"permutation"`` draws captum's stream of ``torch.randperm``;
                ``"antithetic"`` pairs every permutation with its reverse, which is
                nearly always more accurate for the same number of evaluations;
                ``"orthogonal"`` spreads blocks of permutations evenly.

        Returns:
            The attributions, or a pair of them and their standard errors, which are NaN
            for a single replicate.

        Raises:
            InputError: If an argument does not fit.

        Example:
            >>> x = torch.tensor([[1.0, 2.0, 3.0]])
            >>> shapley = ShapleyValueSampling(lambda x: x[:, 0] * x[:, 1] + x[:, 2])
            >>> _ = torch.manual_seed(0)
            >>> shapley.attribute(x, n_samples=100, sampling="antithetic")
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
        sampler, n_draws = self._sampler(game, n_samples, sampling)
        rule = seen_by_caller(stopping, game)
        return self._explained(
            game,
            lambda game: monte_carlo(
                game, sampler, n_draws, generator=generator, stopping=rule
            ),
            n_evaluations=2 + n_draws * sampler.n_coalitions,
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
    ) -> Future[Any]:
        """:meth:`attribute` for a ``forward_func`` that returns a future.

        All calls are issued at once, with one variant in each unless
        ``perturbations_per_eval`` allows more, which is then assumed to be possible.

        Args:
            n_samples: Number of permutations.
            show_progress: Accepted; nothing is shown, since the calls do not wait.

        Returns:
            A future of what :meth:`attribute` returns, with the same random numbers.
        """
        game = self._game(
            inputs,
            baselines,
            target,
            additional_forward_args,
            feature_mask,
            perturbations_per_eval,
        )
        as_count("n_samples", n_samples)
        draws = self._permutations(game, n_samples).draw(n_samples)
        orders = draws.orders[:, 0].tolist()
        replay = GivenPermutations(orders, game.n_players, game.device)
        coalitions = torch.cat([game.ends(), draws.coalitions.flatten(0, 1)])
        return self._explained_later(
            game, coalitions, lambda game: monte_carlo(game, replay, n_samples)
        )

    def _sampler(
        self, game: AblationGame, n_samples: int, sampling: Sampling
    ) -> tuple[Sampler, int]:
        """The sampler, and how many of its draws hold ``n_samples`` permutations."""
        as_count("n_samples", n_samples)
        if sampling == "orthogonal":
            blocks = OrthogonalPermutations(game.n_players, game.device)
            return blocks, math.ceil(n_samples / blocks.n_permutations)
        if sampling == "antithetic":
            pairs = Antithetic(self._permutations(game, n_samples))
            return pairs, math.ceil(n_samples / 2)
        if sampling == "permutation":
            return self._permutations(game, n_samples), n_samples
        raise InputError(
            'sampling must be "permutation", "antithetic" or "orthogonal", '
            f"got {sampling!r}"
        )

    def _permutations(
        self, game: AblationGame, n_samples: int
    ) -> Permutations | GivenPermutations:
        n, device = game.n_players, game.device
        if self.permutation_generator is not random_permutations:
            orders = self.permutation_generator(n, n_samples)
            return GivenPermutations(orders, n, device)
        if isinstance(game.players, FeatureGroups):
            return Permutations(n, device, game.players.labels, game.players.n_labels)
        return Permutations(n, device)
