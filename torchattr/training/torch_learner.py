"""TorchLearner: a PyTorch model, and how it is trained."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from torchattr.errors import InputError
from torchattr.games.examples import Examples, as_examples, as_inputs, map_inputs
from torchattr.training.fallback import FallbackNotice
from torchattr.training.many_trainings import ManyTrainings
from torchattr.training.model_outputs import ModelOutputs
from torchattr.training.plain_loop import train_alone
from torchattr.training.recipe import LossFunction, Recipe
from torchattr.training.shuffles import order

__all__ = ["TorchLearner"]


class TorchLearner:
    r"""A PyTorch model with all that decides what it becomes on a set of examples.

    :meth:`fit` trains one model on a subset of the data with an ordinary loop;
    :meth:`fit_many` trains hundreds of models on as many subsets at once, and ends with
    the same weights. All start from the same initial weights. In each epoch a model
    visits the members of its subset in the order of :meth:`order`, in minibatches of
    ``batch_size`` (the last may be smaller), and takes one step of the optimizer for
    each. The loss of a minibatch is exactly what the loss gives on it.

    Args:
        model: A module, copied, whose weights are the common initialisation; or a
            function without arguments that makes one (its weights are drawn under
            ``torch.manual_seed(seed)``, and the global generator is left alone).
        loss: A loss module of PyTorch or a function of ``(outputs, targets)``. Where it
            returns one loss for each example, their mean is taken.
        optimizer: A function of parameters that makes an optimizer, such as
            ``functools.partial(torch.optim.Adam, lr=1e-2)``.
        epochs: Passes over the members of a subset.
        batch_size: Examples of a minibatch; ``None`` takes all in one step.
        seed: Decides the shuffles, and dropout together with subset and step.
        eval_batch_size: Rows for which outputs are computed at once; ``None`` for as
            many as memory allows. Changes speed and memory only.
        device: Where to train; ``None`` for where the model is.
        amp: The type of ``torch.autocast`` in training, such as ``torch.bfloat16``;
            ``None`` for none.
        scheduler: A function of an optimizer that makes a scheduler of the learning
            rate, which takes one step after each epoch.

    Raises:
        InputError: If an argument is of the wrong kind, if no parameter of the model
            requires a gradient, or if the optimizer does not use what it is given.

    Example:
        >>> from functools import partial
        >>> learner = TorchLearner(
        ...     lambda: nn.Linear(2, 2),
        ...     nn.CrossEntropyLoss(),
        ...     partial(torch.optim.SGD, lr=0.5),
        ...     epochs=10,
        ... )
        >>> x, y = torch.eye(2), torch.tensor([0, 1])
        >>> learner.fit((x, y))(x).argmax(1)
        tensor([0, 1])
    """

    def __init__(
        self,
        model: nn.Module | Callable[[], nn.Module],
        loss: LossFunction,
        optimizer: Callable[..., torch.optim.Optimizer],
        *,
        epochs: int,
        batch_size: int | None = None,
        seed: int = 0,
        eval_batch_size: int | None = None,
        device: torch.device | str | None = None,
        amp: torch.dtype | None = None,
        scheduler: Callable[..., Any] | None = None,
    ) -> None:
        _check_callables(loss, optimizer, scheduler)
        if amp is not None and not isinstance(amp, torch.dtype):
            raise InputError(f"amp must be a torch dtype or None; got {amp!r}")
        initial = _initial_model(model, seed, device)
        self._recipe = Recipe(
            initial,
            _on_device(loss, next(initial.parameters()).device),
            optimizer,
            scheduler,
            _checked_count("epochs", epochs),
            _count_or_none("batch_size", batch_size),
            _checked_seed(seed),
            amp,
        )
        self.eval_batch_size = _count_or_none("eval_batch_size", eval_batch_size)
        self._recipe.make_optimizer(self._recipe.fresh_model().parameters())
        notice = FallbackNotice()
        self._training = ManyTrainings(self._recipe, notice)
        self._outputs = ModelOutputs(self._recipe, self.eval_batch_size, notice)

    @property
    def model(self) -> nn.Module:
        """The initial model, which training never changes."""
        return self._recipe.model

    @property
    def loss(self) -> LossFunction:
        """The loss, a function of outputs and targets."""
        return self._recipe.loss

    @property
    def epochs(self) -> int:
        """Passes over the members of a subset."""
        return self._recipe.epochs

    @property
    def batch_size(self) -> int | None:
        """Examples of a minibatch, or ``None`` for all."""
        return self._recipe.batch_size

    @property
    def seed(self) -> int:
        """What decides shuffles and dropout."""
        return self._recipe.seed

    @property
    def device(self) -> torch.device:
        """Where models are trained."""
        return self._recipe.device

    def order(self, epoch: int, n: int) -> Tensor:
        """The order in which an epoch visits a training set of ``n`` examples.

        A model that is trained on a subset visits its members in this order. It depends
        on the seed, the epoch and ``n`` only.

        Args:
            epoch: Number of the epoch, from 0.
            n: Number of examples of the whole training set.

        Returns:
            ``(n,)`` int64, a permutation of ``0 .. n - 1``.
        """
        return order(self.seed, epoch, n)

    def examples(self, data: object) -> Examples:
        """Data as examples on the learner's device.

        Args:
            data: Anything that :func:`~torchattr.training.as_examples` takes. NumPy's
                floating-point arrays get the type of the model's parameters.

        Returns:
            The examples.
        """
        return as_examples(data, dtype=self._recipe.dtype).to(self.device)

    def fit(self, data: object, coalition: Tensor | None = None) -> nn.Module:
        """Train one model, by an ordinary loop.

        Args:
            data: The training set, as :func:`~torchattr.training.as_examples` takes it.
            coalition: ``(n,)`` booleans, the examples that stay; ``None`` for all.

        Returns:
            The trained model, in evaluation mode. Without any example, it has the
            initial weights.

        Raises:
            InputError: If the coalition is not of booleans, or of another length.
        """
        examples = self.examples(data)
        if coalition is None:
            coalition = torch.ones(len(examples), dtype=torch.bool)
        if not isinstance(coalition, Tensor) or coalition.ndim != 1:
            raise InputError(
                f"coalition must be a bool tensor of shape ({len(examples)},); "
                f"got {_described(coalition)}"
            )
        coalition = self._checked(coalition[None], len(examples))[0]
        return train_alone(self._recipe, examples, coalition)

    def fit_many(self, data: object, coalitions: Tensor) -> dict[str, Tensor]:
        """Train a model on each of many subsets.

        Args:
            data: The training set, as :func:`~torchattr.training.as_examples` takes it.
            coalitions: ``(K, n)`` booleans, the examples that stay.

        Returns:
            For each parameter and buffer of the model, ``(K, *shape)``: those of the
            trained models, in the order of the coalitions.

        Raises:
            InputError: If the coalitions are not of booleans, or of another shape.
        """
        examples = self.examples(data)
        coalitions = self._checked(coalitions, len(examples))
        return self._training.train(examples, coalitions)

    def outputs(self, models: Mapping[str, Tensor], inputs: object) -> Tensor:
        """Outputs of trained models, in evaluation mode.

        Args:
            models: What :meth:`fit_many` returned, for ``K`` models.
            inputs: ``M`` rows, of the kinds that the training set's inputs may have.

        Returns:
            ``(K, M, *output)``.
        """
        rows = as_inputs(inputs, dtype=self._recipe.dtype)
        rows = map_inputs(lambda tensor: tensor.to(self.device), rows)
        return self._outputs.compute(models, rows)

    def description(self) -> dict[str, object]:
        """What identifies the training, for a log of evaluated coalitions.

        Returns:
            Values by name: the architecture, the initial weights, the loss, the
            optimizer, the scheduler, the numbers of epochs and of examples in a batch,
            the seed, and the type of autocast.
        """
        return self._recipe.description()

    def _checked(self, coalitions: Tensor, n: int) -> Tensor:
        if (
            not isinstance(coalitions, Tensor)
            or coalitions.dtype != torch.bool
            or coalitions.ndim != 2
            or coalitions.shape[1] != n
        ):
            raise InputError(
                f"coalitions must be bool with one column for each of the {n} "
                f"examples; got {_described(coalitions)}"
            )
        return coalitions.to(self.device)


def _described(thing: object) -> str:
    if isinstance(thing, Tensor):
        return f"{thing.dtype} {tuple(thing.shape)}"
    return f"a {type(thing).__qualname__}"


def _initial_model(
    model: nn.Module | Callable[[], nn.Module],
    seed: int,
    device: torch.device | str | None,
) -> nn.Module:
    made: object = model
    if isinstance(model, nn.Module):
        made = copy.deepcopy(model)
    elif callable(model):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            made = model()
    if not isinstance(made, nn.Module):
        raise InputError(
            "model must be a torch.nn.Module, or a function without arguments that "
            f"makes one; got a {type(made).__qualname__}"
        )
    if not any(p.requires_grad for p in made.parameters()):
        raise InputError(
            "model must have a parameter that requires a gradient; got none. "
            "Nothing would be trained"
        )
    made.zero_grad(set_to_none=True)
    return made if device is None else made.to(device)


def _on_device(loss: LossFunction, device: torch.device) -> LossFunction:
    """A loss module beside the model, as a copy if it is elsewhere: it has weights."""
    if not isinstance(loss, nn.Module):
        return loss
    tensors = [*loss.parameters(), *loss.buffers()]
    if all(tensor.device == device for tensor in tensors):
        return loss
    return copy.deepcopy(loss).to(device)


def _checked_seed(seed: object) -> int:
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise InputError(f"seed must be an integer; got {seed!r}")
    return int(seed)


def _checked_count(name: str, count: object) -> int:
    if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
        raise InputError(f"{name} must be a positive integer; got {count!r}")
    return int(count)


def _count_or_none(name: str, count: object) -> int | None:
    return None if count is None else _checked_count(name, count)


def _check_callables(loss: object, optimizer: object, scheduler: object) -> None:
    if isinstance(optimizer, torch.optim.Optimizer):
        raise InputError(
            "optimizer must be a function of parameters, because each model needs its "
            "own; got one that is made. Pass functools.partial("
            f"torch.optim.{type(optimizer).__name__}, lr=...)"
        )
    if isinstance(loss, type) and issubclass(loss, nn.Module):
        raise InputError(
            "loss must be a function of (outputs, targets), such as a module that is "
            f"made: pass {loss.__name__}(), not the class {loss.__name__}"
        )
    if not callable(loss):
        raise InputError(f"loss must be a function of (outputs, targets); got {loss!r}")
    if not callable(optimizer):
        raise InputError(
            f"optimizer must be a function of parameters; got {optimizer!r}"
        )
    if scheduler is not None and not callable(scheduler):
        raise InputError(
            f"scheduler must be a function of an optimizer; got {scheduler!r}"
        )
