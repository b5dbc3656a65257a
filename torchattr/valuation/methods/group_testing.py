"""Shapley values by group testing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

import numpy as np

from torchattr.errors import InputError
from torchattr.estimation.group_testing import compute_n_samples, group_testing
from torchattr.games.cached import Cached
from torchattr.games.counts import as_count
from torchattr.games.game import Game
from torchattr.games.progress import reporting
from torchattr.sampling.random_words import Seed, entropy_of
from torchattr.valuation.methods.one_pass_valuation import OnePassValuation
from torchattr.valuation.methods.points import Points
from torchattr.valuation.progress_bar import Show
from torchattr.valuation.result import Status, ValuationResult

if TYPE_CHECKING:
    from torchattr.valuation.dataset import Dataset
    from torchattr.valuation.utility import UtilityBase

__all__ = ["GroupTestingShapleyValuation", "compute_n_samples"]


@final
class GroupTestingShapleyValuation(OnePassValuation):
    r"""Shapley values whose differences are measured by testing random groups.

    A group in which two points part company measures the difference of their values.
    The paper then looks for values with :math:`\sum_i x_i = u(N) - u(\emptyset)` and
    :math:`|x_i - x_j - \Delta_{ij}| \le \epsilon / 2 \sqrt n`. Measured differences are
    consistent, so that values exist which have exactly these differences and this
    sum, and they are found without a solver. They are unbiased, with standard errors.

    Group testing needs more evaluations than permutations for the same error (its
    variance is of the order :math:`\ln n` for each value, where permutations spend
    :math:`n` evaluations on all); it is here because it is in use.

    Args:
        utility: What a coalition of the data is worth, or a game, whose players are
            then valued without data.
        n_samples: Number of groups, each one evaluation (of a group that came before,
            none). :func:`compute_n_samples` says how many guarantee an error.
        epsilon: The error allowed, positive. Every tolerance is met, so that it
            changes nothing; it is here for the sake of pyDVL.
        solver_options: Ignored; nothing is left to solve.
        progress: Whether to show a progress bar.
        seed: Of the groups.
        batch_size: Ignored; the game decides how many are evaluated at once.

    Raises:
        InputError: If ``n_samples`` or ``epsilon`` is not positive.

    Example:
        >>> from torchattr.games.synthetic import ShoesGame
        >>> method = GroupTestingShapleyValuation(ShoesGame(1, 2), 2000, 0.1, seed=1)
        >>> method.fit().result.values.sum().round(10)
        np.float64(1.0)

    References:
        Jia et al. (2019), *Towards efficient data valuation based on the Shapley
        value*.
    """

    def __init__(
        self,
        utility: UtilityBase | Game,
        n_samples: int,
        epsilon: float,
        solver_options: Mapping[str, Any] | None = None,
        progress: Show = False,  # ruff: ignore[boolean-default-value-positional-argument] (pyDVL's)
        seed: Seed = None,
        *,
        batch_size: int = 1,
    ) -> None:
        if not epsilon > 0:
            raise InputError(f"epsilon must be positive, got {epsilon!r}")
        self.utility = utility
        self.n_samples = as_count("n_samples", n_samples)
        self.epsilon = epsilon
        self.solver_options = solver_options
        self.progress = progress
        self.batch_size = batch_size
        self._entropy = entropy_of(seed)

    def _valued(self, data: Dataset | None) -> ValuationResult:
        points = Points.of(self.utility, data)
        game, failures = Cached(points.game), points.n_failures
        show = bool(self.progress)
        with reporting(points.game, "Group testing", self.n_samples + 2, show=show):
            estimate = group_testing(game, self.n_samples, self._entropy)
        stderr = estimate.standard_errors.cpu().numpy()
        return ValuationResult(
            values=estimate.values.cpu().numpy(),
            variances=stderr**2 * max(1, estimate.n_draws),
            stderr=stderr,
            counts=np.full(len(stderr), max(1, estimate.n_draws)),
            indices=points.indices,
            data_names=points.names,
            algorithm="Group-Testing-Shapley",
            status=Status.Converged,
            n_evaluations=game.n_stored,
            n_failures=points.n_failures - failures,
        )
