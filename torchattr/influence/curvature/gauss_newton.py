"""The Gauss-Newton matrix of the empirical risk."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import grad, vjp, vmap

from torchattr.games.examples import Examples
from torchattr.influence.curvature.curvature import Curvature

__all__ = ["GaussNewton"]


class GaussNewton(Curvature):
    r"""The (generalised) Gauss-Newton matrix :math:`\frac1N \sum_i J_i^\top H_i J_i`.

    Here :math:`J_i` is the Jacobian of the outputs in the parameters, and :math:`H_i`
    the Hessian of the loss in the outputs: the Hessian of a model that is made linear
    in its parameters. It is never negative where the loss is convex in the outputs.

    Args:
        risk: The model, the loss and the parameters.
        loader: The training examples: whatever :class:`Batches` takes.

    Example:
        >>> from torchattr.influence.empirical_risk import EmpiricalRisk
        >>> risk = EmpiricalRisk(torch.nn.Linear(2, 1), torch.nn.MSELoss())
        >>> GaussNewton(risk, [(torch.eye(2), torch.zeros(2, 1))]).dense()
        tensor([[1., 0., 1.],
                [0., 1., 1.],
                [1., 1., 2.]])
    """

    def _product(self, examples: Examples, vectors: Tensor) -> Tensor:
        risk = self.risk

        def outputs(parameters):
            return risk.outputs(parameters, examples.inputs)

        def losses(values):
            return risk.output_losses(values, examples.targets).sum()

        values, pullback = vjp(outputs, risk.parameters())
        _, push = vjp(
            lambda cotangents: pullback(cotangents)[0], torch.zeros_like(values)
        )
        _, curve = vjp(grad(losses), values)

        def product(vector):
            change = push(risk.unflatten(vector))[0]
            return risk.flatten(pullback(curve(change)[0])[0])

        return vmap(product)(vectors.T).T

    def _matrix(self, examples: Examples) -> Tensor:
        identity = torch.eye(self.shape[0], dtype=self.dtype, device=self.device)
        return self._product(examples, identity)
