"""Influence by a low-rank sketch of the curvature."""

from __future__ import annotations

from typing import Literal

from torch import nn

from torchattr.games.counts import as_count
from torchattr.influence.batches import BatchFunction
from torchattr.influence.blocks import BlockMode, BlockStructure
from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.empirical_risk import Loss
from torchattr.influence.influence import Influence
from torchattr.influence.regularization import Regularization
from torchattr.influence.second_order_mode import CurvatureChoice, SecondOrderMode
from torchattr.influence.solvers.nystroem_sketch import NystroemSketch

__all__ = ["NystroemSketchInfluence"]


class NystroemSketchInfluence(Influence):
    """Influence with a low-rank sketch, from one pass over the training data.

    The cheapest to fit of those that see the curvature, and good where its eigenvalues
    decay: what the sketch leaves out counts as flat, and should be small beside the
    regularization. ``relative_residuals`` says how far scores are from
    :class:`DirectInfluence`. See :class:`NystroemSketch` for the formula, and
    :class:`Influence` for the arguments that are not listed.

    Args:
        model: The module.
        loss: The loss.
        regularization: Larger than 0.
        hessian_regularization: The same by another name.
        rank: Of the sketch of each block; with all of its parameters it is exact.
        seed: Of the random vectors.
        block_structure: Blocks of the curvature.
        second_order_mode: The curvature.
        scale: ``None`` or ``"loo"``.
        batch_function: Makes ``(x, y)`` of what a loader gives.

    Raises:
        InputError: If an argument is out of range; a regularization of 0 is.

    Example:
        >>> import torch
        >>> x, y = torch.eye(3)[:2], torch.tensor([[1.0], [2.0]])  # of rank 2
        >>> model = nn.Linear(3, 1, bias=False)
        >>> _ = model.weight.data.zero_()
        >>> sketch = NystroemSketchInfluence(model, nn.MSELoss(), 1.0, rank=2)
        >>> sketch.fit([(x, y)]).influence_factors(x[:1], y[:1]).round(decimals=4)
        tensor([[-1., 0., 0.]])
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        regularization: Regularization = None,
        *,
        hessian_regularization: Regularization = None,
        rank: int = 10,
        seed: int = 0,
        block_structure: BlockStructure = BlockMode.FULL,
        second_order_mode: CurvatureChoice = SecondOrderMode.HESSIAN,
        scale: Literal["loo"] | None = None,
        batch_function: BatchFunction | None = None,
    ) -> None:
        self.rank, self.seed = as_count("rank", rank), seed
        super().__init__(
            model,
            loss,
            regularization,
            hessian_regularization=hessian_regularization,
            block_structure=block_structure,
            second_order_mode=second_order_mode,
            scale=scale,
            batch_function=batch_function,
            needs_regularization=True,
        )

    def _solver(self, curvature: LinearOperator) -> NystroemSketch:
        return NystroemSketch(curvature, rank=self.rank, seed=self.seed)
