"""Losses that are negative log likelihoods, and labels drawn from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchattr.errors import InputError

__all__ = ["Bernoulli", "Categorical", "Gaussian", "Likelihood", "likelihood_of"]


@dataclass(frozen=True, eq=False)
class Likelihood(ABC):
    r"""A loss :math:`\sum_s c_s \cdot (-\log p(y_s \mid o_s))` of an example.

    The amounts :math:`c_s` are those of the reduction and of weights, which belong to
    the given targets. Drawing labels gives vectors :math:`v` with
    :math:`\mathbb E[v v^\top] = \nabla^2_o \ell`, the Hessian in the outputs.

    Attributes:
        mean: Whether the loss is divided by the number of its terms.
    """

    mean: bool

    @abstractmethod
    def n_draws(self, outputs: Tensor) -> int:
        """How many random numbers an example takes.

        Args:
            outputs: ``(B, *shape)``.
        """

    @abstractmethod
    def scores(self, outputs: Tensor, targets: Tensor, uniform: Tensor) -> Tensor:
        r"""Gradients of :math:`-\sqrt{c_s} \log p` in the outputs, at drawn labels.

        Args:
            outputs: ``(B, *shape)``.
            targets: The given ones.
            uniform: Random numbers in [0, 1), ``(B, n_draws)``, in double precision.

        Returns:
            The shape of the outputs.
        """

    @abstractmethod
    def roots(self, outputs: Tensor, targets: Tensor) -> Tensor:
        r"""The expectation over labels as a sum: all of its terms, none drawn.

        Args:
            outputs: ``(B, *shape)``.
            targets: The given ones.

        Returns:
            ``(K, B, *shape)``, ``K`` being the number of outputs of an example: vectors
            :math:`v_k` with :math:`\sum_k v_k v_k^\top = \nabla^2_o \ell`.
        """


@dataclass(frozen=True, eq=False)
class Categorical(Likelihood):
    """Cross-entropy: classes with probabilities ``softmax(outputs)``.

    Attributes:
        weight: Of each class, or ``None``.
        ignore_index: The class that means that there is none.
        label_smoothing: How much of a label is spread over all classes.

    Example:
        >>> outputs, uniform = torch.zeros(1, 2), torch.tensor([[0.7]])
        >>> Categorical(True).scores(outputs, torch.tensor([0]), uniform)
        tensor([[ 0.5000, -0.5000]])
    """

    weight: Tensor | None = None
    ignore_index: int = -100
    label_smoothing: float = 0.0

    def n_draws(self, outputs: Tensor) -> int:
        """One for each position."""
        return outputs[0, 0].numel()

    def scores(self, outputs: Tensor, targets: Tensor, uniform: Tensor) -> Tensor:
        """Probabilities less the drawn class, by the square roots of the amounts."""
        chances = outputs.softmax(1).movedim(1, -1)
        n_classes = chances.shape[-1]
        draws = uniform.view(chances.shape[:-1]).unsqueeze(-1)
        below = (chances.double().cumsum(-1) <= draws).sum(-1)
        drawn = F.one_hot(below.clamp(max=n_classes - 1), n_classes)
        amounts = self.amounts(targets, n_classes, chances.dtype)
        scores = (chances - drawn) * amounts.sqrt().unsqueeze(-1)
        return scores.movedim(-1, 1)

    def roots(self, outputs: Tensor, targets: Tensor) -> Tensor:
        r"""For each class and position, :math:`\sqrt{c p_k} (e_k - p)` there."""
        n_classes = outputs.shape[1]
        chances = outputs.softmax(1)
        amounts = self.amounts(targets, n_classes, outputs.dtype)
        classes = torch.eye(n_classes, dtype=outputs.dtype, device=outputs.device)
        classes = classes.view(n_classes, 1, n_classes, *[1] * (outputs.ndim - 2))
        sizes = (chances.movedim(1, 0) * amounts).sqrt().unsqueeze(2)
        return _one_position_each(sizes * (classes - chances))

    def amounts(self, targets: Tensor, n_classes: int, dtype: torch.dtype) -> Tensor:
        """What the loss of each position is multiplied with.

        Args:
            targets: The given ones, of ``B`` examples.
            n_classes: Number of classes.
            dtype: Of the answer.

        Returns:
            ``(B, *positions)``.
        """
        weight = self.weight
        if weight is None:
            weight = torch.ones(n_classes, dtype=dtype, device=targets.device)
        weight = weight.to(targets.device, dtype)
        smooth, even = 1 - self.label_smoothing, self.label_smoothing * weight.mean()
        if targets.is_floating_point():  # probabilities
            amounts = smooth * (targets.movedim(1, -1) * weight).sum(-1) + even
            return amounts / amounts[0].numel() if self.mean else amounts
        counted = targets != self.ignore_index
        own = weight[targets.clamp(0, n_classes - 1)]
        amounts = torch.where(counted, smooth * own + even, 0)
        if not self.mean:
            return amounts
        total = torch.where(counted, own, 0).reshape(len(own), -1).sum(1)
        return amounts / total.view(-1, *[1] * (amounts.ndim - 1))


@dataclass(frozen=True, eq=False)
class Bernoulli(Likelihood):
    """Binary cross-entropy with logits: yes with the probability ``sigmoid(output)``.

    Attributes:
        weight: Of the terms, or ``None``.
        pos_weight: Of the terms whose given target is 1, or ``None``.

    Example:
        >>> outputs, uniform = torch.zeros(1, 1), torch.tensor([[0.7]])
        >>> Bernoulli(True).scores(outputs, torch.ones(1, 1), uniform)
        tensor([[0.5000]])
    """

    weight: Tensor | None = None
    pos_weight: Tensor | None = None

    def n_draws(self, outputs: Tensor) -> int:
        """One for each output."""
        return outputs[0].numel()

    def scores(self, outputs: Tensor, targets: Tensor, uniform: Tensor) -> Tensor:
        """Probabilities less the drawn labels, by the square roots of the amounts."""
        chances = outputs.sigmoid()
        drawn = uniform.view(outputs.shape) < chances
        amounts = self._amounts(outputs, targets)
        return (chances - drawn.to(chances.dtype)) * amounts.sqrt()

    def roots(self, outputs: Tensor, targets: Tensor) -> Tensor:
        r"""For each output :math:`\sqrt{c p (1 - p)}` there."""
        variances = outputs.sigmoid() * (-outputs).sigmoid()
        return _one_output_each((variances * self._amounts(outputs, targets)).sqrt())

    def _amounts(self, outputs: Tensor, targets: Tensor) -> Tensor:
        amounts = torch.ones_like(outputs)
        if self.pos_weight is not None:
            weight = self.pos_weight.to(outputs)
            amounts = weight * targets + 1 - targets
        if self.weight is not None:
            amounts *= self.weight.to(outputs)
        if self.mean:
            amounts /= outputs[0].numel()
        return amounts


@dataclass(frozen=True, eq=False)
class Gaussian(Likelihood):
    """Squared error: normal around the outputs, as wide as the loss says.

    Example:
        >>> uniform = torch.full((1, 2), 0.5)
        >>> Gaussian(True).scores(torch.zeros(1, 2), torch.ones(1, 2), uniform)
        tensor([[0., 0.]])
    """

    def n_draws(self, outputs: Tensor) -> int:
        """One for each output."""
        return outputs[0].numel()

    def scores(self, outputs: Tensor, targets: Tensor, uniform: Tensor) -> Tensor:
        """Normal numbers, by the square root of twice the amount."""
        # The smallest draw above 0 of double precision stands for 0.
        normal = torch.special.ndtri(uniform.clamp(min=2**-54)).to(outputs.dtype)
        scores: Tensor = normal.view(outputs.shape) * self._amount(outputs) ** 0.5
        return scores

    def roots(self, outputs: Tensor, targets: Tensor) -> Tensor:
        r"""For each output :math:`\sqrt{2 c}` there."""
        return _one_output_each(torch.full_like(outputs, self._amount(outputs) ** 0.5))

    def _amount(self, outputs: Tensor) -> float:
        return 2 / outputs[0].numel() if self.mean else 2.0


def likelihood_of(loss: object) -> Likelihood:
    """The likelihood that a loss stands for.

    Args:
        loss: ``torch.nn.CrossEntropyLoss``, ``BCEWithLogitsLoss`` or ``MSELoss``, or
            one of the functions that they are, also with ``functools.partial``.

    Returns:
        The likelihood.

    Raises:
        InputError: If it is another loss.

    Example:
        >>> likelihood_of(torch.nn.MSELoss(reduction="sum"))
        Gaussian(mean=False)
    """
    kind: Any = type(loss)
    given: Mapping[str, Any] = {}
    if isinstance(loss, partial) and not loss.args:
        kind, given = loss.func, loss.keywords
    elif not isinstance(loss, nn.Module):
        kind = loss
    likelihood = _LIKELIHOODS.get(kind) if isinstance(kind, Hashable) else None
    names = {"reduction", *(f.name for f in fields(likelihood or Gaussian))} - {"mean"}
    if likelihood is None or not names >= set(given):
        raise InputError(
            "a Fisher matrix needs a loss that is the likelihood of labels: "
            "torch.nn.CrossEntropyLoss, BCEWithLogitsLoss or MSELoss, or the function; "
            f"got {loss!r}. GaussNewton takes any loss"
        )
    if isinstance(loss, nn.Module):
        given = {name: getattr(loss, name) for name in names}
    settings = dict(given)
    return likelihood(settings.pop("reduction", "mean") == "mean", **settings)


def _one_output_each(sizes: Tensor) -> Tensor:
    """``(B, *shape)`` as ``(K, B, *shape)``, one output each."""
    flat = torch.diag_embed(sizes.reshape(len(sizes), -1))
    return flat.movedim(1, 0).reshape(-1, *sizes.shape)


def _one_position_each(roots: Tensor) -> Tensor:
    """``(C, B, C, *positions)`` as ``(C * S, B, C, *positions)``, one position each."""
    n_positions = roots.shape[3:].numel()
    own = torch.eye(n_positions, dtype=roots.dtype, device=roots.device)
    apart = roots.flatten(3).unsqueeze(1) if n_positions > 1 else roots.unsqueeze(1)
    return (apart * own[:, None, None]).reshape(-1, *roots.shape[1:])


_LIKELIHOODS: dict[Any, type[Likelihood]] = {
    nn.CrossEntropyLoss: Categorical,
    F.cross_entropy: Categorical,
    nn.BCEWithLogitsLoss: Bernoulli,
    F.binary_cross_entropy_with_logits: Bernoulli,
    nn.MSELoss: Gaussian,
    F.mse_loss: Gaussian,
}
