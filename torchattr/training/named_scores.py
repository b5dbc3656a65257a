"""The scores that have a name and are computed for all models at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.training.model_score import ModelScore
from torchattr.training.output_form import (
    ClassOutputs,
    Loss,
    OutputForm,
    Values,
    class_form,
    value_form,
)

__all__ = ["ClassScore", "F1Score", "NegLoss", "R2Score"]


@final
class ClassScore(ModelScore):
    """The mean over test examples of how each one's label is met.

    An example with several labels (the pixels of a segmentation) counts by their mean.

    Args:
        name: What it is called in messages.
        loss: The loss that the models are trained with.
        terms: Maps form, outputs and targets to ``(K, M, *d)``.
        per_example: Whether there is one score for each test example.
    """

    def __init__(
        self,
        name: str,
        loss: Loss | None,
        terms: Callable[[ClassOutputs, Tensor, Tensor], Tensor],
        *,
        per_example: bool = False,
    ) -> None:
        self.name = name
        self.loss = loss
        self.terms = terms
        self.per_example = per_example

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See :meth:`ModelScore.__call__`."""
        terms = self.terms(self.form(outputs[0, 0], targets), outputs, targets)
        return _over_examples(terms.double(), per_example=self.per_example)

    def form(self, output: Tensor, targets: Tensor) -> ClassOutputs:
        """See :meth:`ModelScore.form`."""
        return _classes(self.name, output, targets, self.loss)


@final
class F1Score(ModelScore):
    r"""The harmonic mean of precision and recall, :math:`2 TP / (2 TP + FP + FN)`.

    Of the positive class where there are two. Where there are more, the mean over all
    classes that occur, in the test targets or the predictions (macro).

    Args:
        loss: The loss that the models are trained with.
    """

    def __init__(self, loss: Loss | None) -> None:
        self.loss = loss

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See :meth:`ModelScore.__call__`."""
        form = self.form(outputs[0, 0], targets)
        predicted = form.predictions(outputs).flatten(1)
        truth = form.truth(targets).flatten().expand_as(predicted)
        ones = torch.ones_like(predicted)
        counts = ones.new_zeros(len(outputs), form.n_classes)
        hits = counts.scatter_add(1, truth, (predicted == truth).long())
        sizes = counts.scatter_add(1, predicted, ones).scatter_add(1, truth, ones)
        scores = 2 * hits.double() / sizes.clamp_min(1)
        if form.n_classes == 2:
            return scores[:, 1]
        return scores.sum(1) / (sizes > 0).sum(1)

    def form(self, output: Tensor, targets: Tensor) -> ClassOutputs:
        """See :meth:`ModelScore.form`."""
        return _classes("f1", output, targets, self.loss)


@final
class R2Score(ModelScore):
    r"""The share of the targets' variance that is explained.

    :math:`1 - \sum_j (y_j - p_j)^2 / \sum_j (y_j - \bar y)^2`, the mean over the
    outputs where there are several. The share of example ``j`` is
    :math:`1 - M (y_j - p_j)^2 / \sum_i (y_i - \bar y)^2`: their mean is the whole.

    Args:
        per_example: Whether there is one share for each test example.
    """

    def __init__(self, *, per_example: bool = False) -> None:
        self.per_example = per_example

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See :meth:`ModelScore.__call__`."""
        form = self.form(outputs[0, 0], targets)
        truth = form.truth(targets)
        spread = ((truth - truth.mean(0)) ** 2).mean(0)
        if not bool((spread > 0).all()):
            raise InputError(
                "scorer='r2' needs test targets that differ in every output; got "
                "constant ones. Score by 'neg_loss' instead."
            )
        shares = 1 - (truth - form.predictions(outputs)) ** 2 / spread
        return _over_examples(shares, per_example=self.per_example)

    def form(self, output: Tensor, targets: Tensor) -> Values:
        """See :meth:`ModelScore.form`."""
        form = value_form(tuple(output.shape), targets)
        if form is None:
            raise InputError(
                "scorer='r2' needs as many targets as outputs; got "
                f"{tuple(targets.shape[1:])} for outputs {tuple(output.shape)} of one "
                "example. For classes, score by 'accuracy'."
            )
        return form


@final
class NegLoss(ModelScore):
    """Minus the loss on the test examples.

    The loss is called once with all of them, so that it counts exactly as it does for a
    minibatch (a sum stays a sum, classes keep their weights); losses of examples that
    are not reduced are averaged. By example, it is called with each one alone.

    Args:
        loss: ``(outputs, targets)`` to a loss, or to losses of examples.
        per_example: Whether there is one score for each test example.
    """

    def __init__(self, loss: Loss, *, per_example: bool = False) -> None:
        self.loss = loss
        self.per_example = per_example

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See :meth:`ModelScore.__call__`."""
        one_model = self._losses if self.per_example else self._loss
        return -_mapped(one_model, (0, None), outputs, targets).double()

    def form(self, output: Tensor, targets: Tensor) -> OutputForm:
        """See :meth:`ModelScore.form`: the one whose constant has the lower loss."""
        shape = tuple(output.shape)
        forms = (class_form(shape, targets, self.loss), value_form(shape, targets))
        losses = {
            form: float(self._loss(constant.expand(len(targets), *shape), targets))
            for form in forms
            if form is not None
            for constant in [form.constant(targets).to(output)]
        }
        if not losses:
            raise InputError(
                f"no constant output is known for targets {tuple(targets.shape)} of "
                f"{targets.dtype} and outputs {shape} of one example; pass default=, "
                "the score of the empty coalition"
            )
        return min(losses, key=losses.__getitem__)

    def _loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return torch.as_tensor(self.loss(outputs, targets)).mean()

    def _losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return _mapped(self._loss, (0, 0), outputs[:, None], targets[:, None])


def _mapped(
    function: Callable[[Tensor, Tensor], Tensor],
    in_dims: tuple[int | None, int | None],
    outputs: Tensor,
    targets: Tensor,
) -> Tensor:
    """A function of each of the outputs, vectorised where the user's loss allows it."""
    try:
        values: Tensor = torch.vmap(function, in_dims)(outputs, targets)
    except (RuntimeError, ValueError):  # it looks at numbers, or returns one
        shared = in_dims[1] is None
        pairs = (
            (row, targets if shared else targets[k]) for k, row in enumerate(outputs)
        )
        return torch.stack([function(*pair) for pair in pairs])
    return values


def _over_examples(terms: Tensor, *, per_example: bool) -> Tensor:
    """``(K,)`` or ``(K, M)`` from ``(K, M, *d)``."""
    terms = terms.flatten(2).mean(2) if terms.ndim > 2 else terms
    return terms if per_example else terms.mean(1)


def _classes(
    name: str, output: Tensor, targets: Tensor, loss: Loss | None
) -> ClassOutputs:
    form = class_form(tuple(output.shape), targets, loss)
    if form is None:
        raise InputError(
            f"scorer={name!r} needs logits (M, C, *d) with integer targets (M, *d), "
            "or one logit for each target 0 or 1, and a loss of classes; got outputs "
            f"{tuple(output.shape)} and targets {tuple(targets.shape[1:])} of "
            f"{targets.dtype} for each example. Pass classes as "
            "integers (targets.long()); score values by 'r2' or 'neg_loss'."
        )
    return form
