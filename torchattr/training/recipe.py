"""A recipe: everything but the data that decides what a model becomes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from torchattr.errors import InputError
from torchattr.games.examples import Inputs, call_model
from torchattr.games.fingerprint import structure_of

__all__ = ["LossFunction", "Recipe"]

LossFunction: TypeAlias = Callable[[Any, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Recipe:
    """How a model is trained.

    Attributes:
        model: The module whose weights are the common initialisation. Never changed.
        loss: A function of outputs and targets.
        optimizer: Makes an optimizer of parameters.
        scheduler: Makes a scheduler of an optimizer, or ``None``.
        epochs: Passes over a coalition.
        batch_size: Examples of a minibatch; ``None`` for all.
        seed: Of shuffles and dropout.
        amp: The type of autocast, or ``None``.

    Example:
        >>> from functools import partial
        >>> descent = partial(torch.optim.SGD, lr=0.1)
        >>> recipe = Recipe(nn.Linear(1, 1), nn.MSELoss(), descent, None, 1, 2, 0, None)
        >>> recipe.steps_per_epoch(torch.tensor([0, 1, 2, 3]))
        tensor([0, 1, 1, 2])
    """

    model: nn.Module
    loss: LossFunction
    optimizer: Callable[..., torch.optim.Optimizer]
    scheduler: Callable[..., Any] | None
    epochs: int
    batch_size: int | None
    seed: int
    amp: torch.dtype | None

    @property
    def device(self) -> torch.device:
        """Where the model's parameters are."""
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the model's first parameter of floating point."""
        return next(
            (p.dtype for p in self.model.parameters() if p.is_floating_point()),
            torch.get_default_dtype(),
        )

    def steps_per_epoch(self, sizes: Tensor) -> Tensor:
        """Optimizer steps of an epoch on coalitions of these sizes."""
        width = self.batch_size or sizes.clamp(min=1)
        return torch.div(sizes + width - 1, width, rounding_mode="floor")

    def fresh_model(self) -> nn.Module:
        """A copy of the initial model, in training mode."""
        return copy.deepcopy(self.model).train()

    def make_optimizer(
        self, parameters: Iterable[Tensor]
    ) -> tuple[torch.optim.Optimizer, Any]:
        """An optimizer of parameters, and its scheduler.

        Args:
            parameters: In the order of the model's.

        Returns:
            The optimizer, and the scheduler or ``None``.

        Raises:
            InputError: If what was given as optimizer or scheduler makes another thing.
        """
        parameters = list(parameters)
        optimizer = self.optimizer(iter(parameters))
        _check_optimizer(optimizer, parameters)
        scheduler = self.scheduler and self.scheduler(optimizer)
        if isinstance(scheduler, ReduceLROnPlateau):
            raise InputError(
                "scheduler must follow the number of the epoch alone; got "
                "ReduceLROnPlateau, which waits for a score. Use a schedule such as "
                "StepLR or CosineAnnealingLR"
            )
        return optimizer, scheduler

    def minibatch_loss(
        self, model: nn.Module, inputs: Inputs, targets: Tensor
    ) -> Tensor:
        """The user's loss on a minibatch, averaged where it is one for each example."""
        with self.autocast():
            losses = self.loss_of(call_model(model, inputs), targets)
        return losses.mean() if losses.ndim else losses

    def loss_of(self, outputs: object, targets: Tensor) -> Tensor:
        """What the user's loss returns, a tensor."""
        losses = self.loss(outputs, targets)
        if not isinstance(losses, Tensor):
            raise InputError(
                "loss(outputs, targets) must return a tensor; got "
                f"{type(losses).__qualname__}"
            )
        return losses

    @contextmanager
    def autocast(self) -> Generator[None, None, None]:
        """Autocast to :attr:`amp`; nothing where that is ``None``."""
        if self.amp is None:
            yield
            return
        with torch.autocast(self.device.type, self.amp):
            yield

    def description(self) -> dict[str, object]:
        """What identifies the training, by name; see :class:`TorchLearner`."""
        return {
            "architecture": structure_of(self.model),
            # Not its state_dict, which lacks the buffers that are not saved.
            "initial weights": {
                **dict(self.model.named_parameters()),
                **dict(self.model.named_buffers()),
            },
            "loss": self.loss,
            "optimizer": self.optimizer,
            "scheduler": self.scheduler,
            "epochs": self.epochs,
            "batch size": self.batch_size,
            "seed": self.seed,
            "amp": str(self.amp),
        }


def _check_optimizer(optimizer: object, parameters: list[Tensor]) -> None:
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise InputError(
            "optimizer must make a torch optimizer of parameters, such as "
            "functools.partial(torch.optim.Adam, lr=1e-2); it made a "
            f"{type(optimizer).__qualname__}"
        )
    if isinstance(optimizer, torch.optim.LBFGS):
        raise InputError(
            "optimizer must take a step from one gradient; LBFGS evaluates the loss "
            "several times in a step. Use SGD or Adam"
        )
    given = {id(parameter) for parameter in parameters}
    for group in optimizer.param_groups:
        if not given.issuperset(map(id, group["params"])):
            raise InputError(
                "optimizer must use the parameters that it is given, because each "
                "model that is trained has its own; it uses others. Write "
                "lambda parameters: torch.optim.SGD(parameters, lr=0.1)"
            )
