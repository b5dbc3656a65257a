"""Models whose gradients by example are found in different ways, with data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tests.influence.cases import labels, randn, weighted
from torchattr.games.examples import Examples
from torchattr.influence.empirical_risk import EmpiricalRisk

N = 5


class Forward(nn.Module):
    """Modules, and a function of them and the inputs."""

    def __init__(self, forward: Callable[..., Any], **modules: nn.Module) -> None:
        super().__init__()
        self._forward = forward
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, *args: Tensor, **kwargs: Tensor) -> Any:
        return self._forward(self, *args, **kwargs)


class Root(nn.Module):
    """Parameters of the outermost module: a matrix, a number, and one without use."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.empty(3, 4))
        self.scale = nn.Parameter(torch.empty(()))
        self.unused = nn.Parameter(torch.empty(2))
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.layer(x), self.matrix) * self.scale


@dataclass(frozen=True)
class Architecture:
    """A model with data.

    ``generic`` names the modules whose parameters no layer call explains.
    """

    model: nn.Module
    x: Any
    y: Tensor
    loss: Callable[..., Tensor] = F.cross_entropy
    generic: str = ""

    @property
    def risk(self) -> EmpiricalRisk:
        return EmpiricalRisk(self.model, self.loss)

    @property
    def examples(self) -> Examples:
        return self.risk.examples(self.x, self.y)


def classes(model: nn.Module, *shape: int, generic: str = "") -> Architecture:
    """Three classes, from inputs of a shape."""
    return Architecture(
        weighted(model), randn(N, *shape), labels(N, 3), generic=generic
    )


def targets(model: nn.Module, *shape: int, generic: str = "") -> Architecture:
    """Regression of whatever shape the model's outputs have."""
    model, x = weighted(model), randn(N, *shape)
    y = randn(*model(x).shape, seed=3)
    return Architecture(model, x, y, nn.MSELoss(), generic)


def linear() -> Architecture:
    model = nn.Sequential(
        nn.Linear(4, 5), nn.ReLU(inplace=True), nn.Linear(5, 3, bias=False)
    )
    return classes(model, 4)


def frozen() -> Architecture:
    case = classes(nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)), 4)
    case.model[0].weight.requires_grad_(False)
    case.model[2].bias.requires_grad_(False)
    return Architecture(case.model, case.x, case.y, generic="0")


def on_a_sequence() -> Architecture:
    return targets(nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.Linear(5, 2)), 7, 4)


def on_a_grid() -> Architecture:
    return targets(nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)), 2, 3, 4)


def convolution(**options: Any) -> Callable[[], Architecture]:
    def make() -> Architecture:
        layer = nn.Conv2d(4, 6, (3, 2), **options)
        return targets(nn.Sequential(layer, nn.Tanh()), 4, 6, 5)

    return make


def grouped_at_one_position() -> Architecture:
    return targets(nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.Tanh()), 4, 3, 3)


def wide_on_two_positions() -> Architecture:
    return targets(nn.Sequential(nn.Linear(12, 10), nn.Tanh()), 2, 12)


def without_reduction() -> Architecture:
    case = targets(nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3)), 2, 4, generic="1")
    return replace(case, loss=nn.MSELoss(reduction="none"))


def image_classifier() -> Architecture:
    layers = [nn.Conv2d(1, 3, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten()]
    return classes(nn.Sequential(*layers, nn.Linear(12, 3)), 1, 6, 6)


def other_convolutions() -> Architecture:
    model = nn.Sequential(
        nn.Conv1d(2, 3, 2, padding=1),
        nn.Unflatten(2, (2, 2, -1)),
        nn.Conv3d(3, 2, (1, 2, 2)),
        nn.Flatten(2),
        nn.ConvTranspose1d(2, 2, 2),
    )
    return targets(model, 2, 7, generic="4")


def shared_layer() -> Architecture:
    def forward(m: Any, x: Tensor) -> Tensor:
        return m.head(m.layer(torch.tanh(m.layer(x))))

    return classes(Forward(forward, layer=nn.Linear(4, 4), head=nn.Linear(4, 3)), 4)


def shared_over_sizes() -> Architecture:
    def forward(m: Any, x: Tensor) -> Tensor:
        wide = m.layer(x).flatten(1)
        return (
            wide[:, :3] + m.layer(x.mean(1))[:, :3] + m.layer(x[:, :2]).mean(1)[:, :3]
        )

    return classes(Forward(forward, layer=nn.Linear(4, 4)), 5, 4)


def tied_linear() -> Architecture:
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    return targets(nn.Sequential(first, nn.Tanh(), second), 4)


def tied_embedding() -> Architecture:
    model = nn.Sequential(
        nn.Embedding(7, 3), nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 7, bias=False)
    )
    model[3].weight = model[0].weight
    x, y = labels(N * 4, 7).view(N, 4), labels(N * 4, 7, seed=5).view(N, 4)
    return Architecture(
        weighted(model), x, y, lambda o, t: F.cross_entropy(o.mT, t), generic="0"
    )


def layer_norm() -> Architecture:
    model = nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.Linear(5, 3))
    return classes(model, 4, generic="1")


def batch_norm() -> Architecture:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten())
    model(torch.randn(9, 1, 4, 4, generator=torch.Generator().manual_seed(0)))
    return targets(model.eval(), 1, 4, 4, generic="1")


def attention() -> Architecture:
    def forward(m: Any, x: Tensor) -> Tensor:
        x = m.embed(x)
        return m.head(m.attention(x, x, x)[0].mean(1))

    parts = {
        "embed": nn.Linear(3, 4),
        "attention": nn.MultiheadAttention(4, 2, batch_first=True),
        "head": nn.Linear(4, 3),
    }
    return classes(Forward(forward, **parts), 6, 3, generic="attention")


def transformer(batch_first: bool, length: int) -> Callable[[], Architecture]:
    def make() -> Architecture:
        def forward(m: Any, x: Tensor) -> Tensor:
            x = x if batch_first else x.transpose(0, 1)
            return m.head(m.body(x).mean(1 if batch_first else 0))

        body = nn.TransformerEncoderLayer(4, 2, 6, 0.1, batch_first=batch_first)
        layers = ["self_attn", "norm1", "norm2"]
        layers += [] if batch_first else ["linear1", "linear2"]
        return classes(
            Forward(forward, body=body, head=nn.Linear(4, 3)),
            length,
            4,
            generic=" ".join(f"body.{name}" for name in layers),
        )

    return make


def root() -> Architecture:
    return classes(Root(), 4, generic="scale")


def penalised() -> Architecture:
    def forward(m: Any, x: Tensor) -> Tensor:
        return m.layer(x) + m.layer.weight.square().sum() * x[:, :1]

    return classes(Forward(forward, layer=nn.Linear(4, 3)), 4, generic="layer.weight")


def tuple_of_inputs() -> Architecture:
    def forward(m: Any, a: Tensor, b: Tensor) -> dict[str, Any]:
        return {"sum": m.layer(a) + m.layer(b), "parts": (m.other(b),)}

    model = Forward(forward, layer=nn.Linear(4, 3), other=nn.Linear(4, 2))
    return Architecture(
        weighted(model),
        (randn(N, 4), randn(N, 4, seed=6)),
        randn(N, 3, seed=7),
        lambda o, t: (o["sum"] - t).abs().pow(3) + o["parts"][0].mean().exp(),
    )


def dict_of_inputs() -> Architecture:
    def forward(m: Any, a: Tensor, b: Tensor) -> Tensor:
        return m.layer(a - b).squeeze(-1)

    x = {"b": randn(N, 4), "a": randn(N, 4, seed=6)}
    y = randn(N, seed=7).sigmoid()
    model = weighted(Forward(forward, layer=nn.Linear(4, 1)))
    return Architecture(model, x, y, nn.BCEWithLogitsLoss(reduction="sum"))


def routed(in_order: bool) -> Callable[[], Architecture]:
    """Rows go to one of two layers, and to the last one in an order of their own."""

    def make() -> Architecture:
        def forward(m: Any, x: Tensor) -> Tensor:
            left = x[:, 0] > 0
            hidden = x.new_zeros(len(x), 4)
            hidden[left], hidden[~left] = m.left(x[left]), m.right(x[~left])
            if in_order:
                return m.head(hidden)
            order = x[:, 1].argsort()
            return m.head(hidden[order])[order.argsort()]

        parts = {name: nn.Linear(4, 4) for name in ("left", "right")}
        generic = "left right" if in_order else "left right head"
        model = Forward(forward, **parts, head=nn.Linear(4, 3))
        return classes(model, 4, generic=generic)

    return make


def recurrent() -> Architecture:
    def forward(m: Any, x: Tensor) -> Tensor:
        return m.head(m.body(x)[0][:, -1])

    body = nn.GRU(3, 2, batch_first=True)
    return classes(
        Forward(forward, body=body, head=nn.Linear(2, 3)), 4, 3, generic="body"
    )


def cut_off() -> Architecture:
    """Parts without a gradient, by no_grad and by detach."""

    def forward(m: Any, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = m.first(x)
        return m.third(m.second(x).detach())

    parts = {"first": nn.Linear(4, 4), "second": nn.Linear(4, 4)}
    return classes(Forward(forward, **parts, third=nn.Linear(4, 3)), 4)


def parametrized() -> Architecture:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
    return classes(nn.Sequential(layer), 4, generic="0.parametrizations.weight 0.bias")


def checkpointed() -> Architecture:
    def forward(m: Any, x: Tensor) -> Tensor:
        hidden = checkpoint(lambda x: torch.tanh(m.body(x)), x, use_reentrant=False)
        return m.head(hidden)

    parts = {"body": nn.Linear(4, 4), "head": nn.Linear(4, 3)}
    return classes(Forward(forward, **parts), 4, generic="body head")


ARCHITECTURES: dict[str, Callable[[], Architecture]] = {
    "linear": linear,
    "frozen": frozen,
    "on a sequence": on_a_sequence,
    "on a grid": on_a_grid,
    "strided": convolution(stride=2, padding=1, bias=False),
    "same": convolution(padding="same", dilation=(3, 2)),
    "circular": convolution(padding=1, padding_mode="circular", stride=(1, 2)),
    "grouped": convolution(groups=2, padding=(0, 1), dilation=(1, 2)),
    "valid": convolution(padding="valid"),
    "grouped at one position": grouped_at_one_position,
    "wide on two positions": wide_on_two_positions,
    "without reduction": without_reduction,
    "image classifier": image_classifier,
    "other convolutions": other_convolutions,
    "shared layer": shared_layer,
    "shared over sizes": shared_over_sizes,
    "tied linear": tied_linear,
    "tied embedding": tied_embedding,
    "layer norm": layer_norm,
    "batch norm": batch_norm,
    "attention": attention,
    "transformer": transformer(batch_first=True, length=3),
    "transformer, N positions": transformer(batch_first=True, length=N),
    "transformer, examples second": transformer(batch_first=False, length=N),
    "root": root,
    "penalised": penalised,
    "tuple": tuple_of_inputs,
    "dict": dict_of_inputs,
    "routed": routed(in_order=True),
    "routed and sorted": routed(in_order=False),
    "recurrent": recurrent,
    "cut off": cut_off,
    "parametrized": parametrized,
    "checkpointed": checkpointed,
}
