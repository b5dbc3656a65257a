"""How far estimates are from the truth, for the same number of evaluations.

The error of an estimator on a game is the root mean square, over seeds, of
``|estimate - truth| / |truth|``, floored at 0.001. Each row is the geometric mean over
games of our error over that of what it is compared with; for ``Shapley`` this is the
best of all estimators of shapiq and shap, chosen for each game with hindsight.
``python -m benchmarks.accuracy`` writes ``benchmarks/results/accuracy.md``.
"""

from __future__ import annotations

import logging
import multiprocessing
import warnings
from collections.abc import Callable

import captum.attr
import numpy as np
import torch

from benchmarks.accuracy_games import BenchmarkGame, large_games, small_games
from benchmarks.accuracy_peers import peers
from benchmarks.report import RESULTS, Row, write_table
from torchattr.estimation import best_for_budget, kernel_shap, monte_carlo
from torchattr.games import FunctionGame
from torchattr.sampling import (
    Antithetic,
    OrthogonalPermutations,
    Permutations,
    Sampler,
)

FLOOR = 1e-3
BUDGETS = (5, 10)  # evaluations for each player
REPLICATED = 30  # the same for permutations, which come in blocks of 2 (n - 1)
Estimator = Callable[[BenchmarkGame, int, int], np.ndarray]
games: list[BenchmarkGame] = []  # made once, before the workers are forked


def ours(game: BenchmarkGame) -> FunctionGame:
    """A benchmark game as one of ours."""
    return FunctionGame(
        lambda coalitions: torch.as_tensor(game(coalitions.numpy())), game.n_players
    )


def shapley(game: BenchmarkGame, budget: int, seed: int) -> np.ndarray:
    generator = torch.Generator().manual_seed(seed)
    return best_for_budget(ours(game), budget, generator=generator).values.numpy()


def our_kernel(game: BenchmarkGame, budget: int, seed: int) -> np.ndarray:
    generator = torch.Generator().manual_seed(seed)
    return kernel_shap(ours(game), budget, generator=generator).values.numpy()


def captums_kernel(game: BenchmarkGame, budget: int, seed: int) -> np.ndarray:
    torch.manual_seed(seed)
    explainer = captum.attr.KernelShap(lambda x: torch.as_tensor(game(x.numpy() > 0.5)))
    values = explainer.attribute(
        torch.ones(1, game.n_players), n_samples=budget, perturbations_per_eval=budget
    )
    return values[0].numpy()


def sampled(wrap: Callable[[int], Sampler], permutations: int) -> Estimator:
    """The mean over the draws that a budget affords."""

    def estimate(game: BenchmarkGame, budget: int, seed: int) -> np.ndarray:
        n = game.n_players
        draws = max(1, budget // (n * permutations))
        generator = torch.Generator().manual_seed(seed)
        estimate = monte_carlo(ours(game), wrap(n), draws, generator=generator)
        return estimate.values.numpy()

    return estimate


def error(estimator: Estimator, game: BenchmarkGame, budget: int) -> float:
    """Root mean square over seeds of the relative error; infinite if it fails."""
    seeds = range(6 if game.n_players < 30 else 3)
    norm = np.linalg.norm(game.truth)
    try:
        errors = [
            np.linalg.norm(estimator(game, budget, seed) - game.truth) / norm
            for seed in seeds
        ]
    except (ValueError, IndexError, SyntaxError, RuntimeError, np.linalg.LinAlgError):
        return np.inf  # some peers refuse some budgets
    return max(float(np.sqrt(np.mean(np.square(errors)))), FLOOR)


def measured(index: int) -> dict[str, float]:
    """All errors on one game."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    torch.set_num_threads(1)
    game = games[index]
    n = game.n_players
    errors = {}
    for multiple in BUDGETS:
        budget = multiple * n
        errors[f"Shapley {multiple}n"] = error(shapley, game, budget)
        for name, peer in peers().items():
            if n < 30 or "3" not in name:  # third-order regressions take hours there
                errors[f"{name} {multiple}n"] = error(peer, game, budget)
        errors[f"KernelShap {multiple}n"] = error(our_kernel, game, budget)
        errors[f"captum {multiple}n"] = error(captums_kernel, game, budget)
    # Whole blocks, so that each sampler has the same number of permutations.
    budget = n * 2 * (n - 1) * max(1, round(REPLICATED / (2 * (n - 1))))
    errors["plain"] = error(sampled(Permutations, 1), game, budget)
    errors["antithetic"] = error(
        sampled(lambda n: Antithetic(Permutations(n)), 2), game, budget
    )
    errors["orthogonal"] = error(
        sampled(OrthogonalPermutations, 2 * (n - 1)), game, budget
    )
    print(game.name, flush=True)
    return errors


def ratio_row(
    what: str, ratios: list[float], target: float, worst: float | None = None
) -> list[Row]:
    """The geometric mean of ratios, and the largest if it has a target."""
    mean = float(np.exp(np.mean(np.log(ratios))))
    where = games[int(np.argmax(ratios))].name
    rows = [Row(what, mean, target, f"{len(ratios)} games; worst: {where}")]
    if worst is not None:
        rows.append(Row(f"{what}: on the worst game", max(ratios), worst, where))
    return rows


def shapley_rows(results: list[dict[str, float]], multiple: int) -> list[Row]:
    """Our error over the best peer's, game by game."""
    names = [f"{name} {multiple}n" for name in peers()]
    best = [min(found.get(name, np.inf) for name in names) for found in results]
    mine = [found[f"Shapley {multiple}n"] for found in results]
    return ratio_row(
        f"`Shapley(budget={multiple}n)` over the best of shapiq and shap for each game",
        [a / b for a, b in zip(mine, best, strict=True)],
        0.70 if multiple == 5 else 0.65,
        worst=1.5,
    )


def write_errors(results: list[dict[str, float]]) -> None:
    """All errors, one row for each game, beside the table of ratios."""
    names = sorted({name for found in results for name in found})
    lines = [",".join(["game", *names])]
    for game, found in zip(games, results, strict=True):
        cells = [f"{found.get(name, np.nan):.5g}" for name in names]
        lines.append(",".join([game.name, *cells]))
    RESULTS.mkdir(exist_ok=True)
    text = "\n".join(lines) + "\n"
    (RESULTS / "accuracy_errors.csv").write_text(text, encoding="utf-8")


def main() -> None:
    """Measure everything and write the tables."""
    warnings.simplefilter("ignore")
    games.extend([*small_games(), *large_games()])
    with multiprocessing.get_context("fork").Pool(2) as pool:
        results = pool.map(measured, range(len(games)), chunksize=1)
    write_errors(results)
    rows = [row for multiple in BUDGETS for row in shapley_rows(results, multiple)]
    for multiple in BUDGETS:
        ratios = [
            found[f"KernelShap {multiple}n"] / found[f"captum {multiple}n"]
            for found in results
        ]
        rows += ratio_row(
            f"`KernelShap` over captum's, {multiple}n samples", ratios, 0.6
        )
    for name in ("antithetic", "orthogonal"):
        ratios = [found[name] / found["plain"] for found in results]
        rows += ratio_row(f"{name} permutations over plain ones", ratios, 0.9)
    write_table("accuracy", "Accuracy", "python -m benchmarks.accuracy", rows)


if __name__ == "__main__":
    main()
