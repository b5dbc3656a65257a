"""How often 95% intervals cover the true values.

Sixteen replicates each, on the small games of ``benchmarks.accuracy_games``.
``python -m benchmarks.coverage`` writes ``benchmarks/results/coverage.md``.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.accuracy_games import BenchmarkGame, small_games
from benchmarks.report import Row, write_table
from torchattr.estimation.monte_carlo import monte_carlo
from torchattr.games import FunctionGame
from torchattr.sampling import Antithetic, Permutations, Sampler

REPLICATES = 16
RUNS = 200


def coverage(game: BenchmarkGame, sampler: Sampler) -> float:
    """Share of players and runs whose interval holds the truth."""
    own = FunctionGame(
        lambda coalitions: torch.as_tensor(game(coalitions.numpy())), game.n_players
    )
    truth = torch.as_tensor(game.truth)
    # An effect below rounding has an interval of width 0 beside it, not around it.
    slack = 1e-9 * truth.abs().max()
    covered = []
    for seed in range(RUNS):
        generator = torch.Generator().manual_seed(seed)
        estimate = monte_carlo(own, sampler, REPLICATES, generator=generator)
        low, high = estimate.interval(0.95)
        covered.append((low - slack <= truth) & (truth <= high + slack))
    return float(torch.stack(covered).double().mean())


def main() -> None:
    """Measure every sampler and write the table."""
    games = list(small_games())
    rows = []
    for name, wrap in (("permutations", lambda s: s), ("antithetic pairs", Antithetic)):
        shares = [coverage(game, wrap(Permutations(game.n_players))) for game in games]
        rows.append(
            Row(
                f"coverage of 95% intervals, {REPLICATES} {name}",
                float(np.mean(shares)),
                0.98,
                f"mean over {len(games)} games; {min(shares):.3f} to {max(shares):.3f}",
                at_least=0.90,
            )
        )
    write_table("coverage", "Coverage", "python -m benchmarks.coverage", rows)


if __name__ == "__main__":
    main()
