"""Processor time of KNN-Shapley: ours over pyDVL's.

1,257 training and 540 test digits, 5 neighbours. Both use one thread, and take turns.
pyDVL lives in an environment of its own, made by::

    python -m venv pydvl_env && pydvl_env/bin/pip install pydvl==0.10.0 torch

``PYDVL_PYTHON=pydvl_env/bin/python python -m benchmarks.knn`` writes
``benchmarks/results/knn.md``.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from benchmarks.report import Row, write_table
from torchattr.valuation.dataset import Dataset
from torchattr.valuation.methods import KNNShapleyValuation

N_TRAIN = 1257
N_NEIGHBOURS = 5
REPETITIONS = 5
PEER = Path(__file__).parent / "knn_peer.py"


def digits() -> tuple[Dataset, Dataset]:
    """Training and test examples."""
    x, y = load_digits(return_X_y=True)
    return Dataset(x[:N_TRAIN], y[:N_TRAIN]), Dataset(x[N_TRAIN:], y[N_TRAIN:])


def ours(
    train: Dataset, test: Dataset, weights: str = "uniform"
) -> tuple[float, np.ndarray]:
    """Seconds, and the values."""
    model = KNeighborsClassifier(n_neighbors=N_NEIGHBOURS, weights=weights)
    method = KNNShapleyValuation(model, test)
    began = time.process_time()
    values = method.fit(train).result.values
    return time.process_time() - began, values


def theirs(python: str, train: Dataset, test: Dataset) -> dict[str, Any]:
    """Seconds, the values and the version."""
    arrays = dict(zip(("x", "y"), train.data(), strict=True))
    arrays |= dict(zip(("x_test", "y_test"), test.data(), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder) / "task.npz"
        np.savez(task, **arrays)
        run = subprocess.run(
            [python, str(PEER), str(task), str(N_NEIGHBOURS)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    return json.loads(run.stdout.splitlines()[-1])


def main() -> None:
    """Measure in turns and write the table."""
    python = os.environ.get("PYDVL_PYTHON")
    if not python:
        sys.exit("Set PYDVL_PYTHON to the interpreter of an environment with pyDVL.")
    torch.set_num_threads(1)
    train, test = digits()
    ours(train, test)  # what is allocated or imported once is not measured
    pairs, gap, versions = [], 0.0, ""
    for _ in range(REPETITIONS):
        own, values = ours(train, test)
        peer = theirs(python, train, test)
        pairs.append((own, peer["seconds"]))
        gap = float(np.abs(values - peer["values"]).max())
        versions = peer["versions"]
    assert gap < 1e-3, "both compute the same values, but for the order of ties"
    own, other = (statistics.median(times) for times in zip(*pairs, strict=True))
    weighted = statistics.median(
        ours(train, test[:20], "distance")[0] for _ in range(3)
    )
    write_table(
        "knn",
        "KNN-Shapley",
        "PYDVL_PYTHON=... python -m benchmarks.knn",
        [
            Row(
                "1,257 training and 540 test digits, 5 neighbours: ours over pyDVL",
                statistics.median(a / b for a, b in pairs),
                0.15,
                f"{own * 1e3:.0f} ms over {other * 1e3:.0f} ms of processor time; "
                f"{versions}; values differ by {gap:.1e} at most, by the order of ties",
            ),
            Row(
                'the same with `weights="distance"` (pyDVL has none): seconds for '
                "each test example",
                weighted / 20,
                0.1,
                "exact to rounding, without the sets of neighbours",
            ),
        ],
    )


if __name__ == "__main__":
    main()
