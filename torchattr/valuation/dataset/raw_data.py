"""A pair of arrays or of tensors: inputs and targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from torchattr.errors import InputError

__all__ = ["Array", "RawData", "as_raw_data"]

Array: TypeAlias = NDArray[np.generic] | Tensor
"""A NumPy array or a torch tensor."""


@dataclass(frozen=True, eq=False)
class RawData:
    """Inputs and targets of the same points, in the same kind of array.

    It unpacks (``x, y = data``), and ``[]`` takes rows of both.

    Attributes:
        x: ``(n, ...)`` inputs.
        y: ``(n, ...)`` targets.

    Raises:
        InputError: If one is an array and the other a tensor, or lengths differ.

    Example:
        >>> data = RawData(np.eye(3), np.array([0, 1, 1]))
        >>> len(data), data[1:].y
        (3, array([1, 1]))
    """

    x: Array
    y: Array

    def __post_init__(self) -> None:
        kinds = {
            "tensor" if isinstance(part, Tensor) else type(part).__name__
            for part in (self.x, self.y)
        }
        if not all(isinstance(part, np.ndarray | Tensor) for part in (self.x, self.y)):
            raise InputError(
                f"x and y must be arrays or tensors, got {' and '.join(sorted(kinds))}"
            )
        if isinstance(self.x, Tensor) != isinstance(self.y, Tensor):
            raise InputError(
                "x and y must both be NumPy arrays, or both torch tensors, got one of "
                "each; convert one, say by torch.as_tensor"
            )
        if not self.x.ndim or not self.y.ndim or len(self.x) != len(self.y):
            raise InputError(
                "x and y must have one row for each point, got the shapes "
                f"{tuple(self.x.shape)} and {tuple(self.y.shape)}"
            )

    def __len__(self) -> int:
        return len(self.x)

    def __iter__(self) -> Iterator[Array]:
        return iter((self.x, self.y))

    def __getitem__(
        self, rows: int | slice | Sequence[int] | NDArray[np.integer | np.bool_]
    ) -> RawData:
        chosen = [int(rows)] if isinstance(rows, Integral) else rows
        return RawData(self.x[chosen], self.y[chosen])

    def cpu(self) -> RawData:
        """The same on the CPU; arrays are there already."""
        if isinstance(self.x, Tensor) and isinstance(self.y, Tensor):
            return RawData(self.x.cpu(), self.y.cpu())
        return self


def as_raw_data(x: object, y: object) -> RawData:
    """Inputs and targets from whatever NumPy understands.

    Args:
        x: An array or tensor, or a list or data frame, which becomes an array.
        y: The same.

    Returns:
        The pair.

    Raises:
        InputError: If kinds or lengths do not agree.
    """
    return RawData(
        x if isinstance(x, Tensor) else np.asarray(x),
        y if isinstance(y, Tensor) else np.asarray(y),
    )
