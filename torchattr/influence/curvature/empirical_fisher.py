"""The empirical Fisher matrix: outer products of the gradients at the given targets."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from torchattr.games.examples import Examples
from torchattr.influence.curvature.chunk_sizes import (
    example_chunks,
    saved_elements,
    working_elements,
)
from torchattr.influence.curvature.curvature import Curvature
from torchattr.influence.curvature.matrix_sum import MatrixSum, Whole
from torchattr.influence.gradients.example_gradients import example_gradients

__all__ = ["EmpiricalFisher"]


class EmpiricalFisher(Curvature):
    r"""Second moments of the gradients, :math:`\frac1N \sum_i g_i g_i^\top`.

    The gradients are those at the given targets, so this is no Fisher matrix
    (`Kunstner et al., 2019 <https://arxiv.org/abs/1905.12558>`_): close to a fit it
    goes to zero with the residuals, where the Hessian does not. Its rank is at most the
    number of examples.

    Args:
        risk: The model, the loss and the parameters.
        loader: The training examples: whatever :class:`Batches` takes.

    Example:
        >>> from torchattr.influence.empirical_risk import EmpiricalRisk
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> risk = EmpiricalRisk(model, lambda output, target: output.sum())
        >>> data = (torch.tensor([[1.0], [3.0]]), torch.zeros(2))
        >>> EmpiricalFisher(risk, [data]).dense()
        tensor([[5.]])
    """

    def _product(self, examples: Examples, vectors: Tensor) -> Tensor:
        total = torch.zeros_like(vectors.T)
        for part in self._chunks(examples):
            gradients = example_gradients(self.risk, part)
            total += gradients.combined(gradients.products(vectors.T))
        return total.T

    def _matrix(self, examples: Examples) -> MatrixSum:
        total = MatrixSum()
        for part in self._chunks(examples):
            gradients = example_gradients(self.risk, part).dense()
            total.add_(MatrixSum([Whole("whole", gradients.T @ gradients)]))
        return total

    def _n_columns(self) -> int:
        # Measured for the digit classifier 64-32-10.
        return self.shape[0] // 16

    def _chunks(self, examples: Examples) -> Iterator[Examples]:
        elements = saved_elements(self.risk, examples) + self.shape[0]
        return example_chunks(examples, working_elements(self.device) // elements)
