"""Products with the Gauss-Newton matrix, for any model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import vjp

from torchattr.games.examples import Examples
from torchattr.influence.curvature.output_hessians import (
    flat_outputs,
    output_hessian_product,
)
from torchattr.influence.empirical_risk import EmpiricalRisk, Parameters

__all__ = ["gauss_newton_product"]


def gauss_newton_product(
    risk: EmpiricalRisk, examples: Examples
) -> Callable[[Tensor], Tensor]:
    r"""Multiply with :math:`\sum_i J_i^\top H_i J_i`, by reverse passes alone.

    The product with :math:`J` is the transpose of that with :math:`J^\top`, which is
    linear; so no layer needs a rule of forward differentiation.

    Args:
        risk: The model, the loss and the parameters.
        examples: ``B`` examples.

    Returns:
        A function of ``(P,)`` to the same shape, for ``torch.func.vmap``.

    Example:
        >>> risk = EmpiricalRisk(torch.nn.Linear(1, 1), torch.nn.MSELoss())
        >>> examples = risk.examples(torch.tensor([[3.0]]), torch.zeros(1, 1))
        >>> gauss_newton_product(risk, examples)(torch.tensor([1.0, 0.0]))
        tensor([18., 6.])
    """

    def values(parameters: Parameters) -> Tensor:
        return flat_outputs(risk.outputs(parameters, examples.inputs))

    parameters = risk.parameters()
    with torch.no_grad():
        outputs = risk.outputs(parameters, examples.inputs)
    pullback: Any = vjp(values, parameters)[1]
    zero = torch.zeros_like(flat_outputs(outputs))
    push: Any = vjp(lambda change: pullback(change)[0], zero)[1]
    curve = output_hessian_product(risk, outputs, examples.targets)

    def product(vector: Tensor) -> Tensor:
        (change,) = push(risk.unflatten(vector))
        return risk.flatten(pullback(curve(change))[0])

    return product
