"""Products with the Hessian of the loss in the parameters, for any model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.func import grad, vjp

from torchattr.games.examples import Examples
from torchattr.influence.empirical_risk import EmpiricalRisk, Parameters

__all__ = ["loss_hessian_product"]


def loss_hessian_product(
    risk: EmpiricalRisk, examples: Examples
) -> Callable[[Tensor], Tensor]:
    r"""Multiply with :math:`\sum_i \nabla^2 \ell_i`, by reverse over reverse.

    Of the ways to differentiate twice in ``torch.func``, this one is right for every
    layer: those through ``jvp`` raise for convolutions, and ``jacrev(jacrev)`` is
    wrong for ``LayerNorm``. The gradient's graph is made once for all vectors.

    Args:
        risk: The model, the loss and the parameters.
        examples: ``B`` examples.

    Returns:
        A function of ``(P,)`` to the same shape, for ``torch.func.vmap``.

    Example:
        >>> import torch
        >>> risk = EmpiricalRisk(torch.nn.Linear(1, 1), torch.nn.MSELoss())
        >>> examples = risk.examples(torch.tensor([[3.0]]), torch.zeros(1, 1))
        >>> loss_hessian_product(risk, examples)(torch.tensor([1.0, 0.0]))
        tensor([18., 6.])
    """

    def summed(parameters: Parameters) -> Tensor:
        return risk.losses(parameters, examples).sum()

    pullback: Any = vjp(grad(summed), risk.parameters())[1]
    return lambda vector: risk.flatten(pullback(risk.unflatten(vector))[0])
