"""The empirical Fisher matrix: outer products of the gradients at the given targets."""

from __future__ import annotations

from torch import Tensor
from torch.func import grad, vmap

from torchattr.games.examples import Examples, Inputs, map_inputs
from torchattr.influence.curvature.curvature import Curvature
from torchattr.influence.empirical_risk import Parameters

__all__ = ["EmpiricalFisher"]


class EmpiricalFisher(Curvature):
    r"""Second moments of the gradients, :math:`\frac1N \sum_i g_i g_i^\top`.

    The gradients are those at the given targets, so this is no Fisher matrix
    (`Kunstner et al., 2019 <https://arxiv.org/abs/1905.12558>`_): close to a fit it
    goes to zero with the residuals, where the Hessian does not.

    Args:
        risk: The model, the loss and the parameters.
        loader: The training examples: whatever :class:`Batches` takes.

    Example:
        >>> import torch
        >>> from torchattr.influence.empirical_risk import EmpiricalRisk
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> risk = EmpiricalRisk(model, lambda output, target: output.sum())
        >>> data = (torch.tensor([[1.0], [3.0]]), torch.zeros(2))
        >>> EmpiricalFisher(risk, [data]).dense()
        tensor([[5.]])
    """

    def _product(self, examples: Examples, vectors: Tensor) -> Tensor:
        gradients = self._gradients(examples)
        return gradients.T @ (gradients @ vectors)

    def _matrix(self, examples: Examples) -> Tensor:
        gradients = self._gradients(examples)
        return gradients.T @ gradients

    def _gradients(self, examples: Examples) -> Tensor:
        risk = self.risk

        def loss(parameters: Parameters, inputs: Inputs, target: Tensor) -> Tensor:
            inputs = map_inputs(lambda tensor: tensor.unsqueeze(0), inputs)
            outputs = risk.outputs(parameters, inputs)
            return risk.output_losses(outputs, target.unsqueeze(0)).sum()

        gradients = vmap(grad(loss), in_dims=(None, 0, 0))(
            risk.parameters(), examples.inputs, examples.targets
        )
        return risk.flatten(gradients)
