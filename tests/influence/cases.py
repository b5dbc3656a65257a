"""Models, data and matrices that the tests of influence share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from torchattr.influence.empirical_risk import EmpiricalRisk
from torchattr.influence.influence import Influence


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=seeded(seed))


def labels(n: int, n_classes: int, seed: int = 1) -> Tensor:
    return torch.randint(n_classes, (n,), generator=seeded(seed))


def weighted(model: nn.Module, seed: int = 2, size: float = 0.5) -> nn.Module:
    """The model in double precision, with normal parameters that no test shares."""
    model = model.double()
    generator = seeded(seed)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
        parameter.data = size * noise
    return model


@dataclass(frozen=True)
class Case:
    """A model, a loss, and training and test examples."""

    model: nn.Module
    loss: Callable[..., Tensor]
    x: Tensor
    y: Tensor
    x_test: Tensor
    y_test: Tensor

    @property
    def risk(self) -> EmpiricalRisk:
        return EmpiricalRisk(self.model, self.loss)

    def batches(self, *sizes: int) -> list[tuple[Tensor, Tensor]]:
        """The training examples in batches of these sizes, and one of the rest."""
        ends = torch.tensor([*sizes, len(self.x)]).cumsum(0).clamp(max=len(self.x))
        starts = [0, *ends[:-1].tolist()]
        return [
            (self.x[a:b], self.y[a:b])
            for a, b in zip(starts, ends.tolist(), strict=True)
            if a < b
        ]


def linear_regression(n: int = 30, n_test: int = 7, bias: bool = True) -> Case:
    """Three inputs, two outputs: 8 parameters."""
    return Case(
        weighted(nn.Linear(3, 2, bias=bias)),
        nn.MSELoss(),
        randn(n, 3),
        randn(n, 2, seed=1),
        randn(n_test, 3, seed=3),
        randn(n_test, 2, seed=4),
    )


def softmax_regression(n: int = 30, n_test: int = 7, bias: bool = True) -> Case:
    """Four inputs, three classes: 15 parameters."""
    return Case(
        weighted(nn.Linear(4, 3, bias=bias)),
        nn.CrossEntropyLoss(),
        randn(n, 4),
        labels(n, 3),
        randn(n_test, 4, seed=3),
        labels(n_test, 3, seed=4),
    )


def classifier_mlp(n: int = 30, n_test: int = 7) -> Case:
    """4-5-3 with tanh: 43 parameters; its Hessian is indefinite."""
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    return Case(
        weighted(model),
        nn.CrossEntropyLoss(),
        randn(n, 4),
        labels(n, 3),
        randn(n_test, 4, seed=3),
        labels(n_test, 3, seed=4),
    )


def convolutional(n: int = 12, n_test: int = 4) -> Case:
    """A 1 x 5 x 5 image, two classes: 56 parameters."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.GELU(), nn.Flatten(), nn.Linear(18, 2))
    return Case(
        weighted(model),
        nn.CrossEntropyLoss(),
        randn(n, 1, 5, 5),
        labels(n, 2),
        randn(n_test, 1, 5, 5, seed=3),
        labels(n_test, 2, seed=4),
    )


def cuts(case: Case) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """The training examples in one batch, in ragged ones, and one by one."""
    yield case.batches()
    yield case.batches(len(case.x) - 1)
    yield case.batches(3, 1, 5)
    yield case.batches(*[1] * len(case.x))


def exact_gradients(risk: EmpiricalRisk, x: Tensor, y: Tensor) -> Tensor:
    """``(B, P)``, one backward pass for each example."""
    rows = []
    for i in range(len(x)):
        parameters = {
            n: p.clone().requires_grad_() for n, p in risk.parameters().items()
        }
        one = risk.examples(x[i : i + 1], y[i : i + 1])
        with torch.enable_grad(), risk.evaluating():
            loss = risk.losses(parameters, one).sum()
        grads = torch.autograd.grad(
            loss, list(parameters.values()), materialize_grads=True
        )
        rows.append(torch.cat([g.flatten() for g in grads]))
    return torch.stack(rows)


def exact_hessian(risk: EmpiricalRisk, x: Tensor, y: Tensor) -> Tensor:
    """``(P, P)`` of the mean loss, by reverse over reverse mode on the flat vector."""
    examples = risk.examples(x, y)

    def mean_loss(flat: Tensor) -> Tensor:
        return risk.losses(risk.unflatten(flat), examples).mean()

    with risk.evaluating():
        return torch.autograd.functional.hessian(
            mean_loss, risk.flatten(risk.parameters())
        )


def with_random_curvature(case: Case, **options: object) -> Influence:
    """A fitted influence object whose curvature took no pass over data."""
    from torchattr.influence.direct_influence import DirectInfluence

    n = case.risk.n_parameters
    root = randn(n, n, seed=5)
    curvature = (root @ root.T / n).to(case.risk.dtype)
    influence = DirectInfluence(
        case.model, case.loss, 1e-3, second_order_mode=curvature, **options
    )
    return influence.fit([(case.x, case.y)])
