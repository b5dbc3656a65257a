"""Methods side by side: what each says, what it cost, how well it fits the model."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from torchattr.attr import PerturbationAttribution


class CountedRows:
    """A forward function that counts the rows it is given."""

    def __init__(self, forward: Callable[[Tensor], Tensor]) -> None:
        self.forward = forward
        self.rows = 0

    def __call__(self, x: Tensor) -> Tensor:
        """Call the function."""
        self.rows += len(x)
        return self.forward(x)


@dataclass(frozen=True)
class Explained:
    """One method's answer, with its cost for each example.

    ``values`` and ``errors`` are (B, n): of the players, not of the elements that make
    up a player.
    """

    method: str
    evaluations: int
    seconds: float
    values: Tensor
    errors: Tensor


def explain(
    label: str,
    method: type[PerturbationAttribution],
    forward: Callable[[Tensor], Tensor],
    inputs: Tensor,
    per_player: Callable[[Tensor], Tensor] = lambda elements: elements.flatten(1),
    **arguments: Any,
) -> Explained:
    """Run a method with standard errors, timed and counted."""
    counted = CountedRows(forward)
    began = time.perf_counter()
    values, errors = method(counted).attribute(
        inputs, return_standard_error=True, **arguments
    )
    return Explained(
        label,
        counted.rows // len(inputs),
        time.perf_counter() - began,
        per_player(values),
        per_player(errors),
    )
