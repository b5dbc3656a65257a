"""Derivatives of a model's outputs in its parameters."""

from __future__ import annotations

import torch
from torch import Tensor

from torchattr.games.examples import Examples, map_inputs
from torchattr.influence.curvature.output_hessians import flat_outputs
from torchattr.influence.empirical_risk import EmpiricalRisk
from torchattr.influence.gradients.example_gradients import example_gradients

__all__ = ["inner_product", "output_jacobians"]


def inner_product(outputs: object, weights: Tensor) -> Tensor:
    """A loss that is linear: outputs times targets, whose gradient is a row of J.

    Args:
        outputs: Of ``B`` examples.
        weights: ``(B, C)``, or the shape of the outputs.

    Returns:
        A number.

    Example:
        >>> inner_product(torch.ones(1, 2), torch.tensor([[3.0, 4.0]]))
        tensor(7.)
    """
    return (flat_outputs(outputs) * flat_outputs(weights)).sum()


def output_jacobians(risk: EmpiricalRisk, examples: Examples) -> Tensor:
    """The Jacobian of each example's outputs in the parameters.

    Every example is repeated for each of its outputs, of which it then has the
    gradient: the gradients of many examples are what layers give as factors.

    Args:
        risk: The model and the parameters.
        examples: ``B`` examples.

    Returns:
        ``(B, C, P)``.

    Example:
        >>> risk = EmpiricalRisk(torch.nn.Linear(1, 1), torch.nn.MSELoss())
        >>> output_jacobians(risk, risk.examples(torch.ones(2, 1), torch.ones(2, 1)))
        tensor([[[1., 1.]],
        <BLANKLINE>
                [[1., 1.]]])
    """
    with torch.no_grad():
        size = flat_outputs(risk.outputs(risk.parameters(), examples.inputs)).shape[1]
    identity = torch.eye(size, dtype=risk.dtype, device=risk.device)
    repeated = Examples(
        map_inputs(lambda tensor: tensor.repeat_interleave(size, 0), examples.inputs),
        identity.repeat(len(examples), 1),
    )
    linear = EmpiricalRisk(risk.model, inner_product, risk.names)
    gradients = example_gradients(linear, repeated).dense()
    return gradients.view(len(examples), size, -1)
