"""Exact Shapley values, a function for each way."""

from __future__ import annotations

from torchattr.games.game import Game
from torchattr.valuation.functional.jobs import fitted
from torchattr.valuation.methods.shapley_valuation import ShapleyValuation
from torchattr.valuation.progress_bar import Show
from torchattr.valuation.result import ValuationResult
from torchattr.valuation.samplers import (
    DeterministicPermutationSampler,
    DeterministicUniformSampler,
    IndexSampler,
)
from torchattr.valuation.stopping import NoStopping
from torchattr.valuation.utility import UtilityBase

__all__ = ["combinatorial_exact_shapley", "permutation_exact_shapley"]


def combinatorial_exact_shapley(
    u: UtilityBase | Game,
    *,
    n_jobs: int = 1,
    parallel_backend: object = None,
    config: object = None,
    progress: Show = False,
) -> ValuationResult:
    """Exact Shapley values from all coalitions, ``2 ** n`` evaluations.

    Args:
        u: A utility that has its data (``ModelUtility(...).with_dataset(data)``), or a
            game.
        n_jobs: Workers that evaluate the utility, by joblib; they change no value.
        parallel_backend: Name of a joblib backend.
        config: Ignored; pyDVL had one for its backends.
        progress: Whether to show a progress bar.

    Returns:
        The values, with standard errors of 0.

    Example:
        >>> from torchattr.games.synthetic import ShoesGame
        >>> combinatorial_exact_shapley(ShoesGame(2, 1)).values.round(4)
        array([0.1667, 0.1667, 0.6667])
    """
    sampler = DeterministicUniformSampler()
    return _exact(u, sampler, n_jobs, parallel_backend, progress)


def permutation_exact_shapley(
    u: UtilityBase | Game,
    *,
    n_jobs: int = 1,
    parallel_backend: object = None,
    config: object = None,
    progress: Show = False,
) -> ValuationResult:
    """Exact Shapley values from all ``n!`` permutations.

    The ``2 ** n`` different coalitions are evaluated once, but walking through the
    permutations costs time beyond ten points:
    :func:`combinatorial_exact_shapley` does not need them.

    Args:
        u: A utility that has its data, or a game.
        n_jobs: Workers that evaluate the utility, by joblib; they change no value.
        parallel_backend: Name of a joblib backend.
        config: Ignored; pyDVL had one for its backends.
        progress: Whether to show a progress bar.

    Returns:
        The values, with standard errors of 0.

    Example:
        >>> from torchattr.games.synthetic import ShoesGame
        >>> permutation_exact_shapley(ShoesGame(2, 1)).values.round(4)
        array([0.1667, 0.1667, 0.6667])
    """
    sampler = DeterministicPermutationSampler()
    return _exact(u, sampler, n_jobs, parallel_backend, progress)


def _exact(
    u: UtilityBase | Game,
    sampler: IndexSampler,
    n_jobs: int,
    parallel_backend: object,
    progress: Show,
) -> ValuationResult:
    method = ShapleyValuation(u, sampler, NoStopping(sampler), progress=progress)
    return fitted(method, n_jobs=n_jobs, parallel_backend=parallel_backend)
