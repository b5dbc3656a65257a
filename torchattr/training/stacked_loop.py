"""The stacked loop: many models, trained side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from torchattr.games.examples import Examples
from torchattr.training.counter_random import coalition_keys, step_keys
from torchattr.training.elementwise_optimizers import fuse, optimizer_of_stacks
from torchattr.training.recipe import Recipe
from torchattr.training.shuffles import members_in_order, order
from torchattr.training.stacked_model import StackedModel

__all__ = ["StackedPlan", "train_together"]


@dataclass(frozen=True)
class StackedPlan:
    """What the trial of a learner found out.

    Attributes:
        padded: Whether minibatches may be padded to a common length.
        unpadded: Lengths to which they may not, since something else has them.
        random: Whether the model or the loss draws random numbers.
        row_bytes: Memory that a step takes for each row of a model's minibatch.
        model_bytes: Memory that a model takes, with its gradient and optimizer.
    """

    padded: bool
    unpadded: frozenset[int]
    random: bool
    row_bytes: int
    model_bytes: int


@dataclass(frozen=True)
class _Run:
    """Neighbouring models whose next minibatches are computed together."""

    start: int
    stop: int
    width: int
    ragged: bool


class _Schedule:
    """Which models take a step together; sizes are in descending order."""

    def __init__(self, recipe: Recipe, plan: StackedPlan, sizes: list[int]) -> None:
        self.sizes = sizes
        self.batch = recipe.batch_size or sizes[0]
        self.steps = recipe.steps_per_epoch(torch.tensor(sizes)).tolist()
        self.n_steps = max(self.steps)
        self.runs = [list(self._runs(s, plan)) for s in range(self.n_steps)]

    def groups(self) -> list[tuple[int, int]]:
        """First and last model, one more, of those with equal steps in an epoch."""
        return list(_stretches(self.steps))

    def _runs(self, step: int, plan: StackedPlan) -> Iterator[_Run]:
        left = [
            min(size - step * self.batch, self.batch)
            for size in self.sizes
            if size > step * self.batch
        ]
        if plan.padded and left[0] not in plan.unpadded:
            yield _Run(0, len(left), left[0], ragged=left[-1] < left[0])
            return
        for start, stop in _stretches(left):
            yield _Run(start, stop, left[start], ragged=False)


def _stretches(numbers: list[int]) -> Iterator[tuple[int, int]]:
    start = 0
    for i in range(1, len(numbers) + 1):
        if i == len(numbers) or numbers[i] != numbers[start]:
            yield start, i
            start = i


class _Team:
    """Models that take equally many steps, and so share an optimizer.

    Were they more, a step counter such as Adam's would run ahead for those that have
    finished their epoch.
    """

    def __init__(self, model: StackedModel, start: int, stop: int) -> None:
        self.start, self.stop = start, stop
        every, self.trained = model.parameters(start, stop)
        self.optimizer, self.scheduler = optimizer_of_stacks(model.recipe, every)
        fuse(self.optimizer)

    def step(self, grads: list[tuple[_Run, list[Tensor | None]]]) -> None:
        """Take a step; the runs cover the models of the team."""
        inside = [
            (run, parts)
            for run, parts in grads
            if run.start < self.stop and run.stop > self.start
        ]
        for i, parameter in enumerate(self.trained):
            pieces = [
                part[max(self.start - run.start, 0) : self.stop - run.start]
                for run, parts in inside
                if (part := parts[i]) is not None
            ]
            parameter.grad = _laid_out(pieces, parameter) if pieces else None
        self.optimizer.step()


def _laid_out(pieces: list[Tensor], parameter: Tensor) -> Tensor:
    grad = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
    if grad.stride() == parameter.stride():
        return grad
    # Optimizers walk through parameter and gradient side by side in memory.
    return torch.empty_like(parameter, requires_grad=False).copy_(grad)


def train_together(
    recipe: Recipe, plan: StackedPlan, examples: Examples, coalitions: Tensor
) -> dict[str, Tensor]:
    """Train a model on each of some coalitions.

    Args:
        recipe: How.
        plan: What the trial found out.
        examples: The whole training set, on the model's device.
        coalitions: ``(K, n)`` booleans, largest first, none empty.

    Returns:
        ``(K, *shape)`` for each trained parameter.
    """
    sizes = coalitions.sum(1).tolist()
    schedule = _Schedule(recipe, plan, sizes)
    model = StackedModel(recipe, len(sizes))
    teams = [_Team(model, start, stop) for start, stop in schedule.groups()]
    visits = _Visits(recipe, plan, coalitions, schedule)
    for epoch in range(recipe.epochs):
        visits.begin(epoch)
        for step, runs in enumerate(schedule.runs):
            grads: list[tuple[_Run, list[Tensor | None]]] = []
            for run in runs:
                leaves = model.leaves(run.start, run.stop)
                losses = model.losses(leaves, *visits.minibatch(examples, step, run))
                parts = torch.autograd.grad(losses.sum(), leaves, allow_unused=True)
                grads.append((run, list(parts)))
            for team in teams:
                if team.start < runs[-1].stop:
                    team.step(grads)
        for team in teams:
            if team.scheduler is not None:
                team.scheduler.step()
    return model.trained


class _Visits:
    """The minibatches of an epoch."""

    def __init__(
        self,
        recipe: Recipe,
        plan: StackedPlan,
        coalitions: Tensor,
        schedule: _Schedule,
    ) -> None:
        self.recipe, self.schedule, self.coalitions = recipe, schedule, coalitions
        self.sizes = coalitions.sum(1, keepdim=True)
        self.keys = coalition_keys(coalitions, recipe.seed) if plan.random else None
        self.members = self.sizes
        self.random: Tensor | None = None

    def begin(self, epoch: int) -> None:
        """Shuffle the members for an epoch."""
        n = self.coalitions.shape[1]
        visits = order(self.recipe.seed, epoch, n).to(self.coalitions.device)
        width = int(self.schedule.sizes[0])
        members = members_in_order(self.coalitions, visits, width)
        columns = torch.arange(width, device=members.device)
        # Padding repeats a member, so that nothing foreign enters a model.
        self.members = torch.where(columns < self.sizes, members, members[:, :1])
        if self.keys is not None:
            self.random = step_keys(self.keys, epoch, self.schedule.n_steps)

    def minibatch(
        self, examples: Examples, step: int, run: _Run
    ) -> tuple[Examples, Tensor | None, Tensor | None]:
        """Examples, which rows are members, and keys of random numbers."""
        first = step * self.schedule.batch
        rows = slice(run.start, run.stop)
        members = None
        if run.ragged:
            columns = torch.arange(first, first + run.width, device=self.sizes.device)
            members = columns < self.sizes[rows]
        keys = None if self.random is None else self.random[rows, step]
        index = self.members[rows, first : first + run.width]
        return examples.take(index), members, keys
