"""Influence by DataInf: each example's curvature inverted on its own."""

from __future__ import annotations

from typing import Literal

from torch import nn

from torchattr.influence.batches import BatchFunction
from torchattr.influence.blocks import BlockMode, BlockStructure
from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.empirical_risk import Loss
from torchattr.influence.influence import Influence
from torchattr.influence.regularization import Regularization
from torchattr.influence.second_order_mode import SecondOrderMode
from torchattr.influence.solvers.data_inf import DataInf

__all__ = ["InverseHarmonicMeanInfluence"]


class InverseHarmonicMeanInfluence(Influence):
    """Influence by DataInf, the mean of the inverses in place of the inverse.

    Needs no matrix and no iteration, and is known for low-rank adapters, where each
    block has few parameters; scores are those of the empirical Fisher matrix only
    roughly. Each question reads the training data once. See :class:`DataInf` for the
    formula, and :class:`Influence` for the arguments that are not listed.

    Args:
        model: The module.
        loss: The loss.
        regularization: Larger than 0.
        hessian_regularization: The same by another name.
        block_structure: Blocks of the curvature.
        scale: ``None`` or ``"loo"``.
        batch_function: Makes ``(x, y)`` of what a loader gives.

    Raises:
        InputError: If an argument is out of range; a regularization of 0 is.

    Example:
        >>> import torch
        >>> x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0], [1.0]])
        >>> model = nn.Linear(1, 1, bias=False)
        >>> _ = model.weight.data.zero_()  # gradients -2 and -4
        >>> harmonic = InverseHarmonicMeanInfluence(model, nn.MSELoss(), 4.0)
        >>> harmonic.fit([(x, y)]).influences(x, y)  # (1 / 8 + 1 / 20) / 2 = .0875
        tensor([[0.3500, 0.7000],
                [0.7000, 1.4000]])
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        regularization: Regularization = None,
        *,
        hessian_regularization: Regularization = None,
        block_structure: BlockStructure = BlockMode.FULL,
        scale: Literal["loo"] | None = None,
        batch_function: BatchFunction | None = None,
    ) -> None:
        super().__init__(
            model,
            loss,
            regularization,
            hessian_regularization=hessian_regularization,
            block_structure=block_structure,
            second_order_mode=SecondOrderMode.EMPIRICAL_FISHER,
            scale=scale,
            batch_function=batch_function,
            needs_regularization=True,
        )

    def _solver(self, curvature: LinearOperator) -> DataInf:
        return DataInf(curvature)
