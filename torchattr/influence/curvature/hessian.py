"""The Hessian of the empirical risk."""

from __future__ import annotations

import torch
from torch import Tensor

from torchattr.games.examples import Examples
from torchattr.influence.curvature.curvature import Curvature
from torchattr.influence.curvature.loss_hessian_products import loss_hessian_products

__all__ = ["Hessian"]


class Hessian(Curvature):
    r"""The second derivative of the mean loss, :math:`\frac1N \sum_i \nabla^2 \ell_i`.

    It is indefinite unless the risk is convex, or its parameters are at a minimum.

    Args:
        risk: The model, the loss and the parameters.
        loader: The training examples: whatever :class:`Batches` takes.

    Example:
        >>> from torchattr.influence.empirical_risk import EmpiricalRisk
        >>> risk = EmpiricalRisk(torch.nn.Linear(2, 1), torch.nn.MSELoss())
        >>> Hessian(risk, [(torch.eye(2), torch.zeros(2, 1))]).dense()
        tensor([[1., 0., 1.],
                [0., 1., 1.],
                [1., 1., 2.]])
    """

    def _product(self, examples: Examples, vectors: Tensor) -> Tensor:
        return loss_hessian_products(self.risk, examples, vectors, columns=64)

    def _matrix(self, examples: Examples) -> Tensor:
        identity = torch.eye(self.shape[0], dtype=self.dtype, device=self.device)
        return self._product(examples, identity)
