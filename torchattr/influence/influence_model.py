"""A model, a curvature of its training loss, and a solver: what influences rest on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from torchattr.errors import InputError
from torchattr.games.attribution import PerturbationAttribution
from torchattr.influence.batches import Batches, BatchFunction
from torchattr.influence.block_inverse import BlockInverse
from torchattr.influence.blocks import BlockMode, BlockStructure, blocks_of
from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.empirical_risk import EmpiricalRisk, Loss
from torchattr.influence.model_check import check_model
from torchattr.influence.regularization import Regularization, one_of
from torchattr.influence.scores import streamed_gradients
from torchattr.influence.second_order_mode import (
    CurvatureChoice,
    SecondOrderMode,
    check_choice,
    chosen_curvatures,
)
from torchattr.influence.solvers.solver import Solver

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["InfluenceModel"]


class InfluenceModel(PerturbationAttribution):
    r"""Solves with a curvature of the training loss; a subclass chooses the solver.

    :class:`Influence` documents the arguments, which all influence classes share.

    Attributes:
        risk: The mean loss as a function of the parameters that vary.
        inverse: What solves, block by block.

    Example:
        >>> from torchattr.influence import DirectInfluence
        >>> influence = DirectInfluence(nn.Linear(1, 1), nn.MSELoss(), 0.1)
        >>> influence.is_fitted, influence.n_parameters, influence.regularization
        (False, 2, {'full': 0.1})
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
        needs_regularization: bool = False,
    ) -> None:
        super().__init__(model)
        if scale not in {None, "loo"}:
            raise InputError(f'scale must be None or "loo"; got {scale!r}')
        check_choice(second_order_mode)
        EmpiricalRisk(model, loss)  # no model is refused before its blocks are read
        names = blocks_of(model, block_structure)
        self.risk = EmpiricalRisk(model, loss, list(chain(*names.values())))
        self._second_order_mode = second_order_mode
        self._scale = scale
        self._batch_function = batch_function
        self.inverse = BlockInverse(
            {block: self.risk.restricted(own) for block, own in names.items()},
            one_of(regularization, hessian_regularization),
            positive=needs_regularization,
        )
        self._n_train = 0

    @abstractmethod
    def _solver(self, curvature: LinearOperator) -> Solver:
        """The solver for the curvature of one block."""

    def fit(self, loader: Iterable[Any]) -> Self:
        """Read the training examples, and prepare to solve with their curvature.

        Args:
            loader: Any iterable of batches ``(x, y)``; how they are cut does not
                matter. One pair ``(x, y)``, as a tuple, is one batch.

        Returns:
            This object.

        Raises:
            InputError: If batches are no such pairs, if the model mixes the examples of
                a batch or is random in eval mode, or if a loss is not finite.
        """
        batches = self.batches(loader)
        with self.risk.evaluating():
            check_model(self.risk, next(iter(batches)))
        curvatures = chosen_curvatures(
            self._second_order_mode, self.inverse.risks, batches
        )
        solvers = {
            block: self._solver(curvature) for block, curvature in curvatures.items()
        }
        self._n_train = batches.n_examples if self._scale == "loo" else 0
        self.inverse.fitted(solvers)
        return self

    def batches(self, loader: Iterable[Any]) -> Batches:
        """What a loader gives, as the model takes it.

        Args:
            loader: As for :meth:`fit`.

        Returns:
            Batches that can be read as often as needed.
        """
        return Batches(loader, self.risk, self._batch_function)

    @property
    def is_fitted(self) -> bool:
        """Whether :meth:`fit` has been called."""
        return bool(self.inverse.solvers)

    @property
    def is_thread_safe(self) -> bool:
        """Whether threads may share this object; no, since the model changes mode."""
        return False

    @property
    def n_parameters(self) -> int:
        """``P``: how many numbers vary."""
        return self.risk.n_parameters

    @property
    def block_names(self) -> list[str]:
        """Names of the blocks, in the order of the factors."""
        return list(self.inverse.risks)

    @property
    def dtype(self) -> torch.dtype:
        """The model's precision, and that of all answers."""
        return self.risk.dtype

    @property
    def device(self) -> torch.device:
        """The model's device, and that of all answers."""
        return self.risk.device

    @property
    def regularization(self) -> dict[str, float]:
        r""":math:`\lambda` of each block; that of ``"auto"`` is known after fitting."""
        return self.inverse.amounts()

    def with_regularization(self, regularization: Regularization) -> Self:
        """Change the regularization in place, without reading the training data.

        Args:
            regularization: As for the constructor.

        Returns:
            This object.

        Raises:
            InputError: If it is negative, no number, or names an unknown block.
        """
        self.inverse.regularize(regularization)
        return self

    def to(self, device: torch.device | str) -> Self:
        """Move the model, and all that was computed from it.

        Args:
            device: Where to.

        Returns:
            This object.
        """
        self.risk.model.to(device)
        self.inverse.to(device)
        return self

    def self_influences(self, x: Any, y: Tensor) -> Tensor:
        r"""The influence of each example on itself, :math:`g^\top (C+\lambda)^{-1} g`.

        Large for examples that the rest of the data speaks against, such as those with
        a wrong label.

        Args:
            x: Inputs of ``N`` examples.
            y: Their targets.

        Returns:
            ``(N,)``: the diagonal of ``influences(x, y)``, which is not formed.
        """
        self._check_fitted()
        examples = self.risk.examples(x, y)
        parts = []
        with self.risk.evaluating():
            for chunk in streamed_gradients(self.risk, examples):
                gradients = chunk.dense()
                solved = torch.cat(list(self.inverse.solved(gradients).values()), 1)
                parts.append((gradients * solved).sum(1))
        return self._scaled(torch.cat(parts))

    def relative_residuals(self, x: Any, y: Tensor) -> Tensor:
        r"""How far the solver is from its curvature, for some right-hand sides.

        Args:
            x: Inputs of ``N`` examples, whose gradients :math:`g` are solved for.
            y: Their targets.

        Returns:
            ``(N,)``: :math:`\|(C + \lambda I) z - g\| / \|g\|` of the solutions
            :math:`z`.
        """
        self._check_fitted()
        examples = self.risk.examples(x, y)
        with self.risk.evaluating():
            gradients = torch.cat([
                chunk.dense() for chunk in streamed_gradients(self.risk, examples)
            ])
            return self.inverse.relative_residuals(gradients)

    def _check_fitted(self) -> None:
        if not self.is_fitted:
            raise InputError(
                f"{type(self).__name__} knows no training data yet; call fit(loader) "
                "first"
            )

    def _scaled(self, scores: Tensor) -> Tensor:
        return scores / self._n_train if self._scale == "loo" else scores
