"""Models of many kinds, with examples, and their Gauss-Newton matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.influence.cases import labels, randn, weighted
from torchattr.influence.empirical_risk import EmpiricalRisk

N = 7


class SharedLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        for _ in range(2):
            x = torch.tanh(self.shared(x))
        return self.head(x)


class TiedWeight(nn.Module):
    """The decoder is the transpose of the encoder, which no layer call shows."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(4, 2)

    def forward(self, x):
        return torch.tanh(self.encoder(x)) @ self.encoder.weight


class Gated(nn.Module):
    """Two layers side by side, a connection around them, and one of one output."""

    def __init__(self):
        super().__init__()
        self.value = nn.Linear(4, 4)
        self.gate = nn.Linear(4, 4, bias=False)
        self.head = nn.Linear(4, 1)

    def forward(self, x):
        gated = torch.tanh(self.value(x)) * torch.sigmoid(self.gate(x))
        return self.head(F.gelu(x + gated))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.embedding(x)
        x = self.norm(x + self.attention(x, x, x)[0])
        return self.head(x.mean(1))


class BatchSize(nn.Module):
    """Calls its layer in another way when there are many examples."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x):
        if len(x) > 4:
            return x @ self.layer.weight.T + self.layer.bias
        return self.layer(x)


class Kind(NamedTuple):
    """A model, a loss and examples, and how many parameters have structure."""

    model: Callable[[], nn.Module]
    by_layers: int
    x: Tensor = randn(N, 4)
    y: Tensor = labels(N, 2)
    loss: Callable[..., Tensor] = nn.CrossEntropyLoss()

    @property
    def risk(self) -> EmpiricalRisk:
        return EmpiricalRisk(weighted(self.model()).eval(), self.loss)

    @property
    def ragged(self) -> list[tuple[Tensor, Tensor]]:
        return [(self.x[:5], self.y[:5]), (self.x[5:], self.y[5:])]


def sines(outputs: Tensor, targets: Tensor) -> Tensor:
    """A loss that is not convex in the outputs, and one number for a batch."""
    return torch.sin(outputs * targets).sum() + outputs.prod(-1).mean()


def mlp(*layers: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(nn.Linear(4, 3), *layers, nn.Linear(3, 2))


KINDS = {
    "gelu": Kind(mlp(nn.GELU(), nn.Linear(3, 3), nn.Tanh()), 35),
    "layer norm": Kind(mlp(nn.LayerNorm(3), nn.SiLU()), 23),
    "batch norm": Kind(mlp(nn.BatchNorm1d(3), nn.Tanh(), nn.Dropout()), 23),
    "group norm": Kind(mlp(nn.GroupNorm(1, 3)), 0),
    "shared layer": Kind(SharedLayer, 30),
    "tied weight": Kind(TiedWeight, 0, y=randn(N, 4, seed=5), loss=nn.MSELoss()),
    "gated": Kind(Gated, 41, y=randn(N, 1, seed=5), loss=nn.MSELoss(reduction="sum")),
    "another call": Kind(BatchSize, 15, y=labels(N, 3)),
    "convolution": Kind(
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 2), nn.GELU(), nn.Flatten(), nn.Linear(8, 2)
        ),
        18,
        x=randn(N, 1, 3, 3),
    ),
    "one window": Kind(
        lambda: nn.Sequential(
            nn.Conv2d(1, 3, 2), nn.GELU(), nn.Flatten(), nn.Linear(3, 2)
        ),
        23,
        x=randn(N, 1, 2, 2),
    ),
    "attention": Kind(Attention, 10, x=labels(3 * N, 5).view(N, 3)),
    "sequence": Kind(
        lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)),
        0,
        x=randn(N, 3, 4),
        y=randn(N, 3, 2, seed=5),
        loss=nn.MSELoss(reduction="none"),
    ),
    "binary": Kind(
        lambda: nn.Sequential(
            nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1), nn.Flatten(0)
        ),
        19,
        y=labels(N, 2).double(),
        loss=nn.BCEWithLogitsLoss(),
    ),
    "own loss": Kind(mlp(nn.GELU()), 23, y=randn(N, 2, seed=5), loss=sines),
    "flat loss": Kind(mlp(nn.ReLU()), 23, y=randn(N, 2, seed=5), loss=nn.L1Loss()),
}


def exact_gauss_newton(risk: EmpiricalRisk, x: Tensor, y: Tensor) -> Tensor:
    """``(P, P)``, example by example, from two functions of flat vectors."""
    start = risk.flatten(risk.parameters())
    total = torch.zeros(len(start), len(start), dtype=start.dtype)
    for one, target in zip(x.split(1), y.split(1), strict=True):
        jacobian = torch.autograd.functional.jacobian(
            lambda flat, one=one: risk.outputs(risk.unflatten(flat), one), start
        )
        output = risk.outputs(risk.parameters(), one)
        inner = torch.autograd.functional.hessian(
            lambda values, target=target: risk.loss(values, target).sum(), output
        )
        size = output.numel()
        jacobian = jacobian.reshape(size, -1)
        total += jacobian.T @ inner.reshape(size, size) @ jacobian
    return total / len(x)
