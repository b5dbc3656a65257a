"""Products with the Hessian of the loss in the parameters, for any model."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import grad, vjp, vmap

from torchattr.games.examples import Examples
from torchattr.influence.empirical_risk import EmpiricalRisk, Parameters

__all__ = ["loss_hessian_products"]


def loss_hessian_products(
    risk: EmpiricalRisk, examples: Examples, vectors: Tensor, *, columns: int
) -> Tensor:
    r"""Products with :math:`\sum_i \nabla^2 \ell_i`, by reverse over reverse.

    Of the ways to differentiate twice in ``torch.func``, this one is right for every
    layer: those through ``jvp`` raise for convolutions, and ``jacrev(jacrev)`` is
    wrong for ``LayerNorm``. The gradient's graph is made once for all vectors.

    Args:
        risk: The model, the loss and the parameters.
        examples: ``B`` examples.
        vectors: ``(P, R)``.
        columns: How many vectors are multiplied at once.

    Returns:
        ``(P, R)``.
    """

    def summed(parameters: Parameters) -> Tensor:
        return risk.losses(parameters, examples).sum()

    _, pullback = vjp(grad(summed), risk.parameters())
    products = vmap(lambda rows: risk.flatten(pullback(risk.unflatten(rows))[0]))
    return torch.cat([products(rows) for rows in vectors.T.split(columns)]).T
