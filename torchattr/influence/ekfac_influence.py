"""Influence by Kronecker factors of the Fisher matrix."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from torchattr.influence.batches import BatchFunction
from torchattr.influence.block_inverse import BlockInverse
from torchattr.influence.blocks import BlockMode
from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.curvature.ekfac import EKFAC
from torchattr.influence.curvature.kfac import KFAC
from torchattr.influence.empirical_risk import Loss
from torchattr.influence.influence import Influence
from torchattr.influence.influence_mode import InfluenceMode
from torchattr.influence.regularization import Regularization
from torchattr.influence.scores import streamed_gradients
from torchattr.influence.solvers.kronecker_eigenbasis import KroneckerEigenbasis

__all__ = ["EkfacInfluence"]


class EkfacInfluence(Influence):
    r"""Influence with a Kronecker-factored Fisher matrix, one block for each layer.

    The curvature is :class:`KFAC`, or :class:`EKFAC` with ``update_diagonal=True``: for
    a layer with ``i`` inputs and ``o`` outputs it holds two matrices, ``(i, i)`` and
    ``(o, o)``, where the exact block has ``(i * o)`` rows. So it is the choice for
    large models. Labels are not drawn but summed over, so nothing is random.

    Blocks are the modules that own parameters, as with ``BlockMode.LAYER_WISE``;
    ``regularization`` may be a dict by their names. Without any, directions that have
    no curvature, such as that of equal logits, are left out: see
    :class:`KroneckerEigenbasis`. Where a test example shows what no training example
    does, its gradient has a part in them; then a regularization is better.

    Args:
        model: The module.
        update_diagonal: Whether eigenvalues are corrected, by a second pass over the
            data.
        hessian_regularization: :math:`\lambda`.
        regularization: The same, by the name it has elsewhere.
        loss: A negative log-likelihood, or a loss that is convex in the outputs; see
            :class:`KFAC`. ``CrossEntropyLoss()`` if ``None``.
        scale: ``None``, or ``"loo"`` to divide by the number of training examples.
        batch_function: Makes ``(x, y)`` of what a loader gives.
        progress: Without effect; accepted as pyDVL accepts it.

    Raises:
        InputError: If an argument is out of range. From ``fit``, if a module that is
            neither linear nor a convolution has more than 16,000 parameters.

    Note:
        ``fit`` goes through the model once forwards and ``K`` times backwards for each
        example with ``K`` outputs, twice with ``update_diagonal``. See Grosse et al.,
        "Studying large language model generalization with influence functions",
        arXiv:2308.03296 (2023).

    Example:
        >>> import torch
        >>> model = nn.Linear(2, 3)
        >>> x, y = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), torch.arange(3)
        >>> ekfac = EkfacInfluence(model, hessian_regularization=0.1).fit([(x, y)])
        >>> ekfac.influences(x[:1], y[:1], x, y).shape
        torch.Size([1, 3])
        >>> list(ekfac.influences_by_layer(x[:1], y[:1], x, y))
        ['']
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        update_diagonal: bool = False,
        hessian_regularization: Regularization = 0,
        regularization: Regularization = None,
        loss: Loss | None = None,
        scale: Literal["loo"] | None = None,
        batch_function: BatchFunction | None = None,
        progress: bool = False,
    ) -> None:
        self.progress = progress
        if regularization is not None and hessian_regularization == 0:
            hessian_regularization = None  # its default, so that one name is given
        super().__init__(
            model,
            nn.CrossEntropyLoss() if loss is None else loss,
            regularization,
            hessian_regularization=hessian_regularization,
            block_structure=BlockMode.LAYER_WISE,
            second_order_mode=EKFAC if update_diagonal else KFAC,
            scale=scale,
            batch_function=batch_function,
        )

    def influence_factors_by_layer(self, x: Any, y: Tensor) -> OrderedDict[str, Tensor]:
        """Preconditioned gradients in the parameters of each layer.

        Args:
            x: Inputs of ``M`` examples.
            y: Their targets.

        Returns:
            ``(M, P_layer)`` by the name of the module.
        """
        return self.influence_factors_by_block(x, y)

    def influences_by_layer(
        self,
        x_test: Any,
        y_test: Tensor,
        x: Any = None,
        y: Tensor | None = None,
        mode: InfluenceMode = InfluenceMode.Up,
    ) -> OrderedDict[str, Any]:
        """What each layer contributes to the influences, which are their sum.

        Args:
            x_test: Inputs of ``M`` test examples.
            y_test: Their targets.
            x: Inputs of ``N`` training examples; the test examples if ``None``.
            y: Their targets.
            mode: What about the training examples is varied.

        Returns:
            By the name of the module ``(M, N)``, whichever is larger; for
            ``Perturbation`` ``(M, N, *x.shape[1:])`` in the structure of ``x``.
        """
        return self.influences_by_block(x_test, y_test, x, y, mode)

    def influences_from_factors_by_layer(
        self,
        z_test_factors: Tensor | Mapping[str, Tensor],
        x: Any,
        y: Tensor,
        mode: InfluenceMode = InfluenceMode.Up,
    ) -> OrderedDict[str, Any]:
        """:meth:`influences_by_layer`, where the test side has been solved for already.

        Args:
            z_test_factors: From :meth:`influence_factors_by_layer`, or ``(M, P)``.
            x: Inputs of ``N`` training examples.
            y: Their targets.
            mode: What about the training examples is varied.

        Returns:
            By the name of the module, as :meth:`influences_by_layer`.
        """
        return self.influences_from_factors_by_block(z_test_factors, x, y, mode)

    def explore_hessian_regularization(
        self, x: Any, y: Tensor, regularization_values: Iterable[float]
    ) -> dict[float, OrderedDict[str, Tensor]]:
        """Influences of examples on each other for several regularizations.

        Gradients are computed once, and the training data are not read again. The
        regularization of this object remains what it is.

        Args:
            x: Inputs of ``N`` examples.
            y: Their targets.
            regularization_values: What to try.

        Returns:
            By the value, then by the name of the module, ``(N, N)``.

        Raises:
            InputError: If a value is negative or no number.
        """
        self._check_fitted()
        examples = self.risk.examples(x, y)
        with self.risk.evaluating():
            chunks = streamed_gradients(self.risk, examples)
            gradients = torch.cat([chunk.dense() for chunk in chunks])
        by_block = self.inverse.split(gradients)
        explored = {}
        for value in regularization_values:
            inverse = BlockInverse(self.inverse.risks, value, positive=False)
            inverse.fitted(self.inverse.solvers)
            explored[value] = OrderedDict(
                (block, self._scaled(factors @ by_block[block].T))
                for block, factors in inverse.solved(gradients).items()
            )
        return explored

    def _solver(self, curvature: LinearOperator) -> KroneckerEigenbasis:
        return KroneckerEigenbasis(curvature)
