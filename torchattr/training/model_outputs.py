"""Outputs of many models on the same inputs."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from torchattr.errors import InputError
from torchattr.games.examples import Inputs, map_inputs
from torchattr.games.memory import in_parts, is_out_of_memory
from torchattr.training.fallback import (
    MODEL_ERRORS,
    FallbackNotice,
    batched_quietly,
    first_line,
)
from torchattr.training.plain_loop import generators_kept
from torchattr.training.recipe import Recipe
from torchattr.training.shuffles import scrambled

__all__ = ["ModelOutputs"]

_ELEMENTS = 2**22  # of inputs, times models, that are computed at once


class ModelOutputs:
    """Computes outputs of stacked models in evaluation mode.

    Args:
        recipe: What holds the model.
        rows_at_once: Rows of a chunk; ``None`` for as many as memory allows.
        notice: How a user learns that models are run one after another.
    """

    def __init__(
        self, recipe: Recipe, rows_at_once: int | None, notice: FallbackNotice
    ) -> None:
        self.recipe, self.notice = recipe, notice
        self.rows_at_once = rows_at_once
        self._in_turn = False

    @torch.no_grad()
    def compute(self, models: Mapping[str, Tensor], inputs: Inputs) -> Tensor:
        """Outputs of all models on all rows.

        Args:
            models: Stacked parameters and buffers of ``K`` models.
            inputs: ``M`` rows, on the model's device.

        Returns:
            ``(K, M, *output)``.
        """
        module = copy.deepcopy(self.recipe.model).eval()
        state = self._checked(models)
        tensors = _tensors(inputs)
        n_rows, n_models = len(tensors[0]), len(next(iter(state.values())))
        width = sum(tensor[0].numel() for tensor in tensors)
        rows = self.rows_at_once or max(1, _ELEMENTS // max(width * n_models, 1))

        def part(start: int, stop: int) -> Tensor:
            chunk = map_inputs(lambda tensor: tensor[start:stop], inputs)
            return self._chunk(module, state, chunk).transpose(0, 1)

        # A model may draw random numbers in evaluation mode, too.
        with generators_kept(self.recipe.device):
            torch.default_generator.manual_seed(scrambled(self.recipe.seed))
            outputs, _ = in_parts(part, count=n_rows, size=min(rows, n_rows))
        return outputs.transpose(0, 1)

    def _checked(self, models: Mapping[str, Tensor]) -> dict[str, Tensor]:
        model = self.recipe.model
        names = [name for name, _ in model.named_parameters()]
        names += [name for name, _ in model.named_buffers()]
        missing = [name for name in names if name not in models]
        if missing:
            raise InputError(
                "models must be what fit_many returned, with a stack for each "
                f"parameter and buffer; got none for {', '.join(missing)}"
            )
        return {name: models[name].to(self.recipe.device) for name in names}

    def _chunk(
        self, module: nn.Module, state: dict[str, Tensor], inputs: Inputs
    ) -> Tensor:
        if not self._in_turn:
            try:
                return _at_once(module, state, inputs)
            except MODEL_ERRORS as error:
                if is_out_of_memory(error):
                    raise
                reason = first_line(error)
            outputs = _one_by_one(module, state, inputs)
            self._in_turn = True
            self.notice.give(
                "outputs of models are computed",
                f"torch.func.vmap cannot run the model in evaluation mode: {reason}",
                stacklevel=8,
            )
            return outputs
        return _one_by_one(module, state, inputs)


def _tensors(inputs: Inputs) -> list[Tensor]:
    if isinstance(inputs, Tensor):
        return [inputs]
    return list(inputs.values() if isinstance(inputs, dict) else inputs)


def _call(module: nn.Module, state: dict[str, Tensor], inputs: Inputs) -> Tensor:
    if isinstance(inputs, dict):
        outputs = functional_call(module, state, (), inputs)
    else:
        outputs = functional_call(module, state, inputs)
    if not isinstance(outputs, Tensor):
        raise InputError(
            "the model must return a tensor, so that outputs can be compared with "
            f"targets; got a {type(outputs).__qualname__}"
        )
    return outputs


def _at_once(module: nn.Module, state: dict[str, Tensor], inputs: Inputs) -> Tensor:
    with batched_quietly():
        outputs: Tensor = vmap(lambda one: _call(module, one, inputs))(state)
    return outputs


def _one_by_one(module: nn.Module, state: dict[str, Tensor], inputs: Inputs) -> Tensor:
    n_models = len(next(iter(state.values())))
    outputs = [
        _call(module, {name: stack[i] for name, stack in state.items()}, inputs)
        for i in range(n_models)
    ]
    return torch.stack(outputs)
