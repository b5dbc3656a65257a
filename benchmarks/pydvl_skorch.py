"""Processor time of an evaluation: pyDVL with skorch over ours.

A perceptron 64-32-10 on 100 digits, trained by Adam for 20 epochs with batches of 32,
on the prefixes of random permutations; accuracy on 200 others. Both use one thread, and
take turns. pyDVL lives in an environment of its own, made by::

    python -m venv pydvl_env && pydvl_env/bin/pip install pydvl==0.10.0 skorch torch

``PYDVL_PYTHON=pydvl_env/bin/python python -m benchmarks.pydvl_skorch`` writes
``benchmarks/results/pydvl_skorch.md``.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from benchmarks.report import Row, write_table
from torchattr.games import Cached
from torchattr.training import RetrainingGame, TorchLearner

N_TRAIN, N_TEST = 100, 200
AT_ONCE = 256
N_OURS = 4 * AT_ONCE
N_THEIRS = 64
REPETITIONS = 5
PEER = Path(__file__).parent / "pydvl_skorch_peer.py"


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training inputs and targets, then those of the test."""
    data = load_digits()
    rows = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    x = torch.tensor(data.data[rows], dtype=torch.float32) / 16
    y = torch.tensor(data.target[rows])
    last = N_TRAIN + N_TEST
    return x[:N_TRAIN], y[:N_TRAIN], x[N_TRAIN:last], y[N_TRAIN:last]


def prefixes(seed: int) -> Tensor:
    """Coalitions that permutations visit, by size: all but the empty one."""
    generator = torch.Generator().manual_seed(seed)
    ranks = torch.rand(-(-N_OURS // N_TRAIN), N_TRAIN, generator=generator).argsort(1)
    sizes = torch.arange(1, N_TRAIN + 1)
    coalitions = (ranks[:, None] < sizes[:, None]).flatten(0, 1)
    return coalitions[coalitions.sum(1).argsort(stable=True)][-N_OURS:]


def learner(seed: int) -> TorchLearner:
    torch.manual_seed(seed)
    return TorchLearner(
        nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)),
        nn.CrossEntropyLoss(),
        partial(torch.optim.Adam, lr=1e-2),
        epochs=20,
        batch_size=32,
        seed=seed,
    )


def ours(seed: int) -> tuple[float, float]:
    """Seconds of each evaluation, and the mean score."""
    x, y, x_test, y_test = digits()
    game = Cached(
        RetrainingGame(
            learner(seed), (x, y), (x_test, y_test), perturbations_per_eval=AT_ONCE
        )
    )
    coalitions = prefixes(seed)
    began = time.process_time()
    scores = game(coalitions)
    return (time.process_time() - began) / len(coalitions), scores.mean().item()


def plain(seed: int) -> float:
    """Seconds of each evaluation, one model after the other by an ordinary loop."""
    x, y, x_test, y_test = digits()
    own = learner(seed)
    coalitions = prefixes(seed)[:: N_OURS // N_THEIRS]
    began = time.process_time()
    for coalition in coalitions:
        model = own.fit((x, y), coalition)
        with torch.no_grad():
            (model(x_test).argmax(1) == y_test).float().mean().item()
    return (time.process_time() - began) / len(coalitions)


def theirs(python: str, seed: int) -> tuple[float, float, str]:
    """Seconds of each evaluation, the mean score, and the versions."""
    x, y, x_test, y_test = digits()
    coalitions = prefixes(seed)[:: N_OURS // N_THEIRS]
    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder) / "task.npz"
        np.savez(task, x=x, y=y, x_test=x_test, y_test=y_test, coalitions=coalitions)
        run = subprocess.run(
            [python, str(PEER), str(task)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    answer = json.loads(run.stdout.splitlines()[-1])
    return answer["seconds"], answer["score"], answer["versions"]


def main() -> None:
    """Measure in turns and write the table."""
    python = os.environ.get("PYDVL_PYTHON")
    if not python:
        sys.exit("Set PYDVL_PYTHON to the interpreter of an environment with pyDVL.")
    torch.set_num_threads(1)
    ours(seed=REPETITIONS)  # what is compiled or allocated once is not measured
    seconds, others, loops, gaps = [], [], [], []
    for seed in range(REPETITIONS):
        own, own_score = ours(seed)
        peer, peer_score, versions = theirs(python, seed)
        seconds.append(own)
        others.append(peer)
        loops.append(plain(seed))
        gaps.append(abs(own_score - peer_score))
    assert max(gaps) < 0.05, "both train the same model"

    def row(what: str, times: list[float], target: float, detail: str) -> Row:
        ratio = statistics.median(b / a for a, b in zip(seconds, times, strict=True))
        both = (
            f"{statistics.median(times) * 1e3:.1f} ms over "
            f"{statistics.median(seconds) * 1e3:.2f} ms of processor time{detail}"
        )
        return Row(what, ratio, float("inf"), both, at_least=target)

    task = "perceptron 64-32-10, 100 digits, Adam, 20 epochs, batches of 32"
    write_table(
        "pydvl_skorch",
        "Retraining: pyDVL with skorch",
        "PYDVL_PYTHON=... python -m benchmarks.pydvl_skorch",
        [
            row(f"{task}: pyDVL with skorch over ours", others, 24, f"; {versions}"),
            row("the same: a plain PyTorch loop over ours", loops, 9, ""),
        ],
    )


if __name__ == "__main__":
    main()
