"""The empirical risk: the mean loss of a model, as a function of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils._pytree import tree_map_only

from torchattr.errors import InputError
from torchattr.games.examples import Examples, Inputs, map_inputs
from torchattr.influence.overlapping_blocks import overlapping
from torchattr.influence.plain_kernels import plain_kernels

__all__ = ["EmpiricalRisk", "Loss", "Parameters"]

#: ``(outputs, targets) -> loss``, such as ``torch.nn.CrossEntropyLoss()``.
Loss: TypeAlias = Callable[[Any, Tensor], Tensor]
#: Tensors by the names of ``named_parameters()``.
Parameters: TypeAlias = Mapping[str, Tensor]


class EmpiricalRisk:
    r"""The mean loss of a model over examples, as a function of trainable parameters.

    .. math:: L(\theta) = \frac1N \sum_{i=1}^N \ell_i(\theta), \qquad
        \ell_i(\theta) = \mathrm{loss}(f_\theta(x_i), y_i).

    The loss of an example is what ``loss`` says of a batch with that example alone,
    summed if it is not a number: so any reduction gives the same mean over examples.
    (Class weights of a loss with ``reduction="mean"`` cancel in a batch of one; weigh
    with ``reduction="sum"``.) The model runs in eval mode, and must treat the examples
    of a batch independently.

    Parameters are flattened in the order of ``model.named_parameters()``. Those with
    ``requires_grad=False`` take no part, and those left out of ``parameters`` neither.

    Args:
        model: The module, already trained.
        loss: ``(outputs, targets) -> tensor``, of any reduction.
        parameters: Names of the parameters that vary; all trainable ones if ``None``.

    Attributes:
        model: The module.
        loss: The loss.
        names: Names of the parameters that vary, in their flattened order.
        sizes: Their numbers of elements.

    Raises:
        InputError: If the model is no module, has no trainable parameter or lacks one
            of the names, or if parameters differ in dtype or device.

    Example:
        >>> risk = EmpiricalRisk(nn.Linear(3, 2), nn.CrossEntropyLoss())
        >>> risk.names, risk.n_parameters
        (('weight', 'bias'), 8)
        >>> examples = risk.examples(torch.ones(5, 3), torch.zeros(5, dtype=torch.long))
        >>> risk.losses(risk.parameters(), examples).shape
        torch.Size([5])
    """

    def __init__(
        self, model: nn.Module, loss: Loss, parameters: Sequence[str] | None = None
    ) -> None:
        if not isinstance(model, nn.Module):
            raise InputError(
                f"model must be a torch.nn.Module; got {type(model).__name__}"
            )
        if not callable(loss) or isinstance(loss, type):
            got = (
                f"the class {loss.__name__}; call it"
                if isinstance(loss, type)
                else (type(loss).__name__)
            )
            raise InputError(
                "loss must be a function (outputs, targets) -> tensor, such as "
                f"torch.nn.CrossEntropyLoss(); got {got}"
            )
        self.model = model
        self.loss = loss
        trainable = {n: p for n, p in model.named_parameters() if p.requires_grad}
        if parameters is not None:
            _check_names(parameters, trainable)
            trainable = {name: trainable[name] for name in parameters}
        if not trainable:
            raise InputError(
                "the model has no trainable parameter; influence is a change of "
                "parameters. Set requires_grad=True on those that were trained"
            )
        self.names = tuple(trainable)
        self.shapes = tuple(parameter.shape for parameter in trainable.values())
        self.sizes = tuple(parameter.numel() for parameter in trainable.values())
        kinds = {(p.dtype, p.device) for p in trainable.values()}
        if len(kinds) > 1:
            raise InputError(
                "all trainable parameters must have one dtype and one device; got "
                + ", ".join(sorted(f"{dtype} on {device}" for dtype, device in kinds))
            )

    @property
    def n_parameters(self) -> int:
        """``P``: how many numbers vary."""
        return sum(self.sizes)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the parameters, and of all that is computed with them."""
        return self.model.get_parameter(self.names[0]).dtype

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.model.get_parameter(self.names[0]).device

    def restricted(self, names: Sequence[str]) -> EmpiricalRisk:
        """The same risk with fewer parameters that vary.

        Args:
            names: Which still vary, in the order wanted.

        Returns:
            A risk of the same model.
        """
        return EmpiricalRisk(self.model, self.loss, names)

    def parameters(self) -> dict[str, Tensor]:
        """The current values of the parameters that vary, detached from the model's."""
        return {name: self.model.get_parameter(name).detach() for name in self.names}

    def flatten(self, parameters: Parameters) -> Tensor:
        """Tensors by name as one vector.

        Args:
            parameters: ``(*lead, *shape)`` for each name; the same ``lead`` for all.

        Returns:
            ``(*lead, P)``.
        """
        return torch.cat(
            [
                parameters[name].flatten(parameters[name].ndim - len(shape))
                if len(shape)
                else parameters[name].unsqueeze(-1)
                for name, shape in zip(self.names, self.shapes, strict=True)
            ],
            dim=-1,
        )

    def unflatten(self, vectors: Tensor) -> dict[str, Tensor]:
        """Vectors as tensors by name, views where possible.

        Args:
            vectors: ``(*lead, P)``.

        Returns:
            ``(*lead, *shape)`` for each name.
        """
        parts = torch.split(vectors, list(self.sizes), dim=-1)
        return {
            name: part.reshape((*vectors.shape[:-1], *shape))
            for name, part, shape in zip(self.names, parts, self.shapes, strict=True)
        }

    def examples(self, inputs: Any, targets: Any) -> Examples:
        """Inputs and targets on the model's device, floating ones in its precision.

        Args:
            inputs: A tensor, or a tuple, list or dict of tensors.
            targets: A tensor.

        Returns:
            The examples.

        Raises:
            InputError: If they are no tensors, or differ in length.
        """
        if isinstance(inputs, list):
            inputs = tuple(inputs)
        if isinstance(inputs, Mapping):
            inputs = dict(inputs)
        _check_tensors(inputs, targets)
        return Examples(map_inputs(self._adapted, inputs), self._adapted(targets))

    def outputs(self, parameters: Parameters, inputs: Inputs) -> Any:
        """What the model makes of inputs, with other parameters.

        Args:
            parameters: Values by name; the rest are the model's, detached.
            inputs: A tensor, tuple or dict.

        Returns:
            The model's outputs.
        """
        tensors = self._tensors(parameters)
        positional = inputs if isinstance(inputs, tuple) else ()
        if isinstance(inputs, Tensor):
            positional = (inputs,)
        keywords = inputs if isinstance(inputs, dict) else {}
        # Its own tying puts a module that has two names back as a module of plain
        # tensors (torch 2.13).
        return functional_call(
            self.model, tensors, positional, keywords, tie_weights=False
        )

    def output_losses(self, outputs: Any, targets: Tensor) -> Tensor:
        """The loss of each example, from the outputs of its model.

        Args:
            outputs: Of ``B`` examples.
            targets: Theirs.

        Returns:
            ``(B,)``.
        """
        return vmap(self.output_loss)(outputs, targets)

    def output_loss(self, output: Any, target: Tensor) -> Tensor:
        """The loss of one example, from its output.

        Args:
            output: Of one example, without the dimension of examples.
            target: Its target.

        Returns:
            A number.
        """
        batch = tree_map_only(Tensor, lambda tensor: tensor.unsqueeze(0), output)
        return self.loss(batch, target.unsqueeze(0)).sum()

    def losses(self, parameters: Parameters, examples: Examples) -> Tensor:
        """The loss of each example, by one forward pass over all of them.

        Args:
            parameters: Values by name.
            examples: ``B`` examples.

        Returns:
            ``(B,)``.
        """
        return self.output_losses(
            self.outputs(parameters, examples.inputs), examples.targets
        )

    @contextmanager
    def evaluating(self) -> Generator[None, None, None]:
        """Put the model in eval mode for the block, and leave it as it was.

        Blocks of several threads may overlap; the last one leaves the model as it was.

        Yields:
            Nothing.
        """
        state = torch.get_rng_state()
        with overlapping(id(self.model), self._eval_mode), plain_kernels(self.model):
            try:
                yield
            finally:
                torch.set_rng_state(state)

    @contextmanager
    def _eval_mode(self) -> Generator[None, None, None]:
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        try:
            yield
        finally:
            for module, training in modes:
                module.training = training

    def _tensors(self, parameters: Parameters) -> dict[str, Tensor]:
        """All tensors of the model; those that vary under all their names."""
        given = {self.model.get_parameter(n): value for n, value in parameters.items()}
        # What a forward pass does to a buffer is not done to the model's.
        copies = {buffer: buffer.detach().clone() for buffer in self.model.buffers()}
        found: dict[str, Tensor] = {}
        for path, module in self.model.named_modules():
            own = {"prefix": path, "recurse": False, "remove_duplicate": False}
            for name, parameter in module.named_parameters(**own):
                found[name] = given.get(parameter, parameter.detach())
            for name, buffer in module.named_buffers(**own):
                found[name] = copies[buffer]
        return found

    def _adapted(self, tensor: Tensor) -> Tensor:
        dtype = self.dtype if tensor.is_floating_point() else tensor.dtype
        if tensor.is_inference():
            tensor = tensor.clone()  # autograd cannot keep the tensor itself
        return tensor.detach().to(self.device, dtype)


def _check_names(names: Sequence[str], trainable: Mapping[str, Tensor]) -> None:
    unknown = [name for name in names if name not in trainable]
    if unknown or len(set(names)) != len(names):
        raise InputError(
            f"parameters must name trainable parameters, each once; got {list(names)}, "
            f"of which {unknown} are none. There are: {', '.join(trainable)}"
        )


def _check_tensors(inputs: object, targets: object) -> None:
    if isinstance(inputs, dict):
        parts = list(inputs.values())
    else:
        parts = list(inputs) if isinstance(inputs, tuple) else [inputs]
    wrong = [part for part in [*parts, targets] if not isinstance(part, Tensor)]
    if wrong or not parts:
        raise InputError(
            "inputs must be a tensor, or a tuple, list or dict of tensors, and targets "
            f"a tensor; got inputs {_kind(inputs)} and targets {_kind(targets)}. Make "
            "tensors by torch.as_tensor(...)"
        )


def _kind(given: object) -> str:
    """Types of what a user passed, and of what is in it."""
    if not isinstance(given, tuple | list | dict):
        return type(given).__name__
    members = given.values() if isinstance(given, dict) else given
    inside = sorted({type(member).__name__ for member in members})
    return f"{type(given).__name__} of {', '.join(inside) or 'nothing'}"
