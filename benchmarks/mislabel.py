"""How well low values tell flipped labels: area under the ROC curve.

200 digits of which a fifth has another label, 500 others to score on, three draws of
both. Pixels are centred: a linear model with little training, or much weight decay,
ranks points by products of pixels, which mean nothing while all are positive.
``python -m benchmarks.mislabel`` writes ``benchmarks/results/mislabel.md``.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

from benchmarks.report import Row, write_table
from torchattr import metrics
from torchattr.training import TorchLearner
from torchattr.valuation.data_shapley import DataShapley
from torchattr.valuation.dataset import Dataset
from torchattr.valuation.methods import DataOOBValuation, KNNShapleyValuation

N_TRAIN, N_TEST = 200, 500
FLIPPED = 0.2
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Digits:
    """Training and test examples, and which labels are wrong."""

    x: Tensor
    y: Tensor
    x_test: Tensor
    y_test: Tensor
    flipped: Tensor

    @classmethod
    def draw(cls, seed: int) -> Digits:
        """Examples of a seed."""
        data = load_digits()
        generator = torch.Generator().manual_seed(seed)
        rows = torch.randperm(len(data.target), generator=generator)[: N_TRAIN + N_TEST]
        x = torch.tensor(data.data[rows], dtype=torch.float32)
        x = (x - x[:N_TRAIN].mean(0)) / x[:N_TRAIN].std()
        y = torch.tensor(data.target[rows])
        flipped = torch.rand(N_TRAIN, generator=generator) < FLIPPED
        other = torch.randint(1, 10, (N_TRAIN,), generator=generator)
        noisy = torch.where(flipped, (y[:N_TRAIN] + other) % 10, y[:N_TRAIN])
        return cls(x[:N_TRAIN], noisy, x[N_TRAIN:], y[N_TRAIN:], flipped)

    @property
    def train(self) -> Dataset:
        """As a data set."""
        return Dataset(self.x, self.y)

    @property
    def test(self) -> Dataset:
        """As a data set."""
        return Dataset(self.x_test, self.y_test)


def knn_shapley(digits: Digits) -> object:
    model = KNeighborsClassifier(n_neighbors=10)
    return KNNShapleyValuation(model, digits.test).fit(digits.train).result


def oob_of_trees(digits: Digits) -> object:
    model = ExtraTreesClassifier(500, bootstrap=True, random_state=0)
    model.fit(digits.x.numpy(), digits.y.numpy())
    return DataOOBValuation(model).fit(digits.train).result


def learner(lr: float, weight_decay: float, epochs: int) -> TorchLearner:
    net = nn.Linear(64, 10)
    nn.init.zeros_(net.weight)
    nn.init.zeros_(net.bias)
    sgd = partial(torch.optim.SGD, lr=lr, weight_decay=weight_decay)
    return TorchLearner(net, nn.CrossEntropyLoss(), sgd, epochs=epochs)


def oob_of_learner(digits: Digits) -> object:
    linear = learner(lr=0.5, weight_decay=0.01, epochs=50)
    method = DataOOBValuation(linear, n_estimators=500, seed=0)
    return method.fit(digits.train).result


def data_shapley(digits: Digits, scorer: str, linear: TorchLearner) -> Tensor:
    shapley = DataShapley(linear, test=(digits.x_test, digits.y_test), scorer=scorer)
    return shapley.attribute(
        (digits.x, digits.y),
        n_samples=15,
        generator=torch.Generator().manual_seed(0),
    )


METHODS: dict[str, tuple[Callable[[Digits], object], float]] = {
    "`KNNShapleyValuation`, 10 neighbours": (knn_shapley, 0.95),
    "`DataOOBValuation`, 500 extremely random trees": (oob_of_trees, 0.95),
    "`DataOOBValuation`, 500 linear models of a `TorchLearner`": (oob_of_learner, 0.95),
    "`DataShapley`, accuracy of a linear model, 15 permutations": (
        partial(data_shapley, scorer="accuracy", linear=learner(0.5, 0.0, epochs=10)),
        0.9,
    ),
    "`DataShapley`, log likelihood with weight decay, 15 permutations": (
        partial(
            data_shapley, scorer="log_likelihood", linear=learner(0.1, 0.1, epochs=20)
        ),
        0.8,
    ),
}


def main() -> None:
    """Measure and write the table."""
    rows = []
    for name, (method, target) in METHODS.items():
        areas = []
        for seed in SEEDS:
            digits = Digits.draw(seed)
            areas.append(float(metrics.mislabel_auroc(method(digits), digits.flipped)))
        detail = f"{min(areas):.3f} to {max(areas):.3f}"
        print(name, areas, flush=True)
        rows.append(Row(name, statistics.mean(areas), 1.0, detail, at_least=target))
    write_table(
        "mislabel",
        "Flipped labels: area under the ROC curve",
        "python -m benchmarks.mislabel",
        rows,
    )


if __name__ == "__main__":
    main()
