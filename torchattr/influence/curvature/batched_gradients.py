"""Gradients of several combinations of a model's outputs, by one batched pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["batched_gradients"]


def batched_gradients(
    outputs: Tensor, inputs: Sequence[Tensor], cotangents: Tensor
) -> list[Tensor]:
    """Gradients of ``(cotangents * outputs).sum()`` for each of some cotangents.

    The graph is kept. Nothing is added to a ``.grad``.

    Args:
        outputs: In the graph of autograd, or independent of the inputs.
        inputs: Tensors of that graph.
        cotangents: ``(K, *outputs.shape)``.

    Returns:
        ``(K, *input.shape)`` for each input; 0 where the outputs do not depend on it.

    Example:
        >>> x = torch.ones(2, requires_grad=True)
        >>> batched_gradients(3 * x, [x], torch.eye(2))
        [tensor([[3., 0.],
                [0., 3.]])]
    """
    gradients: Sequence[Tensor | None] = [None] * len(inputs)
    if outputs.requires_grad and inputs:
        gradients = torch.autograd.grad(
            outputs,
            list(inputs),
            cotangents,
            retain_graph=True,
            is_grads_batched=True,
            allow_unused=True,
        )
    # (materialize_grads=True would forget the dimension of the cotangents.)
    return [
        tensor.new_zeros(len(cotangents), *tensor.shape) if found is None else found
        for tensor, found in zip(inputs, gradients, strict=True)
    ]
