"""Shapley values by sampling, a function for each way."""

from __future__ import annotations

from enum import Enum

import numpy as np

from torchattr.errors import InputError
from torchattr.estimation.truncation import TruncationPolicy
from torchattr.games.game import Game
from torchattr.valuation.functional.jobs import fitted
from torchattr.valuation.methods.shapley_valuation import ShapleyValuation
from torchattr.valuation.progress_bar import Show
from torchattr.valuation.result import ValuationResult
from torchattr.valuation.samplers import (
    AntitheticOwenSampler,
    GridOwenStrategy,
    IndexSampler,
    OwenSampler,
    PermutationSampler,
    UniformSampler,
)
from torchattr.valuation.stopping import NoStopping, StoppingCriterion
from torchattr.valuation.utility import UtilityBase

__all__ = [
    "combinatorial_montecarlo_shapley",
    "owen_sampling_shapley",
    "permutation_montecarlo_shapley",
]

_OWEN: dict[str, type[OwenSampler] | type[AntitheticOwenSampler]] = {
    "standard": OwenSampler,
    "antithetic": AntitheticOwenSampler,
}


def permutation_montecarlo_shapley(
    u: UtilityBase | Game,
    done: StoppingCriterion,
    *,
    truncation: TruncationPolicy | None = None,
    n_jobs: int = 1,
    parallel_backend: object = None,
    config: object = None,
    progress: Show = False,
    seed: int | np.random.Generator | None = None,
) -> ValuationResult:
    """Shapley values from random permutations, ``n`` evaluations each.

    Args:
        u: A utility that has its data (``ModelUtility(...).with_dataset(data)``), or a
            game.
        done: When to stop.
        truncation: Ends permutations early.
        n_jobs: Workers that evaluate the utility, by joblib; they change no value.
        parallel_backend: Name of a joblib backend.
        config: Ignored; pyDVL had one for its backends.
        progress: Whether to show a progress bar.
        seed: Of the permutations.

    Returns:
        The values.

    Example:
        >>> import torch
        >>> from torchattr.games import AdditiveGame
        >>> from torchattr.valuation.stopping import MinUpdates
        >>> game = AdditiveGame(torch.tensor([1.0, 2.0, 4.0]))
        >>> permutation_montecarlo_shapley(game, MinUpdates(2), seed=0).values
        array([1., 2., 4.])
    """
    return fitted(
        ShapleyValuation(
            u, PermutationSampler(truncation, seed=seed), done, progress=progress
        ),
        n_jobs=n_jobs,
        parallel_backend=parallel_backend,
    )


def combinatorial_montecarlo_shapley(
    u: UtilityBase | Game,
    done: StoppingCriterion,
    *,
    n_jobs: int = 1,
    parallel_backend: object = None,
    config: object = None,
    progress: Show = False,
    seed: int | np.random.Generator | None = None,
) -> ValuationResult:
    """Shapley values from coalitions that are all equally likely, with weights.

    Permutations have a smaller variance; this is for comparison with older work. It
    costs two evaluations for each point and update.

    Args:
        u: A utility that has its data, or a game.
        done: When to stop.
        n_jobs: Workers that evaluate the utility, by joblib; they change no value.
        parallel_backend: Name of a joblib backend.
        config: Ignored; pyDVL had one for its backends.
        progress: Whether to show a progress bar.
        seed: Of the coalitions.

    Returns:
        The values.

    Example:
        >>> from torchattr.games.synthetic import ShoesGame
        >>> from torchattr.valuation.stopping import MinUpdates
        >>> result = combinatorial_montecarlo_shapley(
        ...     ShoesGame(2, 1), MinUpdates(300), seed=0
        ... )
        >>> bool((abs(result.values - [1 / 6, 1 / 6, 2 / 3]) < 3 * result.stderr).all())
        True
    """
    return fitted(
        ShapleyValuation(u, UniformSampler(seed=seed), done, progress=progress),
        n_jobs=n_jobs,
        parallel_backend=parallel_backend,
    )


def owen_sampling_shapley(
    u: UtilityBase | Game,
    n_samples: int,
    max_q: int,
    *,
    method: str | Enum = "standard",
    n_jobs: int = 1,
    parallel_backend: object = None,
    config: object = None,
    progress: Show = False,
    seed: int | np.random.Generator | None = None,
) -> ValuationResult:
    r"""Shapley values by Owen's integral over the chance that a point joins.

    .. math:: \phi_i = \int_0^1 \mathbb{E}_{S \sim q}\,[u(S \cup i) - u(S)]\,dq

    by the trapezoid rule on a grid; each other point joins :math:`S` with probability
    :math:`q`. It takes up to ``2 * n * n_samples * max_q`` evaluations, twice as many
    if antithetic.

    Args:
        u: A utility that has its data, or a game.
        n_samples: Coalitions for each point and each ``q``.
        max_q: Number of values of ``q``, from 0 to 1 (antithetic: to 1/2).
        method: ``"standard"``, or ``"antithetic"``: each coalition with its complement.
        n_jobs: Workers that evaluate the utility, by joblib; they change no value.
        parallel_backend: Name of a joblib backend.
        config: Ignored; pyDVL had one for its backends.
        progress: Whether to show a progress bar.
        seed: Of the coalitions.

    Returns:
        The values. The standard error knows of the coalitions, not of the grid.

    Raises:
        InputError: If there is no such method.

    Example:
        >>> from torchattr.games.synthetic import ShoesGame
        >>> game = ShoesGame(2, 1)
        >>> owen_sampling_shapley(game, n_samples=200, max_q=20, seed=0).values.round(1)
        array([0.2, 0.2, 0.7])

    References:
        Okhrati and Lipani (2021), *A multilinear sampling algorithm to estimate
        Shapley values*.
    """
    name = str(
        method.value if isinstance(method, Enum) else method
    ).lower()  # pyDVL's was an enum
    if name not in _OWEN:
        raise InputError(f"method must be one of {', '.join(_OWEN)}, got {method!r}")
    sampler: IndexSampler = _OWEN[name](
        GridOwenStrategy(n_samples_outer=max_q), n_samples_inner=n_samples, seed=seed
    )
    return fitted(
        ShapleyValuation(u, sampler, NoStopping(sampler), progress=progress),
        n_jobs=n_jobs,
        parallel_backend=parallel_backend,
    )
