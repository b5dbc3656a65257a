"""LIME on coalitions of features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from torchattr.attr.examples import Examples
from torchattr.attr.interpretable_models import InterpretableModel, Lasso
from torchattr.attr.lime_base import fitted, perturbations, similarities
from torchattr.attr.similarity import coalition_similarities
from torchattr.estimation.estimate import Estimate
from torchattr.games.ablation_game import (
    AblationGame,
    FeatureMask,
    Inputs,
    checked_inputs,
)
from torchattr.games.baselines import Baselines
from torchattr.games.counts import as_count
from torchattr.games.feature_attribution import FeatureAttribution
from torchattr.games.game import Game
from torchattr.games.players import FeatureGroups
from torchattr.games.target import TargetLike

__all__ = ["Lime"]

_JACKKNIFE_GROUPS = 10  # deletions behind a standard error; each costs a fit


class Lime(FeatureAttribution):
    r"""Coefficients of a simple model of the features that are kept.

    Coalitions :math:`z_j \in \{0, 1\}^n` are drawn with each feature kept by a fair
    coin, and a surrogate is fitted to the model's outputs :math:`v(z_j)` with weights
    :math:`\pi_j` by similarity to the input, for each example and output on its own.

    Args:
        forward_func: What is explained.
        interpretable_model: The surrogate: ``fit(dataloader)``, ``representation()``;
            ``None`` is a :class:`Lasso` with ``alpha=0.01``.
        similarity_func: ``(input, perturbed_input, sample, **kwargs)`` to a weight;
            ``None`` is :math:`\exp(-d^2 / 2)` of the cosine distance :math:`d`.
        perturb_func: ``(input, **kwargs)`` to a sample ``(1, n)`` of zeros and ones, or
            a generator function of samples; ``None`` tosses fair coins.

    With functions of one's own each example is sampled separately, as the functions
    see one at a time; ``kwargs`` are ``baselines``, ``feature_mask`` and
    ``num_interp_features``. Otherwise all examples share their coalitions.

    References:
        Ribeiro, Singh and Guestrin (2016), *"Why should I trust you?"*.
    """

    def __init__(
        self,
        forward_func: Callable[..., Any],
        interpretable_model: InterpretableModel | None = None,
        similarity_func: Callable[..., Any] | None = None,
        perturb_func: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(forward_func)
        self.interpretable_model = interpretable_model or Lasso(alpha=0.01)
        self.similarity_func = similarity_func
        self.perturb_func = perturb_func

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
        return_standard_error: bool = False,
    ) -> Any:
        """Coefficients of the features.

        Costs ``n_samples`` evaluations of each example (one more, of the whole batch,
        with functions of one's own). Arguments not listed are shared by all methods:
        :class:`PerturbationAttribution`.

        Args:
            n_samples: Number of coalitions.
            return_input_shape: Whether every element gets the coefficient of its group;
                otherwise the answer is ``(*output_shape, n)``.

        Returns:
            The coefficients, or a pair of them and their standard errors by deleting
            tenths of the samples in turn (the jackknife; each deletion is a fit).

        Raises:
            InputError: If an argument does not fit.

        Example:
            >>> x = torch.tensor([[1.0, 2.0, 3.0]])
            >>> lime = Lime(lambda x: x.sum(1), Lasso(alpha=1e-6))
            >>> lime.attribute(x, n_samples=50).round(decimals=2)
            tensor([[1., 2., 3.]])

        References:
            Efron and Stein (1981), *The jackknife estimate of variance*.
        """
        as_count("n_samples", n_samples)
        features = FeatureGroups(checked_inputs(inputs), feature_mask)
        game = self._game(
            inputs,
            baselines,
            target,
            additional_forward_args,
            features,
            perturbations_per_eval,
        )
        groups = min(_JACKKNIFE_GROUPS, n_samples) if return_standard_error else 0
        n_evaluations = n_samples
        if self.similarity_func is None and self.perturb_func is None:

            def solve(_: Game) -> Estimate:
                return self._for_all(game, n_samples, groups, generator)

        else:
            if callable(baselines):  # a function of the batch, not of one example
                baselines = baselines(inputs)
            examples = Examples(inputs, baselines, target, additional_forward_args)
            if len(examples) > 1:
                n_evaluations = 1 + n_samples * len(examples)

            def solve(_: Game) -> Estimate:
                return self._for_each(
                    game,
                    features,
                    examples,
                    perturbations_per_eval,
                    n_samples=n_samples,
                    groups=groups,
                    generator=generator,
                )

        return self._explained(
            game,
            solve,
            n_evaluations=n_evaluations,
            show_progress=show_progress,
            return_standard_error=return_standard_error,
            as_inputs=return_input_shape,
        )

    def _for_all(
        self,
        game: AblationGame,
        n_samples: int,
        groups: int,
        generator: torch.Generator | None,
    ) -> Estimate:
        """All examples at once, with the default samples and similarity."""
        coalitions = _coins(n_samples, game, generator)
        values = game(coalitions)
        weights = coalition_similarities(game, coalitions)
        return self._surrogates(
            game, coalitions, values, weights, groups, generator=generator
        )

    def _for_each(
        self,
        game: AblationGame,
        features: FeatureGroups,
        examples: Examples,
        perturbations_per_eval: int | None,
        *,
        n_samples: int,
        groups: int,
        generator: torch.Generator | None,
    ) -> Estimate:
        """Each example on its own (or a batch with one answer), by users' functions."""
        if len(examples) > 1:
            game(game.ends()[1:])  # tells whether one answer is for the batch
        if game.aggregates or len(examples) == 1:
            return self._for_one(
                game, features, examples, n_samples, groups, generator=generator
            )
        estimates = []
        for index in range(len(examples)):
            one, alone = examples.one(index), features.of_example(index)
            own = self._game(
                one.inputs,
                one.baselines,
                one.target,
                one.additional_forward_args,
                alone,
                perturbations_per_eval,
            )
            own.progress = game.progress
            estimates.append(
                self._for_one(own, alone, one, n_samples, groups, generator=generator)
            )
        batch = 2 if game.is_distribution else 1  # the samples come before the examples
        return Estimate(
            torch.cat([estimate.values for estimate in estimates], dim=batch),
            torch.cat([estimate.standard_errors for estimate in estimates], dim=batch),
            n_draws=n_samples,
            n_evaluations=n_samples + 1,
        )

    def _for_one(
        self,
        game: AblationGame,
        features: FeatureGroups,
        examples: Examples,
        n_samples: int,
        groups: int,
        *,
        generator: torch.Generator | None,
    ) -> Estimate:
        """One example, or a batch with one answer, by users' functions."""
        masks = features.owners
        kwargs = {
            "baselines": examples.baselines if examples.baselines is not None else 0,
            "feature_mask": masks if isinstance(examples.inputs, tuple) else masks[0],
            "num_interp_features": game.n_players,
        }
        if self.perturb_func is None:
            samples = list(torch.split(_coins(n_samples, game, generator), 1))
        else:
            samples = perturbations(
                self.perturb_func, examples.inputs, n_samples, kwargs
            )
        coalitions = torch.cat(samples).to(game.device).bool()
        if self.similarity_func is None:
            values = game(coalitions)
            weights = coalition_similarities(game, coalitions)
        else:
            perturbed = game.perturbed(coalitions)
            weights = similarities(
                self.similarity_func, examples.inputs, perturbed, samples, kwargs
            )[:, None]
            values = game(coalitions)
        return self._surrogates(
            game, coalitions, values, weights, groups, generator=generator
        )

    def _surrogates(
        self,
        game: AblationGame,
        coalitions: Tensor,
        values: Tensor,
        weights: Tensor,
        groups: int,
        *,
        generator: torch.Generator | None,
    ) -> Estimate:
        """A surrogate for each example and output, and again without each group."""
        outputs = values.flatten(1)
        # An example's weights serve all its outputs and all samples of its baselines.
        by_example = weights.unsqueeze(1) if game.is_distribution else weights
        padding = (1,) * (values.ndim - by_example.ndim)
        weights = by_example.reshape(*by_example.shape, *padding).expand_as(values)
        weights = weights.flatten(1)
        kept = [torch.ones(len(coalitions), dtype=torch.bool, device=outputs.device)]
        deleted = torch.arange(len(coalitions), device=outputs.device) % max(groups, 1)
        kept += [deleted != group for group in range(groups)] if groups > 1 else []
        fits = torch.stack([
            torch.stack([
                fitted(
                    self.interpretable_model,
                    coalitions[keep],
                    outputs[keep, index],
                    weights[keep, index],
                    generator=generator,
                ).flatten()
                for index in range(outputs.shape[1])
            ])
            for keep in kept
        ]).to(outputs.device)
        shape = (coalitions.shape[1], *values.shape[1:])
        deletions = fits[1:]
        scatter = (deletions - deletions.mean(0)).square().sum(0)
        errors = (scatter * (groups - 1) / max(groups, 1)).sqrt()
        if groups == 1:  # a single sample says nothing about the spread
            errors = torch.full_like(errors, torch.nan)
        return Estimate(
            fits[0].T.reshape(shape),
            errors.T.reshape(shape),
            n_draws=groups,
            n_evaluations=len(coalitions),
        )


def _coins(
    n_samples: int, game: AblationGame, generator: torch.Generator | None
) -> Tensor:
    """``(n_samples, n)``: each player stays or goes by the toss of a fair coin."""
    device = generator.device if generator is not None else None
    fair = torch.full((n_samples, game.n_players), 0.5, device=device)
    return torch.bernoulli(fair, generator=generator).bool().to(game.device)
