"""Second derivatives of a loss in the outputs of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import grad, vjp, vmap
from torch.utils._pytree import tree_flatten, tree_unflatten

from torchattr.influence.empirical_risk import EmpiricalRisk

__all__ = ["flat_outputs", "output_hessian_product", "output_hessians"]


def flat_outputs(outputs: Any) -> Tensor:
    """All floating-point numbers of the outputs, side by side.

    Args:
        outputs: Of ``B`` examples: a tensor, or a structure of tensors.

    Returns:
        ``(B, C)``.
    """
    leaves, _ = tree_flatten(outputs)
    return torch.cat(
        [leaf.reshape(len(leaf), -1) for leaf in leaves if _is_float(leaf)], 1
    )


def output_hessian_product(
    risk: EmpiricalRisk,
    outputs: Any,
    targets: Tensor,
) -> Callable[[Tensor], Tensor]:
    """Multiply with the Hessian of each example's loss in its outputs.

    Args:
        risk: Whose loss.
        outputs: Of ``B`` examples.
        targets: Theirs.

    Returns:
        A function of ``(B, C)`` to the same shape.
    """
    leaves, structure = tree_flatten(outputs)

    def summed(values: Tensor) -> Tensor:
        rebuilt, start = list(leaves), 0
        for place, leaf in enumerate(leaves):
            if _is_float(leaf):
                stop = start + leaf[0].numel()
                rebuilt[place] = values[:, start:stop].reshape(leaf.shape)
                start = stop
        return risk.output_losses(tree_unflatten(rebuilt, structure), targets).sum()

    pullback: Any = vjp(grad(summed), flat_outputs(outputs).detach())[1]
    return lambda change: pullback(change)[0]


def output_hessians(
    risk: EmpiricalRisk,
    outputs: Any,
    targets: Tensor,
) -> Tensor:
    """The Hessian of each example's loss in its outputs.

    Args:
        risk: Whose loss.
        outputs: Of ``B`` examples.
        targets: Theirs.

    Returns:
        ``(B, C, C)``.

    Example:
        >>> risk = EmpiricalRisk(torch.nn.Linear(1, 2), torch.nn.MSELoss())
        >>> output_hessians(risk, torch.zeros(1, 2), torch.ones(1, 2))
        tensor([[[1., 0.],
                 [0., 1.]]])
    """
    n_examples, size = flat_outputs(outputs).shape
    identity = torch.eye(size, dtype=risk.dtype, device=risk.device)
    directions = identity[:, None].expand(size, n_examples, size)
    return vmap(output_hessian_product(risk, outputs, targets))(directions).movedim(
        0, 1
    )


def _is_float(leaf: object) -> bool:
    return isinstance(leaf, Tensor) and leaf.is_floating_point()
