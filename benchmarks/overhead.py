"""What sampling, estimating and logging cost beside the evaluations themselves.

A game that costs nothing, 1,000 players: all the time is ours. Run by
``python -m benchmarks.overhead``; the table is ``results/overhead.md``.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.report import Row, write_table
from torchattr.estimation.estimate import Estimate
from torchattr.estimation.monte_carlo import monte_carlo
from torchattr.estimation.sample_reuse import sample_reuse
from torchattr.estimation.truncation import RelativeTruncation
from torchattr.games import Cached, FunctionGame, Game
from torchattr.games.evaluation_log import EvaluationLog
from torchattr.sampling.permutations import AntitheticPermutations, Permutations

N_PLAYERS = 1_000
TARGET = 20.0  # microseconds for each evaluation
REPEATS = 3


def free(coalitions: Tensor) -> Tensor:
    """A value for each coalition at next to no cost."""
    return coalitions[:, 0].double()


def microseconds(
    solve: Callable[[Game], Estimate], chunk_size: int, folder: Path
) -> tuple[float, int]:
    """The best processor time of a logged run for each evaluation, and their number."""
    best, count = float("inf"), 0
    for repeat in range(REPEATS):
        path = folder / f"{chunk_size}-{repeat}.log"
        path.unlink(missing_ok=True)
        game = FunctionGame(free, N_PLAYERS)
        game.chunk_size = chunk_size
        began = time.process_time()
        cached = Cached(game, EvaluationLog(path, N_PLAYERS, {"game": "free"}))
        solve(cached)
        seconds = time.process_time() - began
        count = cached.n_stored
        best = min(best, 1e6 * seconds / count)
    return best, count


def reading(folder: Path) -> tuple[float, int]:
    """The time to read a log back, for each evaluation."""
    path = folder / "256-0.log"
    began = time.process_time()
    game = FunctionGame(free, N_PLAYERS)
    cached = Cached(game, EvaluationLog(path, N_PLAYERS, {"game": "free"}))
    seconds = time.process_time() - began
    return 1e6 * seconds / cached.n_stored, cached.n_stored


def main() -> None:
    """Measure, and write the table."""
    torch.set_num_threads(1)
    seeded = partial(torch.Generator().manual_seed, 0)
    solvers: dict[str, Callable[[Game], Estimate]] = {
        "permutations": lambda game: monte_carlo(
            game, Permutations(N_PLAYERS), 30, generator=seeded()
        ),
        "antithetic permutations": lambda game: monte_carlo(
            game, AntitheticPermutations(N_PLAYERS), 15, generator=seeded()
        ),
        "truncated permutations": lambda game: monte_carlo(
            game,
            Permutations(N_PLAYERS),
            200,  # models that are trained at once are as many, less those that ended
            generator=seeded(),
            truncation=RelativeTruncation(0.01),
        ),
        "maximum sample reuse": lambda game: sample_reuse(
            game, 20_000, generator=seeded()
        ),
    }
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, solve in solvers.items():
            for chunk_size in (256, 1024):
                measured, count = microseconds(solve, chunk_size, folder)
                terms = f"{count} evaluations, {chunk_size} at once"
                detail = f"microseconds of one thread; {terms}"
                rows.append(Row(what, measured, TARGET, detail))
        measured, count = reading(folder)
        rows.append(
            Row(
                "reading a log",
                measured,
                TARGET,
                f"microseconds of one thread; {count} evaluations",
            )
        )
    write_table(
        "overhead",
        f"Overhead for each evaluation, {N_PLAYERS:,} players, a free game, logged",
        "python -m benchmarks.overhead",
        rows,
    )


if __name__ == "__main__":
    main()
