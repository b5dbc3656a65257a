"""Optimizers that treat each number of a parameter alone, so that stacks do no harm."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from torchattr.training.recipe import Recipe

__all__ = ["fuse", "is_elementwise"]

_ELEMENTWISE = {
    torch.optim.ASGD,
    torch.optim.Adadelta,
    torch.optim.Adagrad,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.Adamax,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.RMSprop,
    torch.optim.Rprop,
    torch.optim.SGD,
}
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

    PyTorch's own are known. Any other is tried on gradients of very different sizes:
    one that takes norms, or products of matrices, gives itself away.

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
    probes = [parameter.detach() for parameter in recipe.model.parameters()]
    optimizer, _ = recipe.make_optimizer([p.clone().requires_grad_() for p in probes])
    if type(optimizer) in _ELEMENTWISE:
        return True
    generator = torch.Generator().manual_seed(0)
    pairs = [torch.stack([p, p + 0.1]) for p in probes]
    grads = [[_gradient(p, generator) for p in pairs] for _ in range(_TRIAL_STEPS)]
    together = _after(recipe, pairs, grads)
    for i in range(2):
        alone = _after(
            recipe, [p[i] for p in pairs], [[g[i] for g in step] for step in grads]
        )
        for one, both in zip(alone, together, strict=True):
            if not torch.allclose(one, both[i], rtol=1e-5, atol=1e-7):
                return False
    return True


def _gradient(like: Tensor, generator: torch.Generator) -> Tensor:
    shape = tuple(like.shape)
    size = torch.exp(3 * torch.randn(shape, generator=generator))
    return (size * torch.randn(shape, generator=generator)).to(like)


def _after(recipe: Recipe, start: list[Tensor], grads: list[list[Tensor]]) -> list[Any]:
    parameters = [p.clone().requires_grad_() for p in start]
    optimizer, _ = recipe.make_optimizer(parameters)
    for step in grads:
        for parameter, grad in zip(parameters, step, strict=True):
            parameter.grad = grad.clone()
        optimizer.step()
    return [p.detach() for p in parameters]
