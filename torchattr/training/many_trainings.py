"""Many trainings: at once where that is possible, else one after another."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from torchattr.errors import InputError
from torchattr.games.examples import Examples
from torchattr.games.memory import is_out_of_memory
from torchattr.training.fallback import (
    MODEL_ERRORS,
    FallbackNotice,
    batched_quietly,
    first_line,
)
from torchattr.training.plain_loop import train_alone
from torchattr.training.recipe import Recipe
from torchattr.training.stacked_loop import StackedPlan, train_together
from torchattr.training.trial import try_stacking

__all__ = ["ManyTrainings"]

_MOST_MODELS = 256  # beyond, a model takes no less time
_CPU_BYTES = 2**30
_CUDA_BYTES = 2**32
_NARROW = 0.7  # of the widest minibatch; narrower ones are not worth their padding
_FEW_MODELS = 16  # fewer are not worth a step of their own
_SHOWN = 12  # members of a coalition in a message


class ManyTrainings:
    """Trains a model on each of many coalitions; decides once how.

    Args:
        recipe: How a model is trained.
        notice: How a user learns that models are trained one after another.
    """

    def __init__(self, recipe: Recipe, notice: FallbackNotice) -> None:
        self.recipe, self.notice = recipe, notice
        self._plan: StackedPlan | str | None = None

    @torch.inference_mode(mode=False)
    @torch.enable_grad()
    def train(self, examples: Examples, coalitions: Tensor) -> dict[str, Tensor]:
        """The parameters and buffers of the trained models.

        Args:
            examples: The whole training set, on the model's device.
            coalitions: ``(K, n)`` booleans.

        Returns:
            ``(K, *shape)`` for each, in the order of the coalitions.

        Raises:
            InputError: If a model cannot be trained on a coalition, which it names.
            MODEL_ERRORS: What the trial's single model raises; memory that runs out.
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
                self._train_stacked(
                    self._plan, examples, coalitions[places], state, places
                )
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
            self.notice.give("models are trained", plan, stacklevel=6)

    def _initial_state(self, n_models: int) -> dict[str, Tensor]:
        state: dict[str, Tensor] = {}
        stacks: dict[int, Tensor] = {}
        model = self.recipe.model
        for name, parameter in model.named_parameters(remove_duplicate=False):
            if id(parameter) not in stacks:  # tied parameters share a stack
                value = parameter.detach().expand(n_models, *parameter.shape)
                # A copy, although a single model's stack is contiguous as it is.
                stacks[id(parameter)] = (
                    value.clone(memory_format=torch.contiguous_format)
                    if parameter.requires_grad
                    else value
                )
            state[name] = stacks[id(parameter)]
        for name, buffer in model.named_buffers():
            state[name] = buffer.detach().expand(n_models, *buffer.shape)
        return state

    def _train_stacked(
        self,
        plan: StackedPlan,
        examples: Examples,
        coalitions: Tensor,
        state: dict[str, Tensor],
        places: Tensor,
    ) -> None:
        sizes = coalitions.sum(1).tolist()
        with batched_quietly():
            for start, stop in self._parts(plan, sizes):
                trained = train_together(
                    self.recipe, plan, examples, coalitions[start:stop]
                )
                for name, stack in trained.items():
                    state[name][places[start:stop]] = stack

    def _parts(self, plan: StackedPlan, sizes: list[int]) -> Iterator[tuple[int, int]]:
        """Neighbours that are trained together; sizes are in descending order."""
        budget = _CUDA_BYTES if self.recipe.device.type == "cuda" else _CPU_BYTES
        start = 0
        while start < len(sizes):
            width = min(self.recipe.batch_size or sizes[start], sizes[start])
            fitting = budget // max(1, plan.model_bytes + width * plan.row_bytes)
            stop = min(start + max(1, min(fitting, _MOST_MODELS)), len(sizes))
            if width == sizes[start]:  # one step for each epoch, as wide as the size
                while stop - start > _FEW_MODELS and sizes[stop - 1] < _NARROW * width:
                    stop -= 1
            yield start, stop
            start = stop

    def _train_in_turn(
        self, examples: Examples, coalitions: Tensor
    ) -> dict[str, Tensor]:
        models = [self._train_alone(examples, row) for row in coalitions]
        parameters = [dict(m.named_parameters(remove_duplicate=False)) for m in models]
        buffers = [dict(model.named_buffers()) for model in models]
        return {
            name: torch.stack([tensors[name].detach() for tensors in group])
            for group in (parameters, buffers)
            for name in (group[0] if group else ())
        }

    def _train_alone(self, examples: Examples, coalition: Tensor) -> nn.Module:
        try:
            return train_alone(self.recipe, examples, coalition)
        except MODEL_ERRORS as error:
            if is_out_of_memory(error):
                raise
            members = coalition.nonzero().flatten().tolist()
            shown = ", ".join(map(str, members[:_SHOWN]))
            more = ", ..." if len(members) > _SHOWN else ""
            advice = ""
            if len(members) == 1 or len(members) % (self.recipe.batch_size or 1) == 1:
                advice = (
                    " A minibatch has a single example, which BatchNorm1d refuses and "
                    "LayerNorm and GroupNorm do not; with groups of examples "
                    "(feature_mask) there are fewer of them."
                )
            raise InputError(
                f"training on the coalition of {len(members)} example(s) "
                f"{{{shown}{more}}} failed: {first_line(error)}.{advice}"
            ) from error
