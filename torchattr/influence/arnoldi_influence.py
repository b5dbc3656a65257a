"""Influence by the eigenvectors of largest absolute eigenvalue."""

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
from torchattr.influence.solvers.arnoldi import Arnoldi, check_arnoldi

__all__ = ["ArnoldiInfluence"]


class ArnoldiInfluence(Influence):
    """Influence within the directions in which the curvature is largest.

    For more parameters than a dense matrix allows. Scores leave out what the gradients
    have outside ``rank`` eigenvectors, or with ``use_woodbury`` count it as flat, and
    are as far from :class:`DirectInfluence` as ``relative_residuals`` says: the
    eigenvalues that are left out should be small beside the regularization. See
    :class:`Arnoldi` for the formula and for zero or negative eigenvalues, and
    :class:`Influence` for the arguments that are not listed.

    Args:
        model: The module.
        loss: The loss.
        regularization: Larger than 0 if ``use_woodbury``.
        hessian_regularization: The same by another name.
        rank: How many eigenvectors of each block; with all of them it is exact.
        krylov_dimension: Most columns of the basis that they are found in.
        tol: Residual of the eigenvectors that is allowed.
        max_iter: Most passes over the training data.
        use_woodbury: Whether what is outside the eigenvectors counts.
        seed: Of the first vectors.
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
        >>> arnoldi = ArnoldiInfluence(model, nn.MSELoss(), 1.0, rank=3).fit([(x, y)])
        >>> arnoldi.influence_factors(x[:1], y[:1])  # -2 / (2 / 3 + 1)
        tensor([[-1.2000,  0.0000,  0.0000]])
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        regularization: Regularization = None,
        *,
        hessian_regularization: Regularization = None,
        rank: int = 10,
        krylov_dimension: int | None = None,
        tol: float = 1e-6,
        max_iter: int | None = None,
        use_woodbury: bool = False,
        seed: int = 0,
        block_structure: BlockStructure = BlockMode.FULL,
        second_order_mode: CurvatureChoice = SecondOrderMode.HESSIAN,
        scale: Literal["loo"] | None = None,
        batch_function: BatchFunction | None = None,
    ) -> None:
        check_arnoldi(rank, krylov_dimension, tol, max_iter)
        self.rank, self.krylov_dimension = rank, krylov_dimension
        self.tol, self.max_iter = tol, max_iter
        self.use_woodbury, self.seed = use_woodbury, seed
        super().__init__(
            model,
            loss,
            regularization,
            hessian_regularization=hessian_regularization,
            block_structure=block_structure,
            second_order_mode=second_order_mode,
            scale=scale,
            batch_function=batch_function,
            needs_regularization=use_woodbury,
        )

    def _solver(self, curvature: LinearOperator) -> Arnoldi:
        return Arnoldi(
            curvature,
            rank=self.rank,
            krylov_dimension=self.krylov_dimension,
            tol=self.tol,
            max_iter=self.max_iter,
            use_woodbury=self.use_woodbury,
            seed=self.seed,
        )
