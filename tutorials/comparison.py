"""Methods side by side: what each says, what it cost, how well it fits the model."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from torchattr.attr import PerturbationAttribution
from torchattr.games import AblationGame, AdditiveGame


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


def faithfulness(
    game: AblationGame, values: Tensor, n_coalitions: int = 1000
) -> Tensor:
    """Correlation of an attribution, read as a game, with the true game: (B,).

    An attribution promises that a coalition is worth the sum of its members. Whether
    that holds is seen on coalitions that no method has drawn.
    """
    generator = torch.Generator().manual_seed(1)
    fresh = torch.rand(n_coalitions, game.n_players, generator=generator) < 0.5
    both = torch.stack([game(fresh).double(), AdditiveGame(values.double().T)(fresh)])
    centred = both - both.mean(1, keepdim=True)
    true, additive = centred / centred.norm(dim=1, keepdim=True)
    return (true * additive).sum(0)
