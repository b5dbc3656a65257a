"""Processor time of influence functions, over pyDVL's.

A perceptron 64-32-10 (2,410 parameters) trained on 1,000 digits, which come in 4
batches; 400 queries. Both sides have the same weights, data and regularization, use one
thread and take turns; answers are compared. pyDVL lives in an environment of its own,
made by::

    python -m venv pydvl_env && pydvl_env/bin/pip install pydvl==0.10.0 torch

``PYDVL_PYTHON=pydvl_env/bin/python python -m benchmarks.influence`` writes
``benchmarks/results/influence.md``.
"""

from __future__ import annotations

import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.report import Row, write_table
from torchattr.influence import (
    CgInfluence,
    DirectInfluence,
    EmpiricalRisk,
    Hessian,
    NestedTorchCatAggregator,
    SequentialInfluenceCalculator,
)
from torchattr.influence.gradients.example_gradients import example_gradients
from torchattr.training import TorchLearner

N_TRAIN, N_QUERIES, FEW = 1000, 400, 20
N_BATCHES = 4
REGULARIZATION = 0.05
RTOL = 1e-4
REPETITIONS = 3
PEER = Path(__file__).parent / "influence_peer.py"
LOSS = nn.CrossEntropyLoss()

Answers = dict[str, tuple[float, Tensor]]


def digits() -> tuple[Tensor, Tensor]:
    """Inputs and targets: training examples first, then queries."""
    data = load_digits()
    rows = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    rows = rows[: N_TRAIN + N_QUERIES]
    x = torch.tensor(data.data[rows], dtype=torch.float32) / 16
    return x, torch.tensor(data.target[rows])


def trained(x: Tensor, y: Tensor) -> nn.Module:
    """A perceptron near a minimum."""
    sgd = partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=1e-3)
    learner = TorchLearner(
        lambda: nn.Sequential(nn.Linear(64, 32), nn.GELU(), nn.Linear(32, 10)),
        LOSS,
        sgd,
        epochs=300,
    )
    return learner.fit((x, y))


def timed(call: Callable[[], Tensor], times: int) -> tuple[float, Tensor]:
    """Processor seconds of one call, and what it returned."""
    began = time.process_time()
    for _ in range(times):
        answer = call()
    return (time.process_time() - began) / times, answer


def ours(model: nn.Module, x: Tensor, y: Tensor) -> Answers:
    """Seconds and answers, by what was asked."""
    x_query, y_query, x, y = x[N_TRAIN:], y[N_TRAIN:], x[:N_TRAIN], y[:N_TRAIN]
    train = DataLoader(TensorDataset(x, y), batch_size=N_TRAIN // N_BATCHES)
    queries = DataLoader(
        TensorDataset(x_query, y_query), batch_size=N_QUERIES // N_BATCHES
    )
    direct = DirectInfluence(model, LOSS, REGULARIZATION)

    def fit_and_ask() -> Tensor:
        return direct.fit(train).influences(x_query, y_query, x, y)

    def ask_again() -> Tensor:
        return direct.influences(x_query[:FEW], y_query[:FEW], x, y)

    def calculate() -> Tensor:
        lazy = SequentialInfluenceCalculator(direct).influences(queries, train)
        return lazy.compute(aggregator=NestedTorchCatAggregator())

    def iterate() -> Tensor:
        cg = CgInfluence(model, LOSS, REGULARIZATION, rtol=RTOL, atol=0.0).fit(train)
        return cg.influence_factors(x_query[:FEW], y_query[:FEW])

    return {
        "direct": timed(fit_and_ask, 1),
        "again": timed(ask_again, 20),
        "calculator": timed(calculate, 3),
        "cg": timed(iterate, 1),
    }


def theirs(
    python: str, model: nn.Module, x: Tensor, y: Tensor, residuals: Tensor
) -> tuple[Answers, str]:
    """The same by pyDVL, and its version."""
    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder) / "task.npz"
        np.savez(
            task,
            x=x[:N_TRAIN],
            y=y[:N_TRAIN],
            x_query=x[N_TRAIN:],
            y_query=y[N_TRAIN:],
            few=FEW,
            regularization=REGULARIZATION,
            residuals=residuals,
            train_batch=N_TRAIN // N_BATCHES,
            query_batch=N_QUERIES // N_BATCHES,
            **{f"model.{name}": w for name, w in model.state_dict().items()},
        )
        run = subprocess.run(
            [python, str(PEER), str(task)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        with np.load(task.with_name("task_answers.npz")) as file:
            answers = {name: torch.from_numpy(file[name]) for name in file.files}
    report = json.loads(run.stdout.splitlines()[-1])
    timings = {name: (report["seconds"][name], answers[name]) for name in answers}
    return timings, report["versions"]


@dataclass(frozen=True)
class Truth:
    """The matrix and the right-hand sides of the factors of a few queries.

    The Hessian is in double precision; the gradients are those of the model in its own,
    which of examples that it predicts well have few correct digits.
    """

    hessian: Tensor
    gradients: Tensor

    @classmethod
    def of(cls, model: nn.Module, x: Tensor, y: Tensor) -> Truth:
        """By the dense curvature and by gradients as such."""
        exact = EmpiricalRisk(copy.deepcopy(model).double(), LOSS)
        train = (x[:N_TRAIN].double(), y[:N_TRAIN])
        hessian = Hessian(exact, [train]).dense()
        risk = EmpiricalRisk(model, LOSS)
        queries = risk.examples(x[N_TRAIN:][:FEW], y[N_TRAIN:][:FEW])
        return cls(
            hessian + REGULARIZATION * torch.eye(len(hessian), dtype=torch.float64),
            example_gradients(risk, queries).dense().double(),
        )

    @property
    def tolerated(self) -> Tensor:
        """``(FEW,)``: the residuals that a solver may leave."""
        return RTOL * self.gradients.norm(dim=1)

    def residuals(self, factors: Tensor) -> Tensor:
        """``(FEW,)``: relative residuals that factors have."""
        missing = factors.double() @ self.hessian - self.gradients
        return missing.norm(dim=1) / self.gradients.norm(dim=1)


def gap(mine: Tensor, other: Tensor) -> float:
    """Relative difference of two answers."""
    return float((mine - other).norm() / other.norm())


def main() -> None:
    """Measure in turns and write the table."""
    python = os.environ.get("PYDVL_PYTHON")
    if not python:
        sys.exit("Set PYDVL_PYTHON to the interpreter of an environment with pyDVL.")
    torch.set_num_threads(1)
    x, y = digits()
    model = trained(x[:N_TRAIN], y[:N_TRAIN])
    truth = Truth.of(model, x, y)
    ours(model, x, y)  # what is compiled or allocated once is not measured
    pairs: list[tuple[Answers, Answers]] = []
    for _ in range(REPETITIONS):
        mine = ours(model, x, y)
        other, versions = theirs(python, model, x, y, truth.tolerated)
        pairs.append((mine, other))
    last, other = pairs[-1]
    for name in ("direct", "again", "calculator"):
        assert gap(last[name][1], other[name][1]) < 1e-3, name
    assert gap(last["calculator"][1], last["direct"][1]) < 1e-5
    reached = [truth.residuals(side["cg"][1]).max().item() for side in (last, other)]
    assert max(reached) < 1.1 * RTOL, "both solve to the same tolerance"

    def row(name: str, what: str, target: float, detail: str = "") -> Row:
        times = [(mine[name][0], other[name][0]) for mine, other in pairs]
        ratio = statistics.median(mine / other for mine, other in times)
        mine, other = (statistics.median(side) for side in zip(*times, strict=True))
        both = f"{mine * 1e3:.1f} ms over {other * 1e3:.1f} ms{detail}"
        return Row(what, ratio, target, both)

    task = "perceptron 64-32-10, 1,000 digits in 4 batches"
    write_table(
        "influence",
        "Influence functions, processor time on one thread over pyDVL's",
        "PYDVL_PYTHON=... OMP_NUM_THREADS=1 python -m benchmarks.influence",
        [
            row(
                "direct",
                f"{task}: `DirectInfluence`, fit and influences of 400 queries",
                0.30,
                f"; answers differ by {gap(last['direct'][1], other['direct'][1]):.0e};"
                f" {versions}",
            ),
            row("again", "influences again, 20 queries", 0.16),
            row("calculator", "`SequentialInfluenceCalculator`, 4 x 4 batches", 0.12),
            row(
                "cg",
                f"`CgInfluence`, factors of 20 queries, residual {RTOL:g}",
                0.20,
                f"; residuals reached: {reached[0]:.1e}, {reached[1]:.1e}",
            ),
        ],
        f"Regularization {REGULARIZATION:g}; medians of {REPETITIONS} runs in turns.",
    )


if __name__ == "__main__":
    main()
