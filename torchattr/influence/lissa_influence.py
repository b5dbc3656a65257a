"""Influence by the Neumann series."""

from __future__ import annotations

from torch import nn

from torchattr.influence.batches import BatchFunction
from torchattr.influence.blocks import BlockMode, BlockStructure
from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.empirical_risk import Loss
from torchattr.influence.influence import Influence
from torchattr.influence.regularization import Regularization
from torchattr.influence.second_order_mode import CurvatureChoice, SecondOrderMode
from torchattr.influence.solvers.lissa import LiSSA, check_lissa

__all__ = ["LissaInfluence"]


class LissaInfluence(Influence):
    """Influence by a series of products with the curvature.

    Kept for those who know it: :class:`CgInfluence` gives the same answers in fewer
    products, and asks for no ``scale``. Solves with the curvature of all training
    examples plus ``regularization + scale * dampen``; see :class:`LiSSA` for the
    iteration and when it converges, and :class:`Influence` for the arguments that are
    not listed. ``scale`` is the iteration's number here; divide influences by the
    number of training examples where ``scale="loo"`` would.

    Args:
        model: The module.
        loss: The loss.
        regularization: What is added to the diagonal, ``scale * dampen`` apart.
        hessian_regularization: The same by another name.
        maxiter: Most products.
        dampen: From 0 to 1.
        scale: More than half the largest eigenvalue.
        rtol: The relative residual that an answer has, in the system with dampening;
            where it has not, a :class:`ConvergenceWarning` says what was reached, and
            what to change.
        progress: Whether a bar shows the iterations.
        warn_on_max_iteration: Whether there are warnings at all.
        block_structure: Blocks of the curvature.
        second_order_mode: The curvature.
        batch_function: Makes ``(x, y)`` of what a loader gives.

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> import torch
        >>> x, y = torch.eye(3), torch.tensor([[1.0], [2.0], [4.0]])
        >>> model = nn.Linear(3, 1, bias=False)
        >>> _ = model.weight.data.zero_()
        >>> lissa = LissaInfluence(model, nn.MSELoss(), 1.0, scale=2).fit([(x, y)])
        >>> lissa.influence_factors(x[:1], y[:1]).round(decimals=2)  # -2 / (2 / 3 + 1)
        tensor([[-1.2000,  0.0000,  0.0000]])
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        regularization: Regularization = None,
        *,
        hessian_regularization: Regularization = None,
        maxiter: int = 1000,
        dampen: float = 0.0,
        scale: float = 10.0,
        rtol: float = 1e-4,
        progress: bool = False,
        warn_on_max_iteration: bool = True,
        block_structure: BlockStructure = BlockMode.FULL,
        second_order_mode: CurvatureChoice = SecondOrderMode.HESSIAN,
        batch_function: BatchFunction | None = None,
    ) -> None:
        check_lissa(maxiter, dampen, scale, rtol)
        self.maxiter, self.dampen, self.scale, self.rtol = maxiter, dampen, scale, rtol
        self.progress, self.warn_on_max_iteration = progress, warn_on_max_iteration
        super().__init__(
            model,
            loss,
            regularization,
            hessian_regularization=hessian_regularization,
            block_structure=block_structure,
            second_order_mode=second_order_mode,
            batch_function=batch_function,
        )

    def _solver(self, curvature: LinearOperator) -> LiSSA:
        return LiSSA(
            curvature,
            maxiter=self.maxiter,
            dampen=self.dampen,
            scale=self.scale,
            rtol=self.rtol,
            progress=self.progress,
            warn_on_max_iteration=self.warn_on_max_iteration,
        )
