"""Shapley values by group testing, as a function."""

from __future__ import annotations

import numpy as np

from torchattr.games.game import Game
from torchattr.valuation.functional.jobs import fitted
from torchattr.valuation.methods.group_testing import GroupTestingShapleyValuation
from torchattr.valuation.progress_bar import Show
from torchattr.valuation.result import ValuationResult
from torchattr.valuation.utility import UtilityBase

__all__ = ["group_testing_shapley"]


def group_testing_shapley(
    u: UtilityBase | Game,
    n_samples: int,
    epsilon: float,
    delta: float = 0.05,
    *,
    n_jobs: int = 1,
    parallel_backend: object = None,
    config: object = None,
    progress: Show = False,
    seed: int | np.random.Generator | None = None,
    **options: object,
) -> ValuationResult:
    """Shapley values by group testing, ``n_samples`` evaluations.

    Args:
        u: A utility that has its data (``ModelUtility(...).with_dataset(data)``), or a
            game.
        n_samples: Coalitions to evaluate;
            :func:`~torchattr.valuation.compute_n_samples` says how many an error takes.
        epsilon: Allowed error of the differences between values.
        delta: Chance of a larger error. It has no part in the computation.
        n_jobs: Workers that evaluate the utility, by joblib; they change no value.
        parallel_backend: Name of a joblib backend.
        config: Ignored; pyDVL had one for its backends.
        progress: Whether to show a progress bar.
        seed: Of the coalitions.
        **options: Ignored: pyDVL has a solver here, and this is a closed form.

    Returns:
        The values.

    Example:
        >>> from torchattr.games.synthetic import ShoesGame
        >>> group_testing_shapley(ShoesGame(1, 2), 4000, 0.1, seed=1).values.round(1)
        array([0.7, 0.2, 0.2])
    """
    method = GroupTestingShapleyValuation(
        u,
        n_samples=n_samples,
        epsilon=epsilon,
        solver_options=options or None,
        progress=progress,
        seed=seed,
    )
    return fitted(method, n_jobs=n_jobs, parallel_backend=parallel_backend)
