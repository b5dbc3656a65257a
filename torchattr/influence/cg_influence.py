"""Influence by conjugate gradients."""

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
from torchattr.influence.solvers.conjugate_gradient import (
    ConjugateGradient,
    check_conjugate_gradient,
)
from torchattr.influence.solvers.preconditioner import Preconditioner

__all__ = ["CgInfluence"]


class CgInfluence(Influence):
    r"""Influence by products with the curvature, to a tolerance that is kept.

    For more parameters than a dense matrix allows, or few gradients to solve for. Every
    multiplication reads the training data once; so the more gradients a question has,
    the less each costs. See :class:`ConjugateGradient` for how they share what they
    learn of the curvature and for indefinite Hessians, and :class:`Influence` for the
    arguments that are not listed.

    Args:
        model: The module.
        loss: The loss.
        regularization: A small one needs many multiplications.
        hessian_regularization: The same by another name.
        rtol: The relative residual :math:`\|(C + \lambda I) z - g\| / \|g\|` that an
            answer has; where it has not, a :class:`ConvergenceWarning` says what was
            reached.
        atol: No warning is given for gradients no longer than this, which are solved
            for like the others.
        maxiter: Most multiplications for the gradients that are solved for at once;
            ten times the number of parameters if ``None``.
        preconditioner: Such as ``NystroemPreconditioner(50)``, made anew for each
            block.
        solve_simultaneously: Whether all gradients share one Krylov space.
        progress: Whether a bar shows the iterations.
        precompute_grad: Without effect; accepted as pyDVL accepts it.
        warn_on_max_iteration: Whether there are warnings at all.
        block_structure: Blocks of the curvature.
        second_order_mode: The curvature.
        scale: ``None`` or ``"loo"``.
        batch_function: Makes ``(x, y)`` of what a loader gives.

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> import torch
        >>> x, y = torch.eye(3), torch.tensor([[1.0], [2.0], [4.0]])
        >>> model = nn.Linear(3, 1, bias=False)
        >>> _ = model.weight.data.zero_()
        >>> cg = CgInfluence(model, nn.MSELoss(), 1.0).fit([(x, y)])
        >>> cg.influence_factors(x[:1], y[:1])  # -2 / (2 / 3 + 1)
        tensor([[-1.2000,  0.0000,  0.0000]])
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        regularization: Regularization = None,
        *,
        hessian_regularization: Regularization = None,
        rtol: float = 1e-4,
        atol: float = 1e-6,
        maxiter: int | None = None,
        preconditioner: Preconditioner | None = None,
        solve_simultaneously: bool = True,
        progress: bool = False,
        precompute_grad: bool = False,
        warn_on_max_iteration: bool = True,
        block_structure: BlockStructure = BlockMode.FULL,
        second_order_mode: CurvatureChoice = SecondOrderMode.HESSIAN,
        scale: Literal["loo"] | None = None,
        batch_function: BatchFunction | None = None,
    ) -> None:
        check_conjugate_gradient(rtol, atol, maxiter, preconditioner)
        self.rtol, self.atol, self.maxiter = rtol, atol, maxiter
        self.preconditioner = preconditioner
        self.solve_simultaneously = solve_simultaneously
        self.progress, self.precompute_grad = progress, precompute_grad
        self.warn_on_max_iteration = warn_on_max_iteration
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

    def _solver(self, curvature: LinearOperator) -> ConjugateGradient:
        return ConjugateGradient(
            curvature,
            rtol=self.rtol,
            atol=self.atol,
            maxiter=self.maxiter,
            preconditioner=self.preconditioner,
            solve_simultaneously=self.solve_simultaneously,
            progress=self.progress,
            warn_on_max_iteration=self.warn_on_max_iteration,
        )
