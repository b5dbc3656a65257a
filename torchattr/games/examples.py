"""Examples: what a model is trained on, whatever it came in as."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, IterableDataset, TensorDataset, default_collate

from torchattr.errors import InputError

__all__ = [
    "Examples",
    "Inputs",
    "RawDataset",
    "as_examples",
    "as_inputs",
    "call_model",
    "map_inputs",
]

Inputs: TypeAlias = Tensor | tuple[Tensor, ...] | dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Examples:
    """Inputs and targets of a number of examples, along the first dimension.

    Attributes:
        inputs: A tensor, given to a model as ``model(x)``; a tuple of tensors, given as
            ``model(*x)``; or a dict of tensors, given as ``model(**x)``.
        targets: What the loss compares with.

    Example:
        >>> examples = Examples(torch.eye(3), torch.tensor([0, 1, 2]))
        >>> len(examples), examples.take(torch.tensor([2])).targets
        (3, tensor([2]))
    """

    inputs: Inputs
    targets: Tensor

    def __post_init__(self) -> None:
        lengths = {
            name: len(tensor) if tensor.ndim else None
            for name, tensor in self._named_tensors()
        }
        if len(set(lengths.values())) != 1 or None in lengths.values():
            raise InputError(
                "inputs and targets must have one row for each example; got "
                + ", ".join(
                    f"{name} of shape {tuple(tensor.shape)}"
                    for name, tensor in self._named_tensors()
                )
            )
        if 0 in lengths.values():
            raise InputError("data must have at least one example; got none")

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device | str) -> Examples:
        """The same examples on a device.

        Args:
            device: Where to.

        Returns:
            Examples whose tensors live there; no copies of those that already do.
        """
        return self.map(lambda tensor: tensor.to(device))

    def take(self, index: Tensor) -> Examples:
        """Examples by position.

        Args:
            index: Positions, int64 of any shape with at least one dimension.

        Returns:
            Examples whose tensors have the shape of ``index`` in place of their first
            dimension.
        """
        return self.map(lambda tensor: _rows(tensor, index))

    def map(self, function: Callable[[Tensor], Tensor]) -> Examples:
        """The same examples after a function of each tensor.

        Args:
            function: Of inputs, one tensor after another, and of targets.

        Returns:
            Examples of what it returned.
        """
        return Examples(map_inputs(function, self.inputs), function(self.targets))

    def _named_tensors(self) -> list[tuple[str, Tensor]]:
        if isinstance(self.inputs, Tensor):
            named = [("inputs", self.inputs)]
        elif isinstance(self.inputs, dict):
            named = [(f"inputs[{key!r}]", x) for key, x in self.inputs.items()]
        else:
            named = [(f"inputs[{i}]", x) for i, x in enumerate(self.inputs)]
        return [*named, ("targets", self.targets)]


@runtime_checkable
class RawDataset(Protocol):
    """A dataset that gives all its inputs and targets at once.

    :class:`torchattr.valuation.Dataset` is one.
    """

    def data(self) -> Iterable[Any]:
        """All inputs, and all targets."""
        ...


def as_examples(data: object, *, dtype: torch.dtype | None = None) -> Examples:
    """Examples from anything that holds inputs and targets.

    Args:
        data: A pair ``(inputs, targets)``, where the inputs are a tensor, an array, or
            a tuple or dict of those; a ``torch.utils.data.Dataset`` of such pairs; or a
            :class:`torchattr.valuation.Dataset`. Tensors are taken as they are. Arrays
            of floating point become ``dtype``, those of integers int64.
        dtype: Type of the numbers in NumPy's floating-point arrays, usually that of the
            model's parameters; ``None`` is torch's default.

    Returns:
        The examples.

    Raises:
        InputError: If it is none of these, if numbers of inputs and targets differ, or
            if an array holds no numbers.

    Example:
        >>> import numpy as np
        >>> examples = as_examples((np.ones((3, 2)), np.array([0, 1, 1])))
        >>> examples.inputs.dtype, examples.targets.dtype
        (torch.float32, torch.int64)
    """
    dtype = dtype or torch.get_default_dtype()
    if isinstance(data, Examples):
        return data
    if isinstance(data, Dataset):
        return _of_torch_dataset(data, dtype)
    if not isinstance(data, np.ndarray | Tensor) and isinstance(data, RawDataset):
        data = tuple(data.data())
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise InputError(
            "data must be a pair (inputs, targets), a torch.utils.data.Dataset or a "
            f"torchattr Dataset; got {_described(data)}"
        )
    inputs, targets = data
    return Examples(as_inputs(inputs, dtype=dtype), _tensor(targets, dtype, "targets"))


def as_inputs(inputs: object, *, dtype: torch.dtype) -> Inputs:
    """Inputs alone, as tensors; see :func:`as_examples` for what may be given.

    Args:
        inputs: A tensor, an array, or a tuple or dict of those.
        dtype: Type of what came as floating-point arrays.

    Returns:
        The same as tensors.

    Example:
        >>> as_inputs({"x": [1.0, 2.0]}, dtype=torch.float64)
        {'x': tensor([1., 2.], dtype=torch.float64)}
    """
    if isinstance(inputs, Mapping):
        return {
            str(key): _tensor(value, dtype, f"inputs[{key!r}]")
            for key, value in inputs.items()
        }
    if isinstance(inputs, tuple):
        return tuple(
            _tensor(value, dtype, f"inputs[{i}]") for i, value in enumerate(inputs)
        )
    return _tensor(inputs, dtype, "inputs")


def call_model(model: nn.Module, inputs: Inputs) -> Any:  # ruff: ignore[any-type] (the model's)
    """What a model makes of inputs: ``model(x)``, ``model(*x)`` or ``model(**x)``.

    Args:
        model: The module.
        inputs: A tensor, tuple or dict.

    Returns:
        The module's output.

    Example:
        >>> call_model(nn.Bilinear(1, 1, 2), (torch.ones(3, 1), torch.ones(3, 1))).shape
        torch.Size([3, 2])
    """
    if isinstance(inputs, Tensor):
        return model(inputs)
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs)


def map_inputs(function: Callable[[Tensor], Tensor], inputs: Inputs) -> Inputs:
    """A function of each tensor of inputs."""
    if isinstance(inputs, Tensor):
        return function(inputs)
    if isinstance(inputs, dict):
        return {key: function(value) for key, value in inputs.items()}
    return tuple(map(function, inputs))


def _rows(tensor: Tensor, index: Tensor) -> Tensor:
    # index_select copies whole rows; indexing with a tensor computes an address for
    # each element, and takes several times as long.
    flat = tensor.index_select(0, index.reshape(-1))
    return flat.reshape(*index.shape, *tensor.shape[1:])


def _of_torch_dataset(dataset: Dataset[Any], dtype: torch.dtype) -> Examples:
    if isinstance(dataset, TensorDataset):
        *tensors, targets = (tensor.detach() for tensor in dataset.tensors)
        return Examples(tensors[0] if len(tensors) == 1 else tuple(tensors), targets)
    if isinstance(dataset, IterableDataset):
        items: Sequence[Any] = list(dataset)
    else:
        items = [dataset[i] for i in range(len(dataset))]  # type: ignore[arg-type]  # a map has a length
    first = items[0] if items else None
    if not isinstance(first, tuple | list) or len(first) != 2:
        raise InputError(
            "a torch Dataset must hold at least one example, and each must be a pair "
            f"(input, target); got {_described(first)}"
        )
    inputs, targets = default_collate(list(items))
    if isinstance(inputs, list):
        inputs = tuple(inputs)
    return Examples(_like(inputs, first[0], dtype), _like_one(targets, first[1], dtype))


def _like(
    collated: Inputs,
    first: Any,  # ruff: ignore[any-type] (an item of a user's dataset)
    dtype: torch.dtype,
) -> Inputs:
    """Give what was not a tensor before it was collated the type of the model."""
    if isinstance(collated, Tensor):
        return _like_one(collated, first, dtype)
    if isinstance(collated, Mapping):
        return {k: _like_one(v, first[k], dtype) for k, v in collated.items()}
    return tuple(
        _like_one(one, item, dtype) for one, item in zip(collated, first, strict=True)
    )


def _like_one(collated: object, first: object, dtype: torch.dtype) -> Tensor:
    if not isinstance(collated, Tensor):
        raise InputError(
            f"a torch Dataset must hold numbers and tensors; got {_described(first)}"
        )
    if not isinstance(first, Tensor) and collated.is_floating_point():
        return collated.to(dtype)
    return collated.detach()


def _tensor(value: object, dtype: torch.dtype, name: str) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, list | tuple) and any(isinstance(v, Tensor) for v in value):
        raise InputError(
            f"{name} must be a tensor or an array; got a {type(value).__name__} with "
            "tensors in it. Use torch.stack, or a tuple for a model of several inputs"
        )
    array = np.asarray(value)
    if array.dtype.kind == "f":
        native = (
            np.float64 if array.dtype.itemsize > 8 else array.dtype.newbyteorder("=")
        )
        return torch.tensor(np.ascontiguousarray(array, native), dtype=dtype)
    if array.dtype.kind in "iu":
        return torch.tensor(np.ascontiguousarray(array, np.int64))
    if array.dtype.kind in "bc":
        return torch.tensor(np.ascontiguousarray(array))
    raise InputError(
        f"{name} must hold numbers; got an array of type {array.dtype}. Encode "
        "categories and texts as numbers first"
    )


def _described(data: object) -> str:
    length = f" of length {len(data)}" if isinstance(data, tuple | list) else ""
    return f"{type(data).__module__}.{type(data).__qualname__}{length}"
