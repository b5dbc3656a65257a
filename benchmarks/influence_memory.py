"""Peak memory of influence scores: 20,000 training examples, 100,000 parameters.

Scores of 100 queries, each method in a process of its own, whose largest resident size
is read (Linux only); that of a process which imports the package and holds the data is
part of it. All gradients together would take 8 GB.
``python -m benchmarks.influence_memory`` writes
``benchmarks/results/influence_memory.md``.
"""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.report import Row, write_table
from torchattr.influence import (
    CgInfluence,
    ConvergenceWarning,
    EkfacInfluence,
    SecondOrderMode,
)

N_TRAIN, N_QUERIES, N_INPUTS = 20_000, 100, 256
BATCH_SIZE = 1000
REGULARIZATION = 1e-2

Data = tuple[Tensor, Tensor]


def perceptron() -> nn.Module:
    """99,978 parameters."""
    return nn.Sequential(
        nn.Linear(N_INPUTS, 256),
        nn.GELU(),
        nn.Linear(256, 128),
        nn.GELU(),
        nn.Linear(128, 10),
    )


def nothing(model: nn.Module, train: Data, queries: Data) -> Tensor:
    return model(train[0][:BATCH_SIZE]) @ model(queries[0]).T


def ekfac(model: nn.Module, train: Data, queries: Data) -> Tensor:
    influence = EkfacInfluence(
        model, update_diagonal=True, hessian_regularization=REGULARIZATION
    )
    loader = DataLoader(TensorDataset(*train), batch_size=BATCH_SIZE)
    return influence.fit(loader).influences(*queries, *train)


def cg(model: nn.Module, train: Data, queries: Data) -> Tensor:
    influence = CgInfluence(
        model,
        nn.CrossEntropyLoss(),
        REGULARIZATION,
        second_order_mode=SecondOrderMode.GAUSS_NEWTON,
    )
    loader = DataLoader(TensorDataset(*train), batch_size=BATCH_SIZE)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        return influence.fit(loader).influences(*queries, *train)


METHODS: dict[str, Callable[[nn.Module, Data, Data], Tensor]] = {
    "nothing": nothing,
    "ekfac": ekfac,
    "cg": cg,
}


def measure(method: str) -> None:
    """Print the largest resident size in megabytes, and processor seconds."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.randn(N_TRAIN + N_QUERIES, N_INPUTS)
    y = torch.randint(10, (len(x),))
    train, queries = (x[:N_TRAIN], y[:N_TRAIN]), (x[N_TRAIN:], y[N_TRAIN:])
    began = time.process_time()
    scores = METHODS[method](perceptron(), train, queries)
    assert scores.isfinite().all()
    seconds = time.process_time() - began
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    print(int(peak.split()[1]) / 1e3, seconds)


def main() -> None:
    """Measure each method in a process of its own, and write the table."""
    found = {}
    for method in METHODS:
        run = subprocess.run(
            [sys.executable, "-m", "benchmarks.influence_memory", method],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        found[method] = tuple(map(float, run.stdout.split()))
        print(method, *found[method], flush=True)
    least = found["nothing"][0]

    def row(what: str, method: str) -> Row:
        peak, seconds = found[method]
        detail = f"{least:.0f} MB without scores; {seconds:.0f} s of processor time"
        return Row(f"{what}: peak resident size in MB", peak, 1500, detail)

    write_table(
        "influence_memory",
        "Memory of influence scores: 20,000 examples, 100 queries, 99,978 parameters",
        "python -m benchmarks.influence_memory",
        [
            row("`EkfacInfluence`, fit and influences", "ekfac"),
            row("`CgInfluence`, Gauss-Newton, residual 1e-4", "cg"),
        ],
    )


if __name__ == "__main__":
    measure(sys.argv[1]) if len(sys.argv) > 1 else main()
