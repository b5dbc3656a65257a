"""Tensors as arrays, and back: what stores and clusters speak."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchattr.errors import InputError

__all__ = ["NumpyConverter", "TorchNumpyConverter", "check_converter"]


@runtime_checkable
class NumpyConverter(Protocol):
    """What turns the tensors of a library into arrays, and back.

    Example:
        >>> converter: NumpyConverter = TorchNumpyConverter()
    """

    def to_numpy(self, x: Any) -> NDArray[Any]:
        """An array of a tensor."""
        ...

    def from_numpy(self, x: NDArray[Any]) -> Any:
        """A tensor of an array."""
        ...


def check_converter(converter: object) -> None:
    """Refuse what is no converter, before anything is computed.

    Args:
        converter: Anything.

    Raises:
        InputError: If it is none.

    Example:
        >>> check_converter(TorchNumpyConverter())
    """
    if isinstance(converter, type) or not isinstance(converter, NumpyConverter):
        raise InputError(
            "converter must be an object with to_numpy and from_numpy, such as "
            f"TorchNumpyConverter(); got {converter!r}"
        )


class TorchNumpyConverter:
    """Arrays of torch's tensors, and tensors of arrays on a device.

    Args:
        device: Where tensors are put; the CPU if ``None``.

    Example:
        >>> converter = TorchNumpyConverter()
        >>> converter.from_numpy(converter.to_numpy(torch.ones(2, requires_grad=True)))
        tensor([1., 1.])
    """

    def __init__(self, device: torch.device | str | None = None) -> None:
        self.device = device

    def to_numpy(self, x: Tensor) -> NDArray[Any]:
        """An array of a tensor, from whichever device.

        Args:
            x: Any tensor; bfloat16, which NumPy does not have, becomes float32.

        Returns:
            The array, which shares memory with a tensor on the CPU.

        Raises:
            InputError: If it is no tensor.
        """
        if not isinstance(x, Tensor):
            raise InputError(f"expected a tensor; got {type(x).__name__}")
        known = x.float() if x.dtype == torch.bfloat16 else x
        array: NDArray[Any] = known.numpy(force=True)
        return array

    def from_numpy(self, x: NDArray[Any]) -> Tensor:
        """A tensor of an array.

        Args:
            x: An array of numbers.

        Returns:
            The tensor, on the device; it shares memory with an array that can be
            written to, if it stays on the CPU.
        """
        array = np.require(x, x.dtype.newbyteorder("="), ["C", "W"])
        return torch.from_numpy(array).to(self.device)
