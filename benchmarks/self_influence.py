"""How well self-influence tells flipped labels: area under the ROC curve.

300 digits of which a fifth has another label, and a logistic regression that is trained
on them: three draws. ``python -m benchmarks.self_influence`` writes
``benchmarks/results/self_influence.md``.
"""

from __future__ import annotations

import statistics
from functools import partial

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from benchmarks.report import Row, write_table
from torchattr.influence import (
    DirectInfluence,
    EkfacInfluence,
    Identity,
    SecondOrderMode,
)
from torchattr.metrics import mislabel_auroc, self_influence
from torchattr.metrics.self_influence import HasSelfInfluences
from torchattr.training import TorchLearner

N_TRAIN = 300
FLIPPED = 0.2
WEIGHT_DECAY = 1e-2  # of the training, and the regularization of the curvature
SEEDS = (0, 1, 2)


def noisy_digits(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, labels, and which labels are wrong."""
    data = load_digits()
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(data.target), generator=generator)[:N_TRAIN]
    x = torch.tensor(data.data[rows], dtype=torch.float32) / 16
    y = torch.tensor(data.target[rows])
    flipped = torch.rand(N_TRAIN, generator=generator) < FLIPPED
    other = torch.randint(1, 10, (N_TRAIN,), generator=generator)
    return x, torch.where(flipped, (y + other) % 10, y), flipped


def logistic_regression(x: Tensor, y: Tensor) -> nn.Module:
    sgd = partial(torch.optim.SGD, lr=0.5, momentum=0.9, weight_decay=WEIGHT_DECAY)
    linear = partial(nn.Linear, 64, 10)
    return TorchLearner(linear, nn.CrossEntropyLoss(), sgd, epochs=200).fit((x, y))


def influences(model: nn.Module) -> dict[str, HasSelfInfluences]:
    direct = partial(DirectInfluence, model, nn.CrossEntropyLoss())
    return {
        "Gauss-Newton": direct(
            WEIGHT_DECAY, second_order_mode=SecondOrderMode.GAUSS_NEWTON
        ),
        "EKFAC": EkfacInfluence(
            model, update_diagonal=True, hessian_regularization=WEIGHT_DECAY
        ),
        "gradient products": direct(second_order_mode=Identity),
    }


TARGETS = {"Gauss-Newton": 0.97, "EKFAC": 0.97, "gradient products": 0.0}


def main() -> None:
    """Measure and write the table."""
    torch.set_num_threads(1)
    areas: dict[str, list[float]] = {name: [] for name in TARGETS}
    for seed in SEEDS:
        x, y, flipped = noisy_digits(seed)
        for name, influence in influences(logistic_regression(x, y)).items():
            scores = self_influence(influence.fit((x, y)), (x, y))
            areas[name].append(mislabel_auroc(-scores, flipped))
    write_table(
        "self_influence",
        "Flipped labels by self-influence: area under the ROC curve",
        "OMP_NUM_THREADS=1 python -m benchmarks.self_influence",
        [
            Row(
                f"logistic regression, {name}",
                statistics.mean(found),
                1.0,
                f"{min(found):.3f} to {max(found):.3f}",
                at_least=TARGETS[name],
            )
            for name, found in areas.items()
        ],
    )


if __name__ == "__main__":
    main()
