"""Influence functions: what a training example did for a prediction."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from torchattr.errors import InputError
from torchattr.games.counts import as_count
from torchattr.games.examples import Examples
from torchattr.influence.attribution_arguments import (
    pair_of_examples,
    summed_in_groups,
    weighted_by_change,
)
from torchattr.influence.gradients.example_gradients import ExampleGradients
from torchattr.influence.influence_mode import InfluenceMode, checked_mode
from torchattr.influence.influence_model import InfluenceModel
from torchattr.influence.scores import mixed_scores, streamed_gradients, up_scores

__all__ = ["Influence"]


class Influence(InfluenceModel):
    r"""The effect of a training example on a loss, to first order, without retraining.

    With the gradients :math:`g(z) = \nabla_\theta \ell(z)`, a curvature :math:`C` of
    the mean training loss and :math:`\lambda \ge 0`,

    .. math:: \mathrm{Up}_{ij} = g(z_i)^\top (C + \lambda I)^{-1} g(z_j), \qquad
        \mathrm{Perturbation}_{ij} =
        \nabla_x \nabla_\theta \ell(z_j)^\top (C + \lambda I)^{-1} g(z_i),

    for a test example :math:`z_i` and a training example :math:`z_j`. **Positive means
    that the training example helps**: Up divided by the number :math:`n` of training
    examples approximates the rise of the test loss when the training example is left
    out (``scale="loo"`` divides). Perturbation is the *fall* of the test loss, times
    :math:`n`, with each feature of the training example. Both
    suppose that the parameters minimise the training loss (Koh and Liang, 2017).

    **Arguments shared by all influence classes:**

    ``model``, ``loss``
        See :class:`~torchattr.influence.EmpiricalRisk`. The model is evaluated in eval
        mode and left as it was.
    ``regularization``, ``hessian_regularization``
        Two names of :math:`\lambda`: a number, ``"auto"`` (0.1 times the mean
        eigenvalue of the curvature), or a dict of these by block, in which a missing
        block has 0. ``None`` is 0.
    ``block_structure``
        A :class:`BlockMode`, or a dict of block name to names of parameters: curvature
        between blocks is taken to be 0.
    ``second_order_mode``
        The curvature: a :class:`SecondOrderMode`; a class of curvature such as
        :class:`Fisher`, or any function ``(risk, batches) -> operator``; or an operator
        of shape ``(P, P)`` with ``@``, ``shape``, ``dtype`` and ``device``.
    ``scale``
        ``None``, or ``"loo"`` to divide influences by the number of training examples.
    ``batch_function``
        Makes ``(x, y)`` of what a loader gives, where that is something else.

    A subclass chooses the solver.

    Example:
        >>> from torchattr.influence import DirectInfluence
        >>> x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0], [3.0]])
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> _ = model.weight.data.fill_(1.4)  # least squares
        >>> influence = DirectInfluence(model, torch.nn.MSELoss()).fit([(x, y)])
        >>> influence.influences(x, y)
        tensor([[ 0.1280, -0.1280],
                [-0.1280,  0.1280]])
    """

    def influence_factors(self, x: Any, y: Tensor) -> Tensor:
        r"""Preconditioned gradients :math:`(C + \lambda I)^{-1} g(z_i)`.

        Args:
            x: Inputs of ``M`` examples: a tensor, a tuple or list, or a dict of them.
            y: Their targets.

        Returns:
            ``(M, P)``: blocks in order, each flattened in the order of
            ``named_parameters()``.

        Raises:
            InputError: If :meth:`fit` has not been called.
        """
        return torch.cat(list(self.influence_factors_by_block(x, y).values()), dim=1)

    def influence_factors_by_block(self, x: Any, y: Tensor) -> OrderedDict[str, Tensor]:
        """:meth:`influence_factors` of each block.

        Args:
            x: Inputs of ``M`` examples.
            y: Their targets.

        Returns:
            ``(M, P_block)`` by block.
        """
        self._check_fitted()
        with self.risk.evaluating():
            return self._factors(self.risk.examples(x, y), None)

    def influences(
        self,
        x_test: Any,
        y_test: Tensor,
        x: Any = None,
        y: Tensor | None = None,
        mode: InfluenceMode = InfluenceMode.Up,
    ) -> Any:
        """Influences of training examples on the losses of test examples.

        Args:
            x_test: Inputs of ``M`` test examples: a tensor, tuple, list or dict.
            y_test: Their targets.
            x: Inputs of ``N`` training examples; the test examples if ``None``.
            y: Their targets.
            mode: What about the training examples is varied.

        Returns:
            ``(M, N)`` for ``Up``. For ``Perturbation`` ``(M, N, *x.shape[1:])``, in the
            structure of ``x``.

        Raises:
            InputError: If :meth:`fit` has not been called, only one of ``x`` and ``y``
                is given, or inputs of integers are to be perturbed.

        Note:
            For ``Up`` the smaller of the two sides is solved for.
        """
        return _total(self.influences_by_block(x_test, y_test, x, y, mode))

    def influences_by_block(
        self,
        x_test: Any,
        y_test: Tensor,
        x: Any = None,
        y: Tensor | None = None,
        mode: InfluenceMode = InfluenceMode.Up,
    ) -> OrderedDict[str, Any]:
        """:meth:`influences` of each block, whose sum they are.

        Args:
            x_test: Inputs of ``M`` test examples.
            y_test: Their targets.
            x: Inputs of ``N`` training examples; the test examples if ``None``.
            y: Their targets.
            mode: What about the training examples is varied.

        Returns:
            Influences by block.

        Raises:
            InputError: As for :meth:`influences`.
        """
        self._check_fitted()
        if (x is None) != (y is None):
            raise InputError("pass both x and y of the training examples, or neither")
        test = self.risk.examples(x_test, y_test)
        train = test if x is None else self.risk.examples(x, y)
        scores = self._influences(test, train, mode, None)
        return _like(x_test if x is None else x, scores)

    def influences_from_factors(
        self,
        z_test_factors: Tensor,
        x: Any,
        y: Tensor,
        mode: InfluenceMode = InfluenceMode.Up,
    ) -> Any:
        """:meth:`influences`, where the test side has been solved for already.

        Args:
            z_test_factors: ``(M, P)``, from :meth:`influence_factors`.
            x: Inputs of ``N`` training examples.
            y: Their targets.
            mode: What about the training examples is varied.

        Returns:
            As :meth:`influences`.

        Raises:
            InputError: If the factors have another shape.
        """
        return _total(self.influences_from_factors_by_block(z_test_factors, x, y, mode))

    def influences_from_factors_by_block(
        self,
        z_test_factors: Tensor | Mapping[str, Tensor],
        x: Any,
        y: Tensor,
        mode: InfluenceMode = InfluenceMode.Up,
    ) -> OrderedDict[str, Any]:
        """:meth:`influences_from_factors` of each block.

        Args:
            z_test_factors: ``(M, P)``, or ``(M, P_block)`` by block.
            x: Inputs of ``N`` training examples.
            y: Their targets.
            mode: What about the training examples is varied.

        Returns:
            Influences by block.
        """
        self._check_fitted()
        factors = self.inverse.split(z_test_factors)
        with self.risk.evaluating():
            scores = self._scores(factors, self.risk.examples(x, y), mode, None)
        return _like(x, scores)

    def gradients(self, examples: Examples) -> list[ExampleGradients]:
        """Gradients of examples, to be used with many factors.

        Args:
            examples: ``N`` training examples, from :meth:`batches`.

        Returns:
            Gradients of consecutive examples, as factors where the layers allow it.
        """
        with self.risk.evaluating():
            return list(streamed_gradients(self.risk, examples))

    def influences_from_gradients(
        self, z_test_factors: Tensor, gradients: Iterable[ExampleGradients]
    ) -> Tensor:
        """Influences ``Up``, where both sides have been computed already.

        Args:
            z_test_factors: ``(M, P)``, from :meth:`influence_factors`.
            gradients: Of ``N`` training examples, from :meth:`gradients`.

        Returns:
            ``(M, N)``.
        """
        columns = [chunk.products(z_test_factors) for chunk in gradients]
        return self._scaled(torch.cat(columns, 1))

    def attribute(
        self,
        inputs: tuple[Any, Tensor],
        baselines: Any = None,
        target: tuple[Any, Tensor] | None = None,
        *,
        feature_mask: Any = None,
        mode: InfluenceMode = InfluenceMode.Up,
        perturbations_per_eval: int | None = None,
    ) -> Any:
        """Influences in the words that all attributions share.

        ``Up`` removes training examples, or groups of them; ``Perturbation`` replaces
        features of training examples: to first order, by how much the test loss rises
        (times :math:`n`) when a feature becomes its baseline, ``influences(...) * (x -
        baseline)``. In both, positive means that what is there helps.

        Args:
            inputs: ``(x_train, y_train)``: what is attributed.
            baselines: For ``Perturbation``, what features would be replaced by:
                ``None`` (zero), or whatever :class:`~torchattr.games.Baseline` takes,
                in the structure of ``x_train``.
            target: ``(x_test, y_test)``: the predictions that are explained; the
                training examples themselves if ``None``.
            feature_mask: For ``Up`` ``(n_train,)`` whole numbers, the groups of
                examples. For ``Perturbation`` groups of features, as
                :class:`~torchattr.games.FeatureGroups` takes them; equal ids of
                different examples are different groups.
            mode: What about the training examples is varied.
            perturbations_per_eval: The most per-example gradients held at once; as many
                as memory suggests if ``None``. Changes speed and memory only.

        Returns:
            ``(n_test, n_train)`` for ``Up``, every member of a group having the group's
            sum. ``(n_test, n_train, *x.shape[1:])`` for ``Perturbation``, in the
            structure of ``x_train``.

        Raises:
            InputError: If baselines are given for ``Up``, or a mask or a count does not
                fit.
        """
        self._check_fitted()
        if mode is InfluenceMode.Up and baselines is not None:
            raise InputError(
                "baselines replace features: mode=InfluenceMode.Up removes whole "
                "training examples and has none. Pass mode=InfluenceMode.Perturbation"
            )
        at_once = perturbations_per_eval
        if at_once is not None:
            at_once = as_count("perturbations_per_eval", at_once)
        train = pair_of_examples(self.risk, inputs, "inputs")
        test = train
        if target is not None:
            test = pair_of_examples(self.risk, target, "target")
        scores = _total(self._influences(test, train, mode, at_once))
        if mode is InfluenceMode.Perturbation:
            effects = weighted_by_change(scores, train, baselines, feature_mask)
            return list(effects) if isinstance(inputs[0], list) else effects
        return (
            scores if feature_mask is None else summed_in_groups(scores, feature_mask)
        )

    def _factors(
        self, examples: Examples, at_once: int | None
    ) -> OrderedDict[str, Tensor]:
        chunks = streamed_gradients(self.risk, examples, at_once)
        return self.inverse.solved(torch.cat([chunk.dense() for chunk in chunks]))

    def _influences(
        self,
        test: Examples,
        train: Examples,
        mode: InfluenceMode,
        at_once: int | None,
    ) -> OrderedDict[str, Any]:
        with self.risk.evaluating():
            if checked_mode(mode) is InfluenceMode.Up and len(train) < len(test):
                # The matrix is symmetric: the smaller side is solved for.
                swapped = self._scores(
                    self._factors(train, at_once), test, mode, at_once
                )
                return OrderedDict((b, scores.T) for b, scores in swapped.items())
            return self._scores(self._factors(test, at_once), train, mode, at_once)

    def _scores(
        self,
        factors: Mapping[str, Tensor],
        train: Examples,
        mode: InfluenceMode,
        at_once: int | None,
    ) -> OrderedDict[str, Any]:
        risks = self.inverse.risks
        if checked_mode(mode) is InfluenceMode.Up:
            gradients = streamed_gradients(self.risk, train, at_once)
            scores: OrderedDict[str, Any] = up_scores(risks, factors, gradients)
        else:
            scores = OrderedDict(
                (block, mixed_scores(risk, factors[block], train, at_once))
                for block, risk in risks.items()
            )
        return OrderedDict((b, tree_map(self._scaled, s)) for b, s in scores.items())


def _like(x: Any, by_block: OrderedDict[str, Any]) -> OrderedDict[str, Any]:
    """Scores in a list where the inputs came in one; inside they are a tuple."""
    if not isinstance(x, list):
        return by_block
    return OrderedDict(
        (block, list(scores) if isinstance(scores, tuple) else scores)
        for block, scores in by_block.items()
    )


def _total(by_block: Mapping[str, Any]) -> Any:
    """The sum over blocks of tensors, or of equal structures of tensors."""
    first, *rest = by_block.values()
    for scores in rest:
        first = tree_map(torch.add, first, scores)
    return first
