"""Processor seconds of pyDVL's influence functions, as a line of JSON.

Started by ``benchmarks.influence`` with the interpreter of an environment that has
pyDVL. Reads an ``.npz`` with data and weights, and leaves pyDVL's answers beside it.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch

warnings.simplefilter("ignore")  # deprecations of pyDVL's own dependencies

import pydvl  # ruff: ignore[module-import-not-at-top-of-file]  (after the filter)
from pydvl.influence import (  # ruff: ignore[module-import-not-at-top-of-file]
    SequentialInfluenceCalculator,
)
from pydvl.influence.torch import (  # ruff: ignore[module-import-not-at-top-of-file]
    CgInfluence,
    DirectInfluence,
)
from pydvl.influence.torch.util import (  # ruff: ignore[module-import-not-at-top-of-file]
    NestedTorchCatAggregator,
)
from torch.utils.data import (  # ruff: ignore[module-import-not-at-top-of-file]
    DataLoader,
    TensorDataset,
)


def perceptron(weights: dict[str, torch.Tensor]) -> torch.nn.Module:
    """64-32-10, as in ``benchmarks.influence``."""
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 32), torch.nn.GELU(), torch.nn.Linear(32, 10)
    )
    model.load_state_dict(weights)
    return model


def timed(call: Callable[[], torch.Tensor], times: int) -> tuple[float, torch.Tensor]:
    """Processor seconds of one call, and what it returned."""
    began = time.process_time()
    for _ in range(times):
        answer = call()
    return (time.process_time() - began) / times, answer


def main(path: str) -> None:
    """Measure, and print what it cost."""
    torch.set_num_threads(1)
    with np.load(path) as file:
        task = {name: torch.from_numpy(file[name]) for name in file.files}
    weights = {
        name.removeprefix("model."): tensor
        for name, tensor in task.items()
        if name.startswith("model.")
    }
    x, y, x_query, y_query = (task[key] for key in ("x", "y", "x_query", "y_query"))
    few = int(task["few"])
    regularization = float(task["regularization"])
    train = DataLoader(TensorDataset(x, y), batch_size=int(task["train_batch"]))
    queries = DataLoader(
        TensorDataset(x_query, y_query), batch_size=int(task["query_batch"])
    )
    model, loss = perceptron(weights), torch.nn.functional.cross_entropy
    direct = DirectInfluence(model, loss, regularization)

    def fit_and_ask() -> torch.Tensor:
        return direct.fit(train).influences(x_query, y_query, x, y)

    def ask_again() -> torch.Tensor:
        return direct.influences(x_query[:few], y_query[:few], x, y)

    def calculate() -> torch.Tensor:
        lazy = SequentialInfluenceCalculator(direct).influences(queries, train)
        return lazy.compute(aggregator=NestedTorchCatAggregator())

    def iterate() -> torch.Tensor:
        # Alone, each with an absolute tolerance: pyDVL compares with the square of what
        # it is given, and takes norms over queries, in place of over parameters.
        return torch.cat([
            CgInfluence(model, loss, regularization, rtol=0.0, atol=float(tolerance))
            .fit(train)
            .influence_factors(x_query[i : i + 1], y_query[i : i + 1])
            for i, tolerance in enumerate(task["residuals"].sqrt())
        ])

    answers, seconds = {}, {}
    DirectInfluence(model, loss, regularization).fit([(x[:20], y[:20])])  # warm
    for name, call, times in (
        ("direct", fit_and_ask, 1),
        ("again", ask_again, 3),
        ("calculator", calculate, 1),
        ("cg", iterate, 1),
    ):
        seconds[name], answers[name] = timed(call, times)
    np.savez(
        path.replace(".npz", "_answers.npz"),
        **{name: answer.detach().numpy() for name, answer in answers.items()},
    )
    print(json.dumps({"seconds": seconds, "versions": f"pyDVL {pydvl.__version__}"}))


if __name__ == "__main__":
    main(sys.argv[1])
