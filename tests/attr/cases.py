"""Models and arguments that every method must take, and a forward that counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import nn


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0, **options):
    return torch.randn(*shape, generator=seeded(seed), **options)


@cache
def mlp(n_inputs=5, n_outputs=3):
    """A small network with interactions, the same in every test."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Linear(n_inputs, 8), nn.Tanh(), nn.Linear(8, n_outputs)
        ).requires_grad_(requires_grad=False)


@cache
def convolution():
    """Images ``(B, 3, 8, 8)`` to three classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)
        ).requires_grad_(requires_grad=False)


def segments(size=8, side=2):
    """``(1, 1, size, size)``: square segments of ``side`` pixels, numbered by rows."""
    place = torch.arange(size) // side
    return (place[:, None] * (size // side) + place)[None, None]


class Recorder:
    """A forward function that knows how it was called.

    Attributes:
        n_rows: Rows evaluated in all.
        sizes: Rows of each call.
        grads: Whether gradients were enabled, for each call.
    """

    def __init__(self, function):
        self.function = function
        self.sizes = []
        self.grads = []

    @property
    def n_rows(self):
        return sum(self.sizes)

    def __call__(self, *inputs):
        self.sizes.append(len(inputs[0]))
        self.grads.append(torch.is_grad_enabled())
        return self.function(*inputs)


@dataclass(frozen=True)
class Case:
    """What is explained, with captum's arguments."""

    forward: Any
    inputs: Any
    arguments: dict[str, Any] = field(default_factory=dict)
    n_players: int = 5


def product_of_two(a, b):
    return torch.tanh(a.sum(1)) * b.prod(1) + a[:, 0]


def scaled(x, scale):
    return mlp()(x)[:, 0] * scale


def embedded(tokens):
    return mlp(4, 2)(normal(9, seed=1)[tokens])[:, 0]


TABULAR = normal(4, 5, seed=3)
IMAGES = normal(2, 3, 8, 8, seed=4)
PAIR = (normal(3, 3, seed=5), normal(3, 2, seed=6))
TOKENS = torch.tensor([[1, 5, 3, 8], [2, 2, 7, 4]])

CASES = {
    "tabular": Case(mlp(), TABULAR, {"target": 1}),
    "one example": Case(mlp(), TABULAR[:1], {"target": 0, "baselines": 0.5}),
    "a baseline row, targets by list": Case(
        mlp(), TABULAR, {"target": [0, 2, 1, 1], "baselines": normal(1, 5, seed=7)}
    ),
    "a baseline for each, targets by tensor": Case(
        mlp(),
        TABULAR,
        {"target": torch.tensor([2, 0, 1, 1]), "baselines": normal(4, 5, seed=8)},
    ),
    "several outputs": Case(mlp(), TABULAR),
    "image with segments": Case(
        convolution(),
        IMAGES,
        {"target": 2, "feature_mask": segments(side=4)},
        n_players=4,
    ),
    "image, a mask of all channels": Case(
        convolution(),
        IMAGES,
        {"target": 0, "feature_mask": segments(side=4).repeat(1, 3, 1, 1)},
        n_players=4,
    ),
    "two tensors": Case(product_of_two, PAIR, {"baselines": (0, normal(1, 2, seed=9))}),
    "groups that span two tensors": Case(
        product_of_two,
        PAIR,
        {"feature_mask": (torch.tensor([[0, 1, 1]]), torch.tensor([[1, 2]]))},
        n_players=3,
    ),
    "a mask for each example": Case(
        mlp(),
        TABULAR,
        {
            "target": 1,
            "feature_mask": torch.tensor([
                [0, 0, 1, 1, 2],
                [2, 1, 0, 0, 0],
                [0, 1, 2, 1, 0],
                [1, 1, 1, 2, 0],
            ]),
        },
        n_players=3,
    ),
    "a number for the batch": Case(lambda x: mlp()(x).sum(), TABULAR),
    "a Python number for the batch": Case(lambda x: mlp()(x).sum().item(), TABULAR),
    "a vector for the batch": Case(lambda x: mlp()(x).mean(0), TABULAR),
    "additional arguments": Case(
        scaled, TABULAR, {"additional_forward_args": (normal(4, seed=2),)}
    ),
    "a constant besides": Case(
        lambda x, power: scaled(x, 1) ** power,
        TABULAR,
        {"additional_forward_args": 2},
    ),
    "tokens": Case(embedded, TOKENS, n_players=4),
    "booleans": Case(lambda x: mlp()(x.float())[:, 0], TABULAR > 0),
    "a mask with gaps": Case(
        mlp(),
        TABULAR,
        {"target": 1, "feature_mask": torch.tensor([[4, 1, 1, 3, 4]])},
        n_players=3,
    ),
}
