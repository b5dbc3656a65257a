"""How well values of training examples find wrong labels, digits with 20% flipped.

``python -m benchmarks.mislabel`` writes ``benchmarks/results/mislabel.md``: the AUROC
of "the label is wrong" by a low value, the mean over seeds (other digits, flips,
draws).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

from benchmarks.report import Row, write_table
from torchattr.metrics import mislabel_auroc
from torchattr.valuation import (
    DataOOBValuation,
    Dataset,
    DataShapley,
    KNNShapleyValuation,
    TorchLearner,
)

N_TRAIN, N_TEST = 200, 500
SHARE = 0.2
SEEDS = range(3)


@dataclass(frozen=True)
class Task:
    """Digits, of which a fifth has another label."""

    x: Tensor
    y: Tensor
    flipped: Tensor
    test: tuple[Tensor, Tensor]

    @property
    def train_set(self) -> Dataset:
        """What is valued, for pyDVL's names."""
        return Dataset(self.x.numpy(), self.y.numpy())

    @property
    def test_set(self) -> Dataset:
        """What models are scored on, for pyDVL's names."""
        x, y = self.test
        return Dataset(x.numpy(), y.numpy())


def task(seed: int) -> Task:
    generator = torch.Generator().manual_seed(seed)
    digits = load_digits()
    rows = torch.randperm(len(digits.target), generator=generator)
    x = torch.tensor(digits.data[rows], dtype=torch.float32) / 16
    y = torch.tensor(digits.target[rows])
    flipped = torch.zeros(N_TRAIN, dtype=torch.bool)
    wrong = torch.randperm(N_TRAIN, generator=generator)[: round(SHARE * N_TRAIN)]
    flipped[wrong] = True
    shifts = torch.randint(1, 10, (N_TRAIN,), generator=generator)
    given = torch.where(flipped, (y[:N_TRAIN] + shifts) % 10, y[:N_TRAIN])
    last = N_TRAIN + N_TEST
    return Task(x[:N_TRAIN], given, flipped, (x[N_TRAIN:last], y[N_TRAIN:last]))


def by_neighbours(task: Task, seed: int) -> float:
    model = KNeighborsClassifier(n_neighbors=5)
    valuation = KNNShapleyValuation(model, task.test_set, progress=False)
    return mislabel_auroc(valuation.fit(task.train_set).result, task.flipped)


def out_of_bag(task: Task, seed: int) -> float:
    forest = RandomForestClassifier(n_estimators=1000, random_state=seed)
    forest.fit(task.x.numpy(), task.y.numpy())
    result = DataOOBValuation(forest).fit(task.train_set).result
    return mislabel_auroc(result, task.flipped)


def by_retraining(scorer: str, weight_decay: float, task: Task, seed: int) -> float:
    learner = TorchLearner(
        lambda: nn.Linear(64, 10),
        nn.CrossEntropyLoss(),
        partial(torch.optim.Adam, lr=0.05, weight_decay=weight_decay),
        epochs=15,
    )
    shapley = DataShapley(learner, test=task.test, scorer=scorer)
    values = shapley.attribute(
        (task.x, task.y),
        n_samples=60,
        estimator="permutation",
        generator=torch.Generator().manual_seed(seed),
    )
    return mislabel_auroc(values, task.flipped)


METHODS: dict[str, tuple[Callable[[Task, int], float], float]] = {
    "`KNNShapleyValuation`, 5 neighbours": (by_neighbours, 0.95),
    "`DataOOBValuation`, a random forest of 1,000 trees": (out_of_bag, 0.95),
    "`DataShapley`, linear model, accuracy, 60 permutations": (
        partial(by_retraining, "accuracy", 0.0),
        0.90,
    ),
    "the same, log likelihood, weight decay 0.1": (
        partial(by_retraining, "log_likelihood", 0.1),
        0.80,
    ),
}


def main() -> None:
    """Measure every method and write the table."""
    torch.set_num_threads(1)
    rows = []
    for name, (method, target) in METHODS.items():
        began = time.process_time()
        areas = [method(task(seed), seed) for seed in SEEDS]
        seconds = (time.process_time() - began) / len(areas)
        detail = (
            f"{min(areas):.3f} to {max(areas):.3f} over {len(areas)} seeds; "
            f"{seconds:.1f} s of processor time each"
        )
        rows.append(
            Row(name, statistics.mean(areas), float("inf"), detail, at_least=target)
        )
    write_table(
        "mislabel",
        f"Finding wrong labels: {N_TRAIN} digits, 20% flipped, AUROC",
        "python -m benchmarks.mislabel",
        rows,
    )


if __name__ == "__main__":
    main()
