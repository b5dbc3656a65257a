"""Semivalues other than Shapley's, as functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchattr.games.game import Game
from torchattr.valuation.functional.jobs import fitted
from torchattr.valuation.methods.banzhaf_valuation import BanzhafValuation
from torchattr.valuation.methods.beta_shapley_valuation import BetaShapleyValuation
from torchattr.valuation.methods.loo_valuation import LOOValuation
from torchattr.valuation.progress_bar import Show
from torchattr.valuation.result import ValuationResult
from torchattr.valuation.samplers import IndexSampler, PermutationSampler
from torchattr.valuation.stopping import StoppingCriterion
from torchattr.valuation.utility import UtilityBase

__all__ = [
    "compute_banzhaf_semivalues",
    "compute_beta_shapley_semivalues",
    "compute_loo",
]


def compute_banzhaf_semivalues(
    u: UtilityBase | Game,
    *,
    done: StoppingCriterion,
    sampler_t: type[IndexSampler] = PermutationSampler,
    batch_size: int = 1,
    n_jobs: int = 1,
    config: object = None,
    progress: Show = False,
    seed: int | np.random.Generator | None = None,
) -> ValuationResult:
    """Banzhaf values.

    Args:
        u: A utility that has its data (``ModelUtility(...).with_dataset(data)``), or a
            game.
        done: When to stop.
        sampler_t: Class of the sampler.
        batch_size: Of the sampler; it changes no value.
        n_jobs: Workers that evaluate the utility, by joblib; they change no value.
        config: Ignored; pyDVL had one for its backends.
        progress: Whether to show a progress bar.
        seed: Of the sampler.

    Returns:
        The values.

    Example:
        >>> from torchattr.games import AdditiveGame
        >>> from torchattr.valuation.samplers import UniformSampler
        >>> from torchattr.valuation.stopping import MinUpdates
        >>> import torch
        >>> game = AdditiveGame(torch.tensor([1.0, 2.0]))
        >>> compute_banzhaf_semivalues(
        ...     game, done=MinUpdates(2), sampler_t=UniformSampler, seed=0
        ... ).values
        array([1., 2.])
    """
    sampler = _sampler(sampler_t, batch_size, seed)
    return fitted(BanzhafValuation(u, sampler, done, progress=progress), n_jobs=n_jobs)


def compute_beta_shapley_semivalues(
    u: UtilityBase | Game,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    done: StoppingCriterion,
    sampler_t: type[IndexSampler] = PermutationSampler,
    batch_size: int = 1,
    n_jobs: int = 1,
    config: object = None,
    progress: Show = False,
    seed: int | np.random.Generator | None = None,
) -> ValuationResult:
    """Beta Shapley values.

    Args:
        u: A utility that has its data, or a game.
        alpha: First parameter; a large one favours small coalitions.
        beta: Second parameter; a large one favours large coalitions.
        done: When to stop.
        sampler_t: Class of the sampler.
        batch_size: Of the sampler; it changes no value.
        n_jobs: Workers that evaluate the utility, by joblib; they change no value.
        config: Ignored; pyDVL had one for its backends.
        progress: Whether to show a progress bar.
        seed: Of the sampler.

    Returns:
        The values.

    Example:
        >>> import torch
        >>> from torchattr.games import AdditiveGame
        >>> from torchattr.valuation.stopping import MinUpdates
        >>> game = AdditiveGame(torch.tensor([1.0, 2.0]))
        >>> compute_beta_shapley_semivalues(game, done=MinUpdates(2), seed=0).values
        array([1., 2.])
    """
    sampler = _sampler(sampler_t, batch_size, seed)
    method = BetaShapleyValuation(
        u, sampler, done, alpha=alpha, beta=beta, progress=progress
    )
    return fitted(method, n_jobs=n_jobs)


def compute_loo(
    u: UtilityBase | Game,
    *,
    n_jobs: int = 1,
    parallel_backend: object = None,
    config: object = None,
    progress: Show = False,
) -> ValuationResult:
    """Leave-one-out values, ``n + 1`` evaluations.

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
        >>> compute_loo(ShoesGame(2, 1)).values
        array([0., 0., 1.])
    """
    method = LOOValuation(u, progress=progress)
    return fitted(method, n_jobs=n_jobs, parallel_backend=parallel_backend)


def _sampler(
    sampler_t: type[IndexSampler],
    batch_size: int,
    seed: int | np.random.Generator | None,
) -> IndexSampler:
    options: dict[str, Any] = {"batch_size": batch_size}
    if seed is not None:  # a deterministic sampler takes none
        options["seed"] = seed
    return sampler_t(**options)
