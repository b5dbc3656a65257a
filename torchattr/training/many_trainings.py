"""Many trainings: at once where that is possible, else one after another."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from torchattr.games.memory import is_out_of_memory
from torchattr.training.examples import Examples
from torchattr.training.fallback import MODEL_ERRORS, FallbackWarning, batched_quietly
from torchattr.training.plain_loop import train_alone
from torchattr.training.recipe import Recipe
from torchattr.training.stacked_loop import StackedPlan, train_together
from torchattr.training.trial import first_line, try_stacking

__all__ = ["ManyTrainings"]


class ManyTrainings:
    """Trains a model on each of many coalitions; decides once how.

    Args:
        recipe: How a model is trained.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._plan: StackedPlan | str | None = None

    @torch.enable_grad()
    def train(self, examples: Examples, coalitions: Tensor) -> dict[str, Tensor]:
        """The parameters and buffers of the trained models.

        Args:
            examples: The whole training set, on the model's device.
            coalitions: ``(K, n)`` booleans.

        Returns:
            ``(K, *shape)`` for each, in the order of the coalitions.

        Raises:
            MODEL_ERRORS: What the plain loop raises; memory that runs out.
        """
        # Largest first, so that models which take a step are neighbours, and the
        # members of a padded minibatch are of similar number.
        sizes = coalitions.sum(1)
        places = sizes.argsort(descending=True, stable=True)
        places = places[: int((sizes > 0).sum())]
        state = self._initial_state(len(coalitions))
        if len(places) == 0:
            return state
        if self._plan is None:
            with batched_quietly():
                plan = try_stacking(self.recipe, examples)
            self._decide(plan)
        if isinstance(self._plan, StackedPlan):
            try:
                self._train_stacked(self._plan, examples, coalitions, places, state)
            except MODEL_ERRORS as error:
                if is_out_of_memory(error):
                    raise
                self._decide(f"training many at once failed: {first_line(error)}")
        if isinstance(self._plan, str):
            return self._train_in_turn(examples, coalitions)
        return state

    def _decide(self, plan: StackedPlan | str) -> None:
        self._plan = plan
        if isinstance(plan, str):
            warnings.warn(
                f"models are trained one after another, because {plan}. Results are "
                "the same; many models take as long as a plain loop over them, where "
                "small ones trained at once take a tenth of that",
                FallbackWarning,
                stacklevel=5,
            )

    def _initial_state(self, n_models: int) -> dict[str, Tensor]:
        model = self.recipe.model
        state = {}
        for name, parameter in model.named_parameters():
            value = parameter.detach().expand(n_models, *parameter.shape)
            # A copy, although a single model's stack is contiguous as it is.
            state[name] = _copy(value) if parameter.requires_grad else value
        for name, buffer in model.named_buffers():
            state[name] = buffer.detach().expand(n_models, *buffer.shape)
        return state

    def _train_stacked(
        self,
        plan: StackedPlan,
        examples: Examples,
        coalitions: Tensor,
        places: Tensor,
        state: dict[str, Tensor],
    ) -> None:
        with batched_quietly():
            for part in torch.split(places, plan.models_at_once):
                trained = train_together(self.recipe, plan, examples, coalitions[part])
                for name, stack in trained.items():
                    state[name][part] = stack

    def _train_in_turn(
        self, examples: Examples, coalitions: Tensor
    ) -> dict[str, Tensor]:
        models = [train_alone(self.recipe, examples, row) for row in coalitions]
        parameters = [dict(model.named_parameters()) for model in models]
        buffers = [dict(model.named_buffers()) for model in models]
        return {
            name: torch.stack([tensors[name].detach() for tensors in group])
            for group in (parameters, buffers)
            for name in group[0]
        }


def _copy(tensor: Tensor) -> Tensor:
    return tensor.clone(memory_format=torch.contiguous_format)
