"""One example of a batch, with everything that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from torchattr.games.ablation_game import Inputs
from torchattr.games.baselines import Baselines
from torchattr.games.target import TargetLike

__all__ = ["Examples"]


@dataclass(frozen=True)
class Examples:
    """The arguments of ``attribute`` that may differ between examples.

    Attributes:
        inputs: See :class:`~torchattr.attr.PerturbationAttribution` for all of them.
        baselines: The same.
        target: The same.
        additional_forward_args: The same.
    """

    inputs: Inputs
    baselines: Baselines
    target: TargetLike
    additional_forward_args: object

    def __len__(self) -> int:
        first = self.inputs[0] if isinstance(self.inputs, tuple) else self.inputs
        return len(first)

    def one(self, index: int) -> Examples:
        """The same arguments for a single example.

        Args:
            index: Which one.

        Returns:
            Arguments with a batch of one.
        """
        size = len(self)
        target = self.target
        if (isinstance(target, list) and len(target) == size) or (
            isinstance(target, Tensor) and target.numel() > 1
        ):
            target = target[index]
        return Examples(
            _row(self.inputs, index, size),
            self._baselines_of(index, size),
            target,
            _row(self.additional_forward_args, index, size),
        )

    def _baselines_of(self, index: int, size: int) -> Baselines:
        """The example's row of each baseline that has a batch dimension."""
        if isinstance(self.baselines, tuple):
            pairs = zip(self.baselines, self.inputs, strict=True)
            return tuple(
                _row(part, index, size) if _has_batch(part, x) else part
                for part, x in pairs
            )
        if _has_batch(self.baselines, self.inputs):
            return cast(Baselines, _row(self.baselines, index, size))
        return self.baselines


def _has_batch(baseline: Any, x: Any) -> bool:
    """Whether the first dimension of a baseline is that of the examples."""
    return (
        isinstance(baseline, Tensor)
        and isinstance(x, Tensor)
        and baseline.ndim == x.ndim
    )


def _row(argument: Any, index: int, size: int) -> Any:
    """The example's row of each tensor that has one for each example."""
    if isinstance(argument, tuple):
        return tuple(_row(part, index, size) for part in argument)
    if isinstance(argument, Tensor) and argument.ndim > 0 and len(argument) == size:
        return argument[index : index + 1]
    return argument
