"""What the outputs of a model say about its targets: classes, log-odds or values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from math import prod
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from torchattr.errors import InputError

__all__ = [
    "ClassLogits",
    "ClassOutputs",
    "LogOdds",
    "OutputForm",
    "Values",
    "class_form",
    "output_form",
    "value_form",
]

_BINARY_LOSSES = (nn.BCELoss, nn.BCEWithLogitsLoss)
_BINARY_FUNCTIONS = (
    functional.binary_cross_entropy,
    functional.binary_cross_entropy_with_logits,
)
_REGRESSION_LOSSES = (
    nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.PoissonNLLLoss,
    nn.GaussianNLLLoss,
)  # fmt: skip
_REGRESSION_FUNCTIONS = (
    functional.mse_loss, functional.l1_loss, functional.smooth_l1_loss,
    functional.huber_loss, functional.poisson_nll_loss, functional.gaussian_nll_loss,
)  # fmt: skip
_FEWEST_CLASSES = 2
_FLOOR = 0.5  # of a class that the training targets lack, in examples
_LARGEST_LOG_ODDS = 100.0  # where torch's binary cross-entropy clamps as well


class OutputForm(ABC):
    """How outputs ``(K, M, *out)`` of ``K`` models answer targets ``(M, ...)``."""

    @abstractmethod
    def predictions(self, outputs: Tensor) -> Tensor:
        """What each model predicts.

        Args:
            outputs: ``(K, M, *out)``.

        Returns:
            ``(K, M, *d)``, to be compared with :meth:`truth`.
        """

    @abstractmethod
    def truth(self, targets: Tensor) -> Tensor:
        """The targets as predictions would be.

        Args:
            targets: ``(M, ...)`` as the user gave them.

        Returns:
            ``(M, *d)``.
        """

    @abstractmethod
    def constant(self, targets: Tensor) -> Tensor:
        """The output of the predictor that knows the training targets and no input.

        Args:
            targets: ``(n, ...)``: targets of the training examples.

        Returns:
            ``(*out)``, of one example.
        """


class ClassOutputs(OutputForm):
    """Outputs that give a probability to every label.

    Attributes:
        n_classes: Number of classes; 2 of yes-or-no targets.
    """

    n_classes: int

    @abstractmethod
    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Logarithms of the probabilities of the labels.

        Args:
            outputs: ``(K, M, *out)``.
            targets: ``(M, ...)`` as the user gave them.

        Returns:
            ``(K, M, *d)``.
        """

    @abstractmethod
    def probabilities(self, outputs: Tensor) -> Tensor:
        """Probabilities of the classes.

        Args:
            outputs: ``(K, M, *out)``.

        Returns:
            ``(K, M, C, *d)``.
        """


@final
class ClassLogits(ClassOutputs):
    """``(M, C, *d)`` logits (or log probabilities) of classes.

    Targets are ``(M, *d)`` integers, or ``(M, C, *d)`` probabilities of the classes.

    Args:
        out_shape: ``(C, *d)``.
    """

    def __init__(self, out_shape: tuple[int, ...]) -> None:
        self.out_shape = out_shape
        self.n_classes = out_shape[0]

    def predictions(self, outputs: Tensor) -> Tensor:
        """See :meth:`OutputForm.predictions`: the class of the largest logit."""
        return outputs.argmax(2)

    def truth(self, targets: Tensor) -> Tensor:
        """See :meth:`OutputForm.truth`."""
        if targets.is_floating_point():
            return targets.argmax(1)
        return self._checked(targets)

    def constant(self, targets: Tensor) -> Tensor:
        """See :meth:`OutputForm.constant`: logarithms of the shares of the classes.

        A class that is absent counts as half an example, so that every logarithm is
        finite.

        Returns:
            ``(C, *d)``.
        """
        if targets.is_floating_point():
            counts = targets.double().transpose(0, 1).flatten(1).sum(1)
        else:
            labels = self._checked(targets).flatten()
            counts = torch.bincount(labels, minlength=self.n_classes).double()
        counts = counts.clamp_min(_FLOOR)
        shares = (counts / counts.sum()).log()
        shape = (self.n_classes, *(1,) * (len(self.out_shape) - 1))
        return shares.reshape(shape).expand(self.out_shape)

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See :meth:`ClassOutputs.log_likelihood`."""
        logs = torch.log_softmax(outputs.double(), 2)
        if targets.is_floating_point():
            return (logs * targets.double()).sum(2)
        labels = self._checked(targets)[None, :, None]
        return logs.gather(2, labels.expand(len(logs), *labels.shape[1:])).squeeze(2)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """See :meth:`ClassOutputs.probabilities`."""
        return torch.softmax(outputs.double(), 2)

    def _checked(self, targets: Tensor) -> Tensor:
        labels = targets.long()
        lowest, highest = (int(end) for end in labels.aminmax())
        if lowest < 0 or highest >= self.n_classes:
            raise InputError(
                f"targets must be classes 0 to {self.n_classes - 1} for outputs of "
                f"shape {self.out_shape}; got {lowest} to {highest}. "
                "Renumber them, or score by 'neg_loss' if your loss ignores some."
            )
        return labels


@final
class LogOdds(ClassOutputs):
    """One logit for each yes-or-no target: ``(M,)``, ``(M, 1)``, ``(M, labels)``, ...

    Args:
        out_shape: Shape of the output for one example.
        as_probabilities: Whether the outputs are probabilities instead, as
            :class:`torch.nn.BCELoss` takes them.
    """

    n_classes = 2

    def __init__(
        self, out_shape: tuple[int, ...], *, as_probabilities: bool = False
    ) -> None:
        self.out_shape = out_shape
        self.as_probabilities = as_probabilities

    def predictions(self, outputs: Tensor) -> Tensor:
        """See :meth:`OutputForm.predictions`: 1 where yes is likelier than no."""
        return (outputs > (0.5 if self.as_probabilities else 0.0)).long()

    def truth(self, targets: Tensor) -> Tensor:
        """See :meth:`OutputForm.truth`."""
        return targets.reshape(len(targets), *self.out_shape).long()

    def constant(self, targets: Tensor) -> Tensor:
        """See :meth:`OutputForm.constant`: the log-odds of yes.

        An answer that is absent counts as half an example.

        Returns:
            ``(*out)``.
        """
        yes = self.truth(targets).sum(0).double()
        no = (len(targets) - yes).clamp_min(_FLOOR)
        yes = yes.clamp_min(_FLOOR)
        return yes / (yes + no) if self.as_probabilities else (yes / no).log()

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See :meth:`ClassOutputs.log_likelihood`."""
        sign = 2.0 * self.truth(targets) - 1
        return functional.logsigmoid(sign * self._logits(outputs))

    def probabilities(self, outputs: Tensor) -> Tensor:
        """See :meth:`ClassOutputs.probabilities`: of no and of yes."""
        if self.out_shape[:1] == (1,):
            outputs = outputs.squeeze(2)
        yes = torch.sigmoid(self._logits(outputs))
        return torch.stack([1 - yes, yes], 2)

    def _logits(self, outputs: Tensor) -> Tensor:
        outputs = outputs.double()
        if not self.as_probabilities:
            return outputs
        return outputs.logit().clamp(-_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS)


@final
class Values(OutputForm):
    """Predicted values: a target has as many numbers as an output.

    Args:
        out_shape: Shape of the output for one example.
    """

    def __init__(self, out_shape: tuple[int, ...]) -> None:
        self.out_shape = out_shape

    def predictions(self, outputs: Tensor) -> Tensor:
        """See :meth:`OutputForm.predictions`: the outputs themselves."""
        return outputs.double()

    def truth(self, targets: Tensor) -> Tensor:
        """See :meth:`OutputForm.truth`."""
        return targets.reshape(len(targets), *self.out_shape).double()

    def constant(self, targets: Tensor) -> Tensor:
        """See :meth:`OutputForm.constant`: the mean."""
        return self.truth(targets).mean(0)


Loss = Callable[..., Tensor]


def class_form(
    out_shape: tuple[int, ...], targets: Tensor, loss: Loss | None = None
) -> ClassOutputs | None:
    """How outputs speak of classes.

    Args:
        out_shape: Shape of the output for one example, ``()`` for a single number.
        targets: ``(M, ...)``.
        loss: The loss that the model was trained with, where known. A loss of
            regression speaks of no classes; one of torch's binary cross-entropies of
            yes and no only.

    Returns:
        The form; ``None`` if outputs and targets do not fit any.
    """
    loss = _unwrapped(loss)
    if _is_regression(loss):
        return None
    binary = isinstance(loss, _BINARY_LOSSES) or loss in _BINARY_FUNCTIONS
    many = bool(out_shape) and out_shape[0] >= _FEWEST_CLASSES and not binary
    whole = not targets.is_floating_point()
    if many and whole and targets.shape[1:] == out_shape[1:]:
        return ClassLogits(out_shape)
    if many and not whole and targets.shape[1:] == out_shape and _are_shares(targets):
        return ClassLogits(out_shape)
    if _fits(out_shape, targets) and bool(((targets == 0) | (targets == 1)).all()):
        as_probabilities = (
            isinstance(loss, nn.BCELoss) or loss is functional.binary_cross_entropy
        )
        return LogOdds(out_shape, as_probabilities=as_probabilities)
    return None


def value_form(out_shape: tuple[int, ...], targets: Tensor) -> Values | None:
    """How outputs speak of values.

    Args:
        out_shape: Shape of the output for one example.
        targets: ``(M, ...)``.

    Returns:
        The form; ``None`` if a target has another number of elements than an output.
    """
    return Values(out_shape) if _fits(out_shape, targets) else None


def output_form(
    out_shape: tuple[int, ...], targets: Tensor, loss: Loss | None = None
) -> OutputForm:
    """What outputs say about targets: classes where they can, else values.

    Args:
        out_shape: Shape of the output for one example.
        targets: ``(M, ...)``.
        loss: The loss that the model was trained with, where known.

    Returns:
        The form.

    Raises:
        InputError: If outputs and targets do not fit.

    Example:
        >>> type(output_form((3,), torch.tensor([0, 2]))).__name__
        'ClassLogits'
        >>> type(output_form((1,), torch.tensor([0.5, 2.0]))).__name__
        'Values'
    """
    form = class_form(out_shape, targets, loss) or value_form(out_shape, targets)
    if form is None:
        raise InputError(
            "outputs must be logits (M, C, *d) with integer targets (M, *d), or have "
            f"as many elements as the targets; got {(len(targets), *out_shape)} and "
            f"targets {tuple(targets.shape)} of {targets.dtype}. Score by 'neg_loss' "
            "with a default for the empty coalition, or by a function of your own."
        )
    return form


def _unwrapped(loss: Loss | None) -> Loss | None:
    while isinstance(loss, partial):
        loss = loss.func
    return loss


def _is_regression(loss: Loss | None) -> bool:
    return isinstance(loss, _REGRESSION_LOSSES) or loss in _REGRESSION_FUNCTIONS


def _fits(out_shape: tuple[int, ...], targets: Tensor) -> bool:
    return prod(out_shape) == prod(targets.shape[1:])


def _are_shares(targets: Tensor) -> bool:
    """Whether each target holds probabilities of the classes."""
    sums = targets.sum(1)
    return bool((targets >= 0).all()) and torch.allclose(sums, torch.ones_like(sums))
