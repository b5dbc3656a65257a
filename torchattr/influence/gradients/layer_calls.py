"""Layer calls: the linear maps of a model as it runs, with their inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import disable_saved_tensors_hooks
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from torchattr.games.examples import Inputs
from torchattr.influence.empirical_risk import EmpiricalRisk, Parameters

__all__ = [
    "ALL",
    "CHECKPOINTED",
    "LayerCall",
    "LayerRecorder",
    "Windows",
    "recorded_layers",
]

#: Every example.
ALL = slice(None)
#: Said of models whose layers are called again in the backward pass, unseen.
CHECKPOINTED = "layers in torch.utils.checkpoint cannot be recorded; switch it off"


@dataclass(frozen=True)
class Windows:
    """How a convolution cuts its input into windows, one for each output position.

    Attributes:
        kernel: Size of a window, by spatial dimension.
        stride: Steps from a window to the next.
        before: Zeros padded before the input.
        after: Zeros padded after it.
        dilation: Steps from an element of a window to the next.

    Example:
        >>> Windows((2,), (1,), (0,), (0,), (1,)).rows(torch.arange(4.0).view(1, 1, 4))
        tensor([[[0., 1.],
                 [1., 2.],
                 [2., 3.]]])
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    dilation: tuple[int, ...]

    def rows(self, images: Tensor) -> Tensor:
        """Each window in a row, in the order of a kernel's elements.

        Args:
            images: ``(B, C, *size)``.

        Returns:
            ``(B, S, C * prod(kernel))``, ``S`` being the number of windows.
        """
        n_dims = len(self.kernel)
        if any(self.before) or any(self.after):
            sides = zip(reversed(self.before), reversed(self.after), strict=True)
            images = F.pad(images, [amount for side in sides for amount in side])
        for axis in range(n_dims):
            spread = self.dilation[axis] * (self.kernel[axis] - 1) + 1
            images = images.unfold(2 + axis, spread, self.stride[axis])
            images = images[..., :: self.dilation[axis]]
        # (B, C, *positions, *kernel) -> (B, C, *kernel, *positions): positions are last
        # in memory, where they are whole lines of the image. This is several times as
        # fast as to copy windows, and than torch.nn.functional.unfold.
        order = [0, 1, *range(2 + n_dims, 2 + 2 * n_dims), *range(2, 2 + n_dims)]
        columns = images.permute(order).flatten(1, 1 + n_dims).flatten(2)
        return columns.mT


@dataclass(frozen=True, eq=False)
class LayerCall:
    r"""One call of a linear or convolutional layer: ``output = input @ W^T + bias``.

    At each of ``S`` positions of an example, the layer takes a row :math:`a_s` to
    :math:`z_s = W a_s + b`. A loss therefore has the gradient
    :math:`\sum_s (\partial \ell / \partial z_s) a_s^\top` in :math:`W`.

    With ``groups > 1`` the weight is block diagonal: the columns of :meth:`rows` and of
    :meth:`positions` fall into ``groups`` consecutive parts of one size, and a part of
    the output depends on that part of the input alone.

    Attributes:
        weight: Name of the parameter, whose shape is ``(o, i / groups)`` or, for a
            convolution, ``(o, C / groups, *kernel)``.
        bias: Name of the parameter ``(o,)``; ``None`` without a bias, or if it does
            not vary.
        input: ``(B, *, i)``, or ``(B, C, *size)`` of a convolution.
        output: ``(B, *, o)``, or ``(B, o, *positions)``, in the graph of autograd.
        windows: Of a convolution; ``None`` for a linear layer.
        groups: Number of parts that have nothing to do with each other.

    Example:
        >>> risk = EmpiricalRisk(torch.nn.Linear(3, 2), torch.nn.MSELoss())
        >>> _, calls = recorded_layers(risk, risk.parameters(), torch.ones(5, 4, 3))
        >>> calls[0].weight, calls[0].bias, calls[0].rows().shape
        ('weight', 'bias', torch.Size([5, 4, 3]))
    """

    weight: str
    bias: str | None
    input: Tensor
    output: Tensor
    windows: Windows | None = None
    groups: int = 1

    @property
    def n_inputs(self) -> int:
        """``i``: numbers in a row."""
        if self.windows is None:
            return self.input.shape[-1]
        return self.input.shape[1] * prod(self.windows.kernel)

    def rows(self, chunk: slice = ALL) -> Tensor:
        """Inputs of all positions, ``(B, S, i)``; those of a convolution unfolded.

        Args:
            chunk: Which examples.

        Returns:
            Their rows, without a graph.
        """
        input = self.input.detach()[chunk]
        if self.windows is not None:
            return self.windows.rows(input)
        return input.reshape(len(input), input.shape[1:-1].numel(), input.shape[-1])

    def without_graph(self) -> LayerCall:
        """The same call, of which only the shape of the output is kept."""
        shape = self.output.detach().to("meta")
        return replace(self, input=self.input.detach(), output=shape)

    def positions(self, outputs: Tensor) -> Tensor:
        """What has the shape of the output, such as its gradient, by position.

        Args:
            outputs: ``(*lead, *output.shape)``.

        Returns:
            ``(*lead, B, S, o)``.
        """
        lead = outputs.shape[: outputs.ndim - self.output.ndim]
        n_lead = len(lead)
        if self.windows is not None:
            outputs = outputs.movedim(n_lead + 1, -1)
        shape = outputs.shape[n_lead:]
        n_positions = shape[1:-1].numel()
        return outputs.reshape(*lead, shape[0], n_positions, shape[-1])


def recorded_layers(
    risk: EmpiricalRisk, parameters: Parameters, inputs: Inputs
) -> tuple[Any, tuple[LayerCall, ...]]:
    """Run a model, and note the calls of layers whose weight is one that varies.

    Seen are ``torch.nn.functional.linear``, ``conv1d``, ``conv2d`` and ``conv3d``, by
    whatever module they are called. Within these calls, weights and biases are
    constants; so, where the ``parameters`` require a gradient, what reaches them is
    the part of it that no call accounts for. Every recorded output is in the graph of
    autograd. Nothing is said about what the first dimension of an input is: with
    tensors that put examples second, or of some of the examples, it is another.

    Args:
        risk: Whose model.
        parameters: Values by name.
        inputs: Of ``B`` examples.

    Returns:
        The model's outputs, and the calls in their order.

    Raises:
        RuntimeError: If the model checkpoints, saying :data:`CHECKPOINTED`.
    """
    with (
        torch.enable_grad(),
        disable_saved_tensors_hooks(CHECKPOINTED),
        LayerRecorder(parameters) as recorder,
    ):
        outputs = risk.outputs(parameters, inputs)
    return outputs, tuple(recorder.calls)


class _Convolution(NamedTuple):
    """The arguments of ``torch.nn.functional.conv2d`` and its like."""

    input: Tensor
    weight: Tensor
    bias: Tensor | None = None
    stride: int | Sequence[int] = 1
    padding: str | int | Sequence[int] = 0
    dilation: int | Sequence[int] = 1
    groups: int = 1

    def windows(self) -> Windows:
        kernel = tuple(self.weight.shape[2:])
        n_dims = len(kernel)
        steps = _by_dimension(self.dilation, n_dims)
        if self.padding == "same":  # an odd total has its larger half after
            totals = [d * (k - 1) for d, k in zip(steps, kernel, strict=True)]
            before = tuple(total // 2 for total in totals)
            after = tuple(total - total // 2 for total in totals)
        elif isinstance(self.padding, str):  # "valid"
            before = after = (0,) * n_dims
        else:
            before = after = _by_dimension(self.padding, n_dims)
        return Windows(kernel, _by_dimension(self.stride, n_dims), before, after, steps)


class LayerRecorder(TorchFunctionMode):
    """Notes each linear map whose weight is one of some tensors, in a ``with`` block.

    Args:
        parameters: The tensors, by name.

    Attributes:
        calls: What was noted.
        may_branch: Whether the model looked at values so that it might do other things
            with other inputs: sorted them, indexed with them or branched on them.

    Example:
        >>> weight = torch.ones(2, 3)
        >>> with LayerRecorder({"w": weight}) as recorder:
        ...     output = F.linear(torch.ones(5, 3), weight)
        >>> [call.weight for call in recorder.calls], recorder.may_branch
        (['w'], False)
    """

    def __init__(self, parameters: Parameters) -> None:
        super().__init__()
        self.calls: list[LayerCall] = []
        self.may_branch = False
        # The tensors are compared by identity, and live as long as this object does.
        self._parameters = parameters
        self._names = {id(tensor): name for name, tensor in parameters.items()}

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call the function, and note what it is."""
        kwargs = kwargs or {}
        self.may_branch |= _looks_at_values(func, args)
        # Where the model switches gradients off, the weight has none by this call.
        if func is F.linear and torch.is_grad_enabled():
            return self._linear(*args, **kwargs)
        if func in _CONVOLUTIONS and torch.is_grad_enabled():
            return self._convolution(func, _Convolution(*args, **kwargs))
        return func(*args, **kwargs)

    def _linear(
        self, input: Tensor, weight: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        name = self._names.get(id(weight))
        if name is None or input.ndim < 2:
            return F.linear(input, weight, bias)
        bias_name, bias = self._bias(bias)
        output = _in_graph(F.linear(input, weight.detach(), bias))
        self.calls.append(LayerCall(name, bias_name, input, output))
        return output.clone()  # the model may change it in place

    def _convolution(
        self, function: Callable[..., Tensor], called: _Convolution
    ) -> Tensor:
        name = self._names.get(id(called.weight))
        if name is None or called.input.ndim != called.weight.ndim:
            return function(*called)
        bias_name, bias = self._bias(called.bias)
        constant = called._replace(weight=called.weight.detach(), bias=bias)
        output = _in_graph(function(*constant))
        self.calls.append(
            LayerCall(
                name, bias_name, called.input, output, called.windows(), called.groups
            )
        )
        return output.clone()  # the model may change it in place

    def _bias(self, bias: Tensor | None) -> tuple[str | None, Tensor | None]:
        """Its name, and a constant in its place, if it varies."""
        name = self._names.get(id(bias))
        return name, bias.detach() if bias is not None and name is not None else bias


def _in_graph(output: Tensor) -> Tensor:
    return output if output.requires_grad else output.requires_grad_()


def _by_dimension(value: int | Sequence[int], n_dims: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * n_dims if len(values) == 1 else values


def _looks_at_values(function: Any, args: tuple[Any, ...]) -> bool:
    if function is Tensor.__getitem__:
        index = args[1] if isinstance(args[1], tuple) else args[1:]
        return any(isinstance(part, Tensor) for part in index)
    return getattr(function, "__name__", "") in _LOOKING


#: Functions whose result is an order, a number of rows or a number for Python.
_LOOKING = frozenset({
    "__array__",
    "__bool__",
    "__float__",
    "__index__",
    "__int__",
    "argmax",
    "argmin",
    "argsort",
    "argwhere",
    "gather",
    "index_select",
    "item",
    "masked_select",
    "nonzero",
    "numpy",
    "one_hot",
    "sort",
    "take",
    "take_along_dim",
    "tolist",
    "topk",
    "unique",
    "unique_consecutive",
})
_CONVOLUTIONS = {F.conv1d, F.conv2d, F.conv3d}
