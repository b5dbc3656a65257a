"""The Hessian of the empirical risk."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from torchattr.games.examples import Examples
from torchattr.influence.curvature.layer_plan import LayerPlan
from torchattr.influence.curvature.layer_terms import LayerFactors
from torchattr.influence.curvature.layered_curvature import LayeredCurvature
from torchattr.influence.curvature.loss_hessian_product import loss_hessian_product
from torchattr.influence.curvature.pre_activations import hessian_factors

__all__ = ["Hessian"]


class Hessian(LayeredCurvature):
    r"""The second derivative of the mean loss, :math:`\frac1N \sum_i \nabla^2 \ell_i`.

    It is indefinite unless the risk is convex, or its parameters are at a minimum.

    Args:
        risk: The model, the loss and the parameters.
        loader: The training examples: whatever :class:`Batches` takes.

    Example:
        >>> import torch
        >>> from torchattr.influence.empirical_risk import EmpiricalRisk
        >>> risk = EmpiricalRisk(torch.nn.Linear(2, 1), torch.nn.MSELoss())
        >>> Hessian(risk, [(torch.eye(2), torch.zeros(2, 1))]).dense()
        tensor([[1., 0., 1.],
                [0., 1., 1.],
                [1., 1., 2.]])
    """

    def _product_of(self, examples: Examples) -> Callable[[Tensor], Tensor]:
        return loss_hessian_product(self.risk, examples)

    def _factors(self, examples: Examples, plan: LayerPlan) -> LayerFactors | None:
        return hessian_factors(self.risk, examples, plan)

    def _columns(self, examples: Examples, index: Tensor) -> Tensor:
        return self._any_product(examples, self._identity(index))
