"""Optimizers that treat each number of a parameter alone, so that stacks do no harm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from torchattr.training.recipe import Recipe

__all__ = ["fuse", "is_elementwise", "optimizer_of_stacks"]

_FUSED = {torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD}
_TRIAL_STEPS = 4


def fuse(optimizer: torch.optim.Optimizer) -> None:
    """Let PyTorch take a step in one pass over memory, where the user left it open.

    Args:
        optimizer: One that has not taken a step.
    """
    if type(optimizer) not in _FUSED:
        return
    for group in optimizer.param_groups:
        undecided = group.get("fused") is None and group.get("foreach") is None
        special = group.get("capturable") or group.get("differentiable")
        numbers = isinstance(group["lr"], float | int)
        plain = all(p.is_floating_point() for p in group["params"])
        if undecided and numbers and plain and not special:
            group["fused"] = True


def is_elementwise(recipe: Recipe) -> bool:
    """Whether an optimizer does the same to stacked parameters as to each alone.

    It is tried on gradients of very different sizes: one that takes norms, or products
    of matrices, gives itself away, and so does a hook that clips by a norm.

    Args:
        recipe: What holds the optimizer.

    Returns:
        Whether it does.

    Example:
        >>> from functools import partial
        >>> descent = partial(torch.optim.SGD, lr=0.1)
        >>> model, loss = torch.nn.Linear(1, 1), torch.nn.MSELoss()
        >>> is_elementwise(Recipe(model, loss, descent, None, 1, None, 0, None))
        True
    """
    generator = torch.Generator().manual_seed(0)
    pairs = [_pair(parameter) for parameter in recipe.model.parameters()]
    grads = [[_gradient(p, generator) for p in pairs] for _ in range(_TRIAL_STEPS)]
    stacks = [_leaf(pair, pair) for pair in pairs]
    together = _after(optimizer_of_stacks(recipe, stacks)[0], stacks, grads)
    for i in range(2):
        singles = [_leaf(pair[i], pair) for pair in pairs]
        alone = _after(
            recipe.make_optimizer(singles)[0],
            singles,
            [[None if g is None else g[i] for g in step] for step in grads],
        )
        for one, both in zip(alone, together, strict=True):
            if not torch.allclose(one, both[i], rtol=1e-5, atol=1e-7):
                return False
    return True


def optimizer_of_stacks(
    recipe: Recipe, stacks: Sequence[Tensor]
) -> tuple[torch.optim.Optimizer, Any]:
    """An optimizer of stacked parameters, as it would be of each model's own.

    What makes it may look at shapes: biases, which have one dimension, are often given
    no weight decay. So it gets the first model's parameters, and then the stacks in
    their place.

    Args:
        recipe: What makes optimizers.
        stacks: ``(K, *shape)`` parameters.

    Returns:
        The optimizer, which has not taken a step, and its scheduler or ``None``.
    """
    singles = [_leaf(stack[0], stack) for stack in stacks]
    optimizer, scheduler = recipe.make_optimizer(singles)
    if optimizer.state:  # made for the shapes of single parameters
        return recipe.make_optimizer(stacks)
    places = {id(one): stack for one, stack in zip(singles, stacks, strict=True)}
    for group in optimizer.param_groups:
        group["params"] = [places[id(one)] for one in group["params"]]
    return optimizer, scheduler


def _leaf(value: Tensor, like: Tensor) -> Tensor:
    return value.detach().clone().requires_grad_(like.requires_grad)


def _pair(parameter: Tensor) -> Tensor:
    value = parameter.detach()
    other = value + 0.1 if parameter.requires_grad else value
    return torch.stack([value, other]).requires_grad_(parameter.requires_grad)


def _gradient(like: Tensor, generator: torch.Generator) -> Tensor | None:
    if not like.requires_grad:
        return None
    shape = tuple(like.shape)
    size = torch.exp(3 * torch.randn(shape, generator=generator))
    return (size * torch.randn(shape, generator=generator)).to(like)


def _after(
    optimizer: torch.optim.Optimizer,
    parameters: list[Tensor],
    grads: list[list[Tensor | None]],
) -> list[Tensor]:
    for step in grads:
        for parameter, grad in zip(parameters, step, strict=True):
            parameter.grad = None if grad is None else grad.clone()
        optimizer.step()
    return [p.detach() for p in parameters]
