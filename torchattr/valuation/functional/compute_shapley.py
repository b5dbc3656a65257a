"""Shapley values by any way, in one function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from torchattr.errors import InputError
from torchattr.estimation.truncation import RelativeTruncation
from torchattr.games.game import Game
from torchattr.valuation.functional.exact_shapley import (
    combinatorial_exact_shapley,
    permutation_exact_shapley,
)
from torchattr.valuation.functional.group_testing import group_testing_shapley
from torchattr.valuation.functional.shapley_by_sampling import (
    combinatorial_montecarlo_shapley,
    owen_sampling_shapley,
    permutation_montecarlo_shapley,
)
from torchattr.valuation.functional.shapley_mode import ShapleyMode
from torchattr.valuation.result import ValuationResult
from torchattr.valuation.stopping import StoppingCriterion
from torchattr.valuation.utility import UtilityBase

__all__ = ["compute_shapley_values"]

_UNTIL_DONE: dict[ShapleyMode, Callable[..., ValuationResult]] = {
    ShapleyMode.PermutationMontecarlo: permutation_montecarlo_shapley,
    ShapleyMode.TruncatedMontecarlo: partial(
        permutation_montecarlo_shapley,
        truncation=RelativeTruncation(rtol=0.01, burn_in_fraction=0.4),
    ),
    ShapleyMode.CombinatorialMontecarlo: combinatorial_montecarlo_shapley,
}
_BUDGETED: dict[ShapleyMode, Callable[..., ValuationResult]] = {
    ShapleyMode.Owen: partial(owen_sampling_shapley, method="standard"),
    ShapleyMode.OwenAntithetic: partial(owen_sampling_shapley, method="antithetic"),
    ShapleyMode.GroupTesting: group_testing_shapley,
}
_EXACT: dict[ShapleyMode, Callable[..., ValuationResult]] = {
    ShapleyMode.PermutationExact: permutation_exact_shapley,
    ShapleyMode.CombinatorialExact: combinatorial_exact_shapley,
}


def compute_shapley_values(
    u: UtilityBase | Game,
    *,
    done: StoppingCriterion | None = None,
    mode: ShapleyMode | str = ShapleyMode.PermutationMontecarlo,
    n_jobs: int = 1,
    seed: int | np.random.Generator | None = None,
    **mode_arguments: Any,  # ruff: ignore[any-type] (each mode has its own)
) -> ValuationResult:
    """Shapley values of the points of a data set, or the players of a game.

    Args:
        u: A utility that has its data (``ModelUtility(...).with_dataset(data)``), or a
            game.
        done: When to stop, for the Monte Carlo modes; the others end by themselves.
        mode: ``"permutation_montecarlo"``, ``"truncated_montecarlo"``,
            ``"combinatorial_montecarlo"``, ``"permutation_exact"``,
            ``"combinatorial_exact"``, ``"owen"``, ``"owen_antithetic"`` or
            ``"group_testing"``.
        n_jobs: Workers that evaluate the utility, by joblib; they change no value.
        seed: Of the samples.
        **mode_arguments: More arguments of the function of the mode, such as
            ``truncation``, ``n_samples``, ``max_q``, ``epsilon`` or ``progress``.

    Returns:
        The values.

    Raises:
        InputError: If there is no such mode, or a Monte Carlo mode has no ``done``.

    Example:
        >>> from torchattr.games.synthetic import ShoesGame
        >>> compute_shapley_values(ShoesGame(2, 1), mode="combinatorial_exact").values
        array([0.16666667, 0.16666667, 0.66666667])
    """
    names = [known.value for known in ShapleyMode]
    if mode not in names:
        raise InputError(f"mode must be one of {', '.join(names)}, got {mode!r}")
    chosen = ShapleyMode(mode)
    arguments = {"n_jobs": n_jobs, **mode_arguments}
    if chosen in _EXACT:
        return _EXACT[chosen](u, **arguments)
    if chosen in _BUDGETED:
        return _BUDGETED[chosen](u, seed=seed, **arguments)
    if done is None:
        raise InputError(
            f"mode {chosen.value!r} needs done=, say when to stop: MinUpdates(100)"
        )
    return _UNTIL_DONE[chosen](u, done, seed=seed, **arguments)
