"""Influence by factors of the dense curvature."""

from __future__ import annotations

from typing import Literal

from torch import nn

from torchattr.influence.batches import BatchFunction
from torchattr.influence.blocks import BlockMode, BlockStructure
from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.empirical_risk import Loss
from torchattr.influence.influence import Influence
from torchattr.influence.regularization import Regularization
from torchattr.influence.second_order_mode import CurvatureChoice, SecondOrderMode
from torchattr.influence.solvers.cholesky import Cholesky

__all__ = ["DirectInfluence"]


class DirectInfluence(Influence):
    """Influence with the dense curvature of each block, solved for exactly.

    The choice up to some ten thousand parameters in a block, and what the other classes
    are measured against. An indefinite Hessian is solved as it is; one that is singular
    is refused, with a regularization that would do. See :class:`Cholesky` for memory
    and time, and :class:`Influence` for the arguments.

    ``fit`` reads the training data once. Factors are made at the first question and
    kept until ``with_regularization`` changes the matrix.

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> import torch
        >>> x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0], [3.0]])
        >>> model = nn.Linear(1, 1, bias=False)
        >>> _ = model.weight.data.fill_(1.4)  # least squares
        >>> direct = DirectInfluence(model, nn.MSELoss(), scale="loo").fit([(x, y)])
        >>> direct.influences(torch.tensor([[1.0]]), torch.tensor([[2.0]]), x, y)
        tensor([[-0.0960,  0.0960]])
        >>> direct.with_regularization(5.0).influence_factors(x, y)
        tensor([[ 0.0800],
                [-0.0800]])
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        regularization: Regularization = None,
        *,
        hessian_regularization: Regularization = None,
        block_structure: BlockStructure = BlockMode.FULL,
        second_order_mode: CurvatureChoice = SecondOrderMode.HESSIAN,
        scale: Literal["loo"] | None = None,
        batch_function: BatchFunction | None = None,
    ) -> None:
        super().__init__(
            model,
            loss,
            regularization,
            hessian_regularization=hessian_regularization,
            block_structure=block_structure,
            second_order_mode=second_order_mode,
            scale=scale,
            batch_function=batch_function,
        )

    def _solver(self, curvature: LinearOperator) -> Cholesky:
        return Cholesky(curvature)
