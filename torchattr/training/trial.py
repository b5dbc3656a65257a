"""The trial: can many copies of a model be trained at once, and how?

Two copies with different weights take a minibatch, stacked and one by one. Their losses
and gradients must agree: first as they are, then padded to a common length with rows
that must not matter. A model that is not wholly understood is found out here, and not
in its results.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from torchattr.games.examples import Examples
from torchattr.games.memory import is_out_of_memory
from torchattr.games.rewriting import Rewriting
from torchattr.training.counter_random import CounterRandom, coalition_keys, step_keys
from torchattr.training.elementwise_optimizers import is_elementwise
from torchattr.training.fallback import MODEL_ERRORS, first_line
from torchattr.training.plain_loop import generators_kept
from torchattr.training.random_functions import random_rewriters
from torchattr.training.recipe import Recipe
from torchattr.training.stacked_loop import StackedPlan
from torchattr.training.stacked_model import StackedModel

__all__ = ["try_stacking"]

_MOST_ROWS = 128  # in the trial; a minibatch may have more

_Result: TypeAlias = tuple[Tensor, list[Tensor | None]]  # the loss and gradients


def try_stacking(recipe: Recipe, examples: Examples) -> StackedPlan | str:
    """Find out how many models can be trained at once.

    Args:
        recipe: How they are trained.
        examples: The training set, on the model's device.

    Returns:
        A plan; or the reason why there is none, as the end of a sentence.

    Raises:
        MODEL_ERRORS: What a single model raises; memory that runs out.
    """
    trial = _Trial(recipe, examples)
    if trial.changed:
        return f"the model changes its {trial.changed[0]} when it is trained"
    try:
        if not is_elementwise(recipe):
            return "the optimizer looks at whole parameters, not at each number alone"
        agrees = trial.agrees()
    except MODEL_ERRORS as error:
        if is_out_of_memory(error):
            raise
        if "randomness" in str(error):
            return (
                "it draws random numbers by other functions than dropout, rand_like, "
                "randn_like and bernoulli"
            )
        return f"torch.func.vmap cannot run it: {first_line(error)}"
    if not agrees:
        return "its gradients under torch.func.vmap are not those of a single model"
    return trial.plan()


class _Trial:
    """One minibatch of the usual length, and two models."""

    def __init__(self, recipe: Recipe, examples: Examples) -> None:
        self.recipe, self.examples = recipe, examples
        n, device = len(examples), examples.targets.device
        self.length = min(recipe.batch_size or n, n, _MOST_ROWS)
        # From all over the training set, and the same for both, so that what is special
        # about an example happens in either.
        rows = torch.arange(self.length, device=device) * n // self.length
        self.rows = torch.stack([rows, rows.flip(0)])
        self.stacked = StackedModel(recipe, 2)
        generator = torch.Generator().manual_seed(0)
        for stack in self.stacked.trained.values():
            noise = torch.randn(tuple(stack.shape), generator=generator).to(stack)
            stack += 0.1 * noise * stack + 0.01 * noise
        coalitions = torch.eye(2, dtype=torch.bool, device=device)
        self.keys = step_keys(coalition_keys(coalitions, recipe.seed), 0, 1)[:, 0]
        self.precision = 0.0 if recipe.amp is None else torch.finfo(recipe.amp).eps
        self.n_random = 0
        self.saved_bytes = 0
        self.changed: list[str] = []
        # What fails here is an error of the user's, and is raised as such.
        self.wanted = [self._alone(i, self.length) for i in range(2)]
        self.row_bytes = self.saved_bytes // (2 * self.length)

    def agrees(self) -> bool:
        """Whether stacked models have the losses and gradients of single ones."""
        return _agree(
            self._together(self.examples.take(self.rows)), self.wanted, self.precision
        )

    def may_be_padded(self) -> bool:
        """Whether rows of padding, however odd, leave losses and gradients alone."""
        width = max(self.length, 2)
        lengths = [width - 1, max(width // 2, 1)]
        columns = torch.arange(width, device=self.rows.device)
        members = torch.stack([columns < length for length in lengths])
        try:
            wanted = [self._alone(i, length) for i, length in enumerate(lengths)]
            # Padding repeats the first member, as in training.
            padded = self.examples.take(
                torch.where(
                    members, self.rows[:, columns % self.length], self.rows[:, :1]
                )
            )
            if not _agree(self._together(padded, members), wanted, self.precision):
                return False
            # NaN in the padding shows whatever reads it, such as a largest value.
            losses = self._losses(_with_nan(padded, ~members), members)
        except MODEL_ERRORS as error:
            if is_out_of_memory(error):
                raise
            return False
        return _close(losses, torch.stack([loss for loss, _ in wanted]), self.precision)

    def plan(self) -> StackedPlan:
        """How models are trained at once."""
        trained = self.stacked.trained.values()
        padded = self.may_be_padded()
        return StackedPlan(
            padded=padded,
            unpadded=frozenset(self.stacked.other_lengths),
            random=self.n_random > 0,
            row_bytes=self.row_bytes,
            # Weights, gradients, and two moments of the optimizer.
            model_bytes=4 * sum(stack[0].nbytes for stack in trained),
        )

    def _alone(self, i: int, length: int) -> _Result:
        """Loss and gradients of one model on the first rows of its minibatch."""
        model = self.recipe.fresh_model()
        trained = dict(model.named_parameters())
        with torch.no_grad():
            for name, stack in self.stacked.trained.items():
                trained[name].copy_(stack[i])
        numbers = _numbers(model)
        before = {name: tensor.clone() for name, tensor in _tensors(model).items()}
        minibatch = self.examples.take(self.rows[i, :length])
        random = CounterRandom(self.keys[i])
        with (
            generators_kept(self.rows.device),
            Rewriting(random_rewriters(random)),
            saved_tensors_hooks(self._count, lambda saved: saved),
        ):
            loss = self.recipe.minibatch_loss(
                model, minibatch.inputs, minibatch.targets
            )
        leaves = [trained[name] for name in self.stacked.trained]
        grads = torch.autograd.grad(loss, leaves, allow_unused=True)
        self.n_random = max(self.n_random, random.n_calls)
        after = _tensors(model)
        self.changed = [
            name
            for name in sorted(before.keys() | after.keys())
            if name not in before
            or name not in after
            or not torch.equal(before[name], after[name])
        ]
        self.changed += [
            name
            for name, number in _numbers(model).items()
            if number != numbers.get(name, number)
        ]
        return loss.detach(), list(grads)

    def _count(self, saved: Tensor) -> Tensor:
        self.saved_bytes += saved.nbytes
        return saved

    def _losses(
        self,
        minibatch: Examples,
        members: Tensor | None,
        leaves: list[Tensor] | None = None,
    ) -> Tensor:
        keys = self.keys if self.n_random else None
        leaves = leaves or self.stacked.leaves(0, 2)
        return self.stacked.losses(leaves, minibatch, members, keys)

    def _together(
        self, minibatch: Examples, members: Tensor | None = None
    ) -> list[_Result]:
        leaves = self.stacked.leaves(0, 2)
        losses = self._losses(minibatch, members, leaves)
        grads = torch.autograd.grad(losses.sum(), leaves, allow_unused=True)
        return [
            (losses[i].detach(), [None if g is None else g[i] for g in grads])
            for i in range(2)
        ]


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """What a forward pass may change: BatchNorm's statistics, renormed embeddings."""
    parameters = {f"parameter {k!r}": p for k, p in model.named_parameters()}
    return parameters | {f"buffer {k!r}": b for k, b in model.named_buffers()}


def _numbers(model: nn.Module) -> dict[str, float]:
    """Attributes that are numbers: a counter of steps is every model's own."""
    return {
        f"attribute {f'{prefix}.{name}'.lstrip('.')!r}": value
        for prefix, part in model.named_modules()
        for name, value in vars(part).items()
        if isinstance(value, int | float)
    }


def _with_nan(minibatch: Examples, rows: Tensor) -> Examples:
    def spoilt(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        chosen = rows.reshape(*rows.shape, *[1] * (tensor.ndim - 2))
        return torch.where(chosen, torch.nan, tensor)

    return minibatch.map(spoilt)


def _agree(got: list[_Result], wanted: list[_Result], precision: float) -> bool:
    for (loss, grads), (wanted_loss, wanted_grads) in zip(got, wanted, strict=True):
        if not _close(loss, wanted_loss, precision):
            return False
        for grad, wanted_grad in zip(grads, wanted_grads, strict=True):
            if (grad is None) != (wanted_grad is None):
                return False
            if grad is not None and not _close(grad, wanted_grad, precision):
                return False
    return True


def _close(got: Tensor, wanted: Tensor | None, precision: float) -> bool:
    """Equality to rounding, relative to the largest number."""
    if wanted is None or got.shape != wanted.shape:
        return False
    if not bool(torch.isfinite(wanted).all()):
        return True  # nothing can be said; the plain loop has the same trouble
    scale = wanted.abs().max().clamp(min=1e-3) if wanted.numel() else 1.0
    tolerance = max(torch.finfo(wanted.dtype).eps ** 0.5, 8 * precision)
    return bool(((got - wanted).abs() <= tolerance * scale).all())
