"""Gradients of many examples in any parameter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.func import grad, vmap

from torchattr.games.examples import Examples, Inputs, map_inputs
from torchattr.influence.empirical_risk import EmpiricalRisk, Parameters

__all__ = ["generic_gradients"]


def generic_gradients(
    risk: EmpiricalRisk, examples: Examples, names: Sequence[str]
) -> dict[str, Tensor]:
    """Gradients of the loss of each example in some parameters, held whole.

    By ``torch.func.vmap``; and for a model that it cannot take, one example after
    another.

    Args:
        risk: The model, the loss and the parameters; the model is in eval mode.
        examples: ``B`` examples.
        names: Of the parameters.

    Returns:
        ``(B, n)`` by name.

    Raises:
        OutOfMemoryError: As PyTorch does, where the gradients do not fit the device.

    Example:
        >>> risk = EmpiricalRisk(torch.nn.LayerNorm(3), torch.nn.MSELoss())
        >>> examples = risk.examples(torch.randn(5, 3), torch.ones(5, 3))
        >>> generic_gradients(risk, examples, ["bias"])["bias"].shape
        torch.Size([5, 3])
    """
    if not names:
        return {}
    varied = {name: risk.parameters()[name] for name in names}

    def loss(varied: Parameters, inputs: Inputs, target: Tensor) -> Tensor:
        return _loss_of_one(risk, varied, inputs, target)

    try:
        found = vmap(grad(loss), (None, 0, 0))(
            varied, examples.inputs, examples.targets
        )
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError):
        # Shapes or branches that depend on the data, or an operator without a rule for
        # batches. Whatever else is wrong with the model is raised again here.
        found = _one_after_another(risk, varied, examples)
    return {
        name: tensor.detach().reshape(len(examples), -1)
        for name, tensor in found.items()
    }


def _loss_of_one(
    risk: EmpiricalRisk, varied: Parameters, inputs: Inputs, target: Tensor
) -> Tensor:
    batch = map_inputs(lambda tensor: tensor.unsqueeze(0), inputs)
    outputs = risk.outputs({**risk.parameters(), **varied}, batch)
    return risk.loss(outputs, target.unsqueeze(0)).sum()


def _one_after_another(
    risk: EmpiricalRisk, varied: Parameters, examples: Examples
) -> dict[str, Tensor]:
    leaves = {n: tensor.clone().requires_grad_() for n, tensor in varied.items()}
    rows = []
    for index in range(len(examples)):
        one = map_inputs(partial(torch.select, dim=0, index=index), examples.inputs)
        loss = _loss_of_one(risk, leaves, one, examples.targets[index])
        rows.append(
            torch.autograd.grad(
                loss, list(leaves.values()), allow_unused=True, materialize_grads=True
            )
        )
    stacked = [torch.stack(column) for column in zip(*rows, strict=True)]
    return dict(zip(leaves, stacked, strict=True))
