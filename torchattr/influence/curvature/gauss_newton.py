"""The Gauss-Newton matrix of the empirical risk."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from torchattr.games.examples import Examples
from torchattr.influence.curvature.chunk_sizes import (
    example_chunks,
    saved_elements,
    working_elements,
)
from torchattr.influence.curvature.gauss_newton_product import gauss_newton_product
from torchattr.influence.curvature.layer_plan import LayerPlan
from torchattr.influence.curvature.layer_terms import LayerFactors
from torchattr.influence.curvature.layered_curvature import LayeredCurvature
from torchattr.influence.curvature.output_hessians import flat_outputs, output_hessians
from torchattr.influence.curvature.output_jacobians import output_jacobians
from torchattr.influence.curvature.pre_activations import gauss_newton_factors

__all__ = ["GaussNewton"]

#: Outputs of an example up to which their Jacobian is formed: a product of matrices for
#: each of them is then cheaper than products with all columns of the identity.
_MOST_OUTPUTS = 64


class GaussNewton(LayeredCurvature):
    r"""The (generalised) Gauss-Newton matrix :math:`\frac1N \sum_i J_i^\top H_i J_i`.

    Here :math:`J_i` is the Jacobian of the outputs in the parameters, and :math:`H_i`
    the Hessian of the loss in the outputs: the Hessian of a model that is made linear
    in its parameters. It is never negative where the loss is convex in the outputs.

    Args:
        risk: The model, the loss and the parameters.
        loader: The training examples: whatever :class:`Batches` takes.

    Note:
        See Schraudolph, "Fast curvature matrix-vector products for second-order
        gradient descent", Neural Computation 14 (2002).

    Example:
        >>> from torchattr.influence.empirical_risk import EmpiricalRisk
        >>> risk = EmpiricalRisk(torch.nn.Linear(2, 1), torch.nn.MSELoss())
        >>> GaussNewton(risk, [(torch.eye(2), torch.zeros(2, 1))]).dense()
        tensor([[1., 0., 1.],
                [0., 1., 1.],
                [1., 1., 2.]])
    """

    def _product_of(self, examples: Examples) -> Callable[[Tensor], Tensor]:
        return gauss_newton_product(self.risk, examples)

    def _factors(self, examples: Examples, plan: LayerPlan) -> LayerFactors | None:
        return gauss_newton_factors(self.risk, examples, plan)

    def _columns(self, examples: Examples, index: Tensor) -> Tensor:
        risk = self.risk
        with torch.no_grad():
            one = next(example_chunks(examples, 1))
            outputs = risk.outputs(risk.parameters(), one.inputs)
        n_outputs = flat_outputs(outputs).shape[1]
        if n_outputs > _MOST_OUTPUTS:
            return self._any_product(examples, self._identity(index))
        total = torch.zeros(
            self.shape[0], len(index), dtype=self.dtype, device=self.device
        )
        # Each example is repeated for each of its outputs.
        elements = n_outputs * (2 * self.shape[0] + saved_elements(risk, examples))
        for part in example_chunks(examples, working_elements(self.device) // elements):
            jacobians = output_jacobians(risk, part)
            with torch.no_grad():
                outputs = risk.outputs(risk.parameters(), part.inputs)
            inner = output_hessians(risk, outputs, part.targets)
            curved = inner @ jacobians[:, :, index]
            total.addmm_(jacobians.flatten(0, 1).T, curved.flatten(0, 1))
        return total
