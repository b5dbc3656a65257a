"""A stacked model: the parameters of many copies of a module, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from torchattr.games.examples import Examples, Inputs, call_model
from torchattr.games.rewriting import Rewriting
from torchattr.training.counter_random import CounterRandom
from torchattr.training.cross_entropy import cross_entropy_rewriters
from torchattr.training.ragged_losses import mean_of_members, ragged_rewriters
from torchattr.training.random_functions import random_rewriters
from torchattr.training.recipe import Recipe
from torchattr.training.vmap_repairs import VMAP_REPAIRS

__all__ = ["StackedModel"]


class StackedModel:
    """``K`` copies of a model, whose trained parameters are stacked.

    Args:
        recipe: How it is trained.
        n_models: ``K``.

    Attributes:
        trained: For each parameter that requires a gradient, ``(K, *shape)``; they are
            changed by training.
        other_lengths: Lengths, other than the minibatch's, of what a loss of padded
            minibatches reduced.
    """

    def __init__(self, recipe: Recipe, n_models: int) -> None:
        self.recipe = recipe
        self.n_models = n_models
        self.module = recipe.fresh_model()
        transposed = _linear_weights(self.module)
        self.trained = {
            name: _stacked(parameter, n_models, transposed=id(parameter) in transposed)
            for name, parameter in self.module.named_parameters()
            if parameter.requires_grad
        }
        self.other_lengths: set[int] = set()
        self._slots = list(_slots(self.module, list(self.trained)))

    def leaves(self, start: int, stop: int) -> list[Tensor]:
        """Parameters of some models, sharing memory, that gradients are taken of."""
        return [
            stack.detach()[start:stop].requires_grad_()
            for stack in self.trained.values()
        ]

    def parameters(self, start: int, stop: int) -> tuple[list[Tensor], list[Tensor]]:
        """What an optimizer of some models is given.

        Args:
            start: First model.
            stop: One after the last.

        Returns:
            All parameters in the module's order, frozen ones expanded; and of those the
            ones that are trained.
        """
        trained = dict(zip(self.trained, self.leaves(start, stop), strict=True))
        every = [
            trained[name]
            if name in trained
            else parameter.detach().expand(stop - start, *parameter.shape)
            for name, parameter in self.module.named_parameters()
        ]
        return every, list(trained.values())

    def losses(
        self,
        leaves: list[Tensor],
        minibatch: Examples,
        members: Tensor | None = None,
        keys: Tensor | None = None,
    ) -> Tensor:
        """The loss of each model on its minibatch.

        Args:
            leaves: Parameters of ``k`` models.
            minibatch: ``(k, m, ...)`` examples of each.
            members: ``(k, m)`` booleans, which rows count; ``None`` for all.
            keys: ``(k, calls, 4)`` keys of random numbers; ``None`` where the model
                draws none.

        Returns:
            ``(k,)``.
        """
        given = (leaves, minibatch.inputs, minibatch.targets, members, keys)
        batched = tuple(None if thing is None else 0 for thing in given)
        losses: Tensor = vmap(self._loss, in_dims=batched)(*given)
        return losses

    def _loss(
        self,
        parameters: list[Tensor],
        inputs: Inputs,
        targets: Tensor,
        members: Tensor | None,
        keys: Tensor | None,
    ) -> Tensor:
        for owner, name, i in self._slots:
            owner[name] = parameters[i]
        random = {} if keys is None else random_rewriters(CounterRandom(keys))
        reductions = (
            {} if members is None else ragged_rewriters(members, self.other_lengths)
        )
        with self.recipe.autocast():
            with Rewriting(random, VMAP_REPAIRS):
                outputs = call_model(self.module, inputs)
            with Rewriting(random, cross_entropy_rewriters(members), reductions):
                losses = self.recipe.loss_of(outputs, targets)
        if not losses.ndim:
            return losses
        return losses.mean() if members is None else mean_of_members(losses, members)


def _stacked(parameter: Tensor, n_models: int, *, transposed: bool) -> Tensor:
    value = parameter.detach()
    if transposed:
        value = value.t()
    stack = value.expand(n_models, *value.shape)
    stack = stack.clone(memory_format=torch.contiguous_format)
    return stack.transpose(1, 2) if transposed else stack


def _linear_weights(module: nn.Module) -> set[int]:
    """Weights of linear layers alone, which lie transposed in memory.

    A batched product with the transpose of a contiguous matrix takes three times as
    long as one with the matrix itself.

    Returns:
        Their ids.
    """
    owners: dict[int, set[type]] = {}
    for part in module.modules():
        for parameter in part.parameters(recurse=False):
            if parameter.ndim == 2:
                owners.setdefault(id(parameter), set()).add(type(part))
    return {key for key, kinds in owners.items() if kinds == {nn.Linear}}


def _slots(
    module: nn.Module, names: list[str]
) -> Iterator[tuple[dict[str, Any], str, int]]:
    """Every place where a module keeps a trained parameter: for a tied one, several."""
    numbers = {
        id(parameter): names.index(name)
        for name, parameter in module.named_parameters()
        if name in names
    }
    for part in module.modules():
        for name, parameter in part.named_parameters(
            recurse=False, remove_duplicate=False
        ):
            if id(parameter) in numbers:
                yield part._parameters, name, numbers[id(parameter)]
