"""The mean of the inverses in place of the inverse of the mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.curvature.empirical_fisher import EmpiricalFisher
from torchattr.influence.scores import streamed_gradients
from torchattr.influence.solvers.solver import Solved, Solver

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["DataInf"]


class DataInf(Solver):
    r"""DataInf: inverts the outer product of each example's gradient, and averages.

    .. math:: z = \frac1N \sum_i (g_i g_i^\top + \lambda I)^{-1} g
        = \frac1\lambda \Bigl(g - \frac1N \sum_i
        \frac{g_i^\top g}{\lambda + \|g_i\|^2}\, g_i\Bigr)

    by Sherman and Morrison's formula (`Kwon et al., 2024
    <https://arxiv.org/abs/2310.00902>`_). It does not solve with the empirical Fisher
    matrix, whose inverse is of the mean: it overestimates where the matrix has many
    directions, and ``relative_residuals`` tells by how much. It is exact for one
    example, and for large :math:`\lambda`.

    Args:
        curvature: The empirical Fisher matrix, whose training examples it takes.

    Raises:
        InputError: If the curvature is another, and by ``solve`` if
            :math:`\lambda = 0`.

    Note:
        One pass over the training data for each solve, whatever the number of
        right-hand sides, in chunks of gradients. Nothing is kept.

    Example:
        >>> from torchattr.influence import EmpiricalFisher, EmpiricalRisk
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> risk = EmpiricalRisk(model, lambda output, target: output.sum())
        >>> data = (torch.tensor([[1.0], [3.0]]), torch.zeros(2))
        >>> solver = DataInf(EmpiricalFisher(risk, [data]))
        >>> solver.solve(torch.ones(1, 1), 1.0).vectors  # (1/2 + 1/10) / 2
        tensor([[0.3000]])
    """

    def __init__(self, curvature: LinearOperator) -> None:
        if not isinstance(curvature, EmpiricalFisher):
            raise InputError(
                "DataInf averages over the gradients of the training examples: its "
                "curvature must be the EmpiricalFisher; got "
                f"{type(curvature).__name__}"
            )
        super().__init__(curvature)
        self._fisher = curvature

    def solve(self, vectors: Tensor, regularization: float) -> Solved:
        """Means of solutions, one for the gradient of each training example."""
        if not regularization > 0:
            raise InputError(
                "the outer product of one gradient is singular, which needs "
                f"regularization > 0; got {regularization:g}"
            )
        fisher, total, count = self._fisher, torch.zeros_like(vectors), 0
        with fisher.risk.evaluating():
            for examples in fisher.batches:
                count += len(examples)
                for gradients in streamed_gradients(fisher.risk, examples):
                    shrunk = regularization + gradients.squared_norms()
                    total += gradients.combined(gradients.products(vectors) / shrunk)
        if not bool(total.isfinite().all()) and bool(vectors.isfinite().all()):
            raise InputError(
                "the gradient of some training example is not finite; check the "
                "training data and the loss"
            )
        return Solved((vectors - total / count) / regularization)

    def trace(self) -> float:
        """The mean squared norm of the gradients; one pass over the training data."""
        fisher, total, count = self._fisher, 0.0, 0
        with fisher.risk.evaluating():
            for examples in fisher.batches:
                count += len(examples)
                for gradients in streamed_gradients(fisher.risk, examples):
                    squares = gradients.squared_norms()
                    total += float(squares.sum(dtype=torch.float64))
        return total / count

    def to(self, device: torch.device | str) -> Self:
        """Nothing is held; the model moves with its owner."""
        return self
