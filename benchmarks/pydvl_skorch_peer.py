"""Processor seconds of each evaluation by pyDVL with skorch, as a line of JSON.

Started by ``benchmarks.pydvl_skorch`` with the interpreter of an environment that has
pyDVL and skorch, and not ours: their requirements differ. Reads an ``.npz`` with the
task, and trains on each of its coalitions.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import numpy as np
import torch

warnings.simplefilter("ignore")  # deprecations of pyDVL's own dependencies

import pydvl  # ruff: ignore[module-import-not-at-top-of-file]  (after the filter)
import skorch  # ruff: ignore[module-import-not-at-top-of-file]
from pydvl.valuation import (  # ruff: ignore[module-import-not-at-top-of-file]
    Dataset,
    ModelUtility,
    SupervisedScorer,
)
from pydvl.valuation.types import (  # ruff: ignore[module-import-not-at-top-of-file]
    Sample,
)


class Perceptron(torch.nn.Module):
    """64-32-10, as in ``benchmarks.pydvl_skorch``."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of a batch."""
        return self.layers(x)


def main(path: str) -> None:
    """Train on every coalition of the task, and print what it cost."""
    torch.set_num_threads(1)
    with np.load(path) as task:
        x, y = task["x"], task["y"]
        test = Dataset(task["x_test"], task["y_test"])
        coalitions = task["coalitions"]
    model = skorch.NeuralNetClassifier(
        Perceptron,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-2,
        max_epochs=20,
        batch_size=32,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    scorer = SupervisedScorer("accuracy", test, default=0.1, range=(0, 1))
    utility = ModelUtility(model, scorer).with_dataset(Dataset(x, y))
    samples = [Sample(None, np.flatnonzero(row)) for row in coalitions]
    for sample in samples[:3]:
        utility(sample)
    began = time.process_time()
    scores = [utility(sample) for sample in samples]
    seconds = (time.process_time() - began) / len(samples)
    versions = f"pyDVL {pydvl.__version__}, skorch {skorch.__version__}"
    print(
        json.dumps({
            "seconds": seconds,
            "score": float(np.mean(scores)),
            "versions": versions,
        })
    )


if __name__ == "__main__":
    main(sys.argv[1])
