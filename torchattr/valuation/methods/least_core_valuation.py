"""The least core: from a sampler, exactly, or from random coalitions."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.estimation.least_core import least_core
from torchattr.games.cached import Cached
from torchattr.games.counts import as_count
from torchattr.games.game import Game
from torchattr.games.progress import reporting
from torchattr.sampling.coalitions_by_size import coalitions_of_sizes
from torchattr.sampling.marginals import EVERYBODY
from torchattr.sampling.random_subsets import uniform_subsets, words_for_bits
from torchattr.sampling.random_words import RandomWords, Seed, entropy_of
from torchattr.valuation.methods.one_pass_valuation import OnePassValuation
from torchattr.valuation.methods.points import Points
from torchattr.valuation.progress_bar import Show
from torchattr.valuation.result import Status, ValuationResult
from torchattr.valuation.samplers import IndexSampler

if TYPE_CHECKING:
    from torchattr.valuation.dataset import Dataset
    from torchattr.valuation.utility import UtilityBase

__all__ = [
    "ExactLeastCoreValuation",
    "LeastCoreValuation",
    "MonteCarloLeastCoreValuation",
]

_MOST_PLAYERS = 20  # all of whose coalitions are held at once, in 200 MB
_SAMPLES_EACH = 1000  # times the number of points, as in pyDVL
_OPTIONS = {
    "maxiter", "disp", "presolve", "time_limit", "dual_feasibility_tolerance",
    "primal_feasibility_tolerance", "simplex_dual_edge_weight_strategy", "mip_rel_gap",
}  # fmt: skip


class _LeastCore(OnePassValuation):
    """What the three share: coalitions, their values, and the two programs."""

    def __init__(
        self,
        utility: UtilityBase | Game,
        *,
        non_negative_subsidy: bool,
        solver_options: Mapping[str, Any] | None,
        progress: Show,
    ) -> None:
        self.utility = utility
        self.non_negative_subsidy = non_negative_subsidy
        self.progress = progress
        self._options = _highs_options(solver_options or {})

    @abstractmethod
    def _coalitions(self, n: int) -> Tensor:
        """``(C, n)`` booleans: the coalitions that are to be content."""

    @abstractmethod
    def _is_exact(self) -> bool:
        """Whether these are all there are."""

    @final
    def _valued(self, data: Dataset | None) -> ValuationResult:
        points = Points.of(self.utility, data)
        game, failures = Cached(points.game), points.n_failures
        coalitions = self._coalitions(game.n_players)
        n_evaluations = len(coalitions) + 1
        show = bool(self.progress)
        with reporting(points.game, "Least core", n_evaluations, show=show):
            values = game(torch.cat([coalitions.to(game.device), game.ends()[1:]]))
        if values.ndim != 1:
            raise InputError(
                "the least core is of games whose values are numbers, got values of "
                f"shape {tuple(values.shape[1:])}"
            )
        shares, subsidy = least_core(
            coalitions,
            values[:-1],
            float(values[-1]),
            non_negative_subsidy=self.non_negative_subsidy,
            options=self._options,
        )
        exact = {"variances": np.zeros(len(shares))} if self._is_exact() else {}
        return ValuationResult(
            values=shares.numpy(),
            **exact,
            indices=points.indices,
            data_names=points.names,
            algorithm="Least-Core",
            status=Status.Converged,
            subsidy=subsidy,
            n_evaluations=game.n_stored,
            n_failures=points.n_failures - failures,
        )


@final
class LeastCoreValuation(_LeastCore):
    r"""Values that leave no sampled coalition much better off by itself.

    The result's ``subsidy`` is the least :math:`e` for which there are values with

    .. math:: \sum_i x_i = u(N), \qquad \sum_{i \in S} x_i + e \ge u(S)

    for all sampled :math:`S` but :math:`\emptyset` and :math:`N`, and the values are
    those of the least norm. HiGHS solves the linear program, to 1e-9.

    Args:
        utility: What a coalition of the data is worth, or a game, whose players are
            then valued without data.
        sampler: Samples coalitions of the whole set: a powerset sampler with
            ``index_iteration=NoIndexIteration`` or ``FiniteNoIndexIteration``.
        n_samples: How many coalitions; ``None`` is 1000 for each point, or as many as a
            finite sampler has. Each different one costs an evaluation.
        non_negative_subsidy: Whether :math:`e \ge 0` is asked for as well.
        solver_options: Of HiGHS, as :func:`scipy.optimize.linprog` takes them. Options
            of other solvers are ignored with a warning.
        progress: Whether to show a progress bar.

    Raises:
        InputError: If the sampler is for single indices, the coalitions limit no
            subsidy, or an option stops HiGHS early.

    Example:
        >>> from torchattr.games.synthetic import MinerGame
        >>> from torchattr.valuation.samplers import (
        ...     DeterministicUniformSampler, FiniteNoIndexIteration
        ... )
        >>> every = DeterministicUniformSampler(index_iteration=FiniteNoIndexIteration)
        >>> result = LeastCoreValuation(MinerGame(5), every).fit().result
        >>> result.values.round(6), round(result.subsidy, 6)
        (array([0.4, 0.4, 0.4, 0.4, 0.4]), 0.4)

    References:
        Yan and Procaccia (2021), *If you like Shapley then you'll love the core*.
    """

    def __init__(
        self,
        utility: UtilityBase | Game,
        sampler: IndexSampler,
        n_samples: int | None = None,
        non_negative_subsidy: bool = False,  # ruff: ignore[boolean-type-hint-positional-argument, boolean-default-value-positional-argument] (pyDVL's)
        solver_options: Mapping[str, Any] | None = None,
        progress: Show = False,  # ruff: ignore[boolean-default-value-positional-argument] (pyDVL's)
    ) -> None:
        super().__init__(
            utility,
            non_negative_subsidy=non_negative_subsidy,
            solver_options=solver_options,
            progress=progress,
        )
        self.sampler = sampler
        self.n_samples = None if n_samples is None else as_count("n_samples", n_samples)

    def _coalitions(self, n: int) -> Tensor:
        rounds, blocks = self.sampler.rounds, []
        missing, start, last = self._wanted(n), 0, rounds.n_rounds(n)
        while missing > 0:
            count = max(1, missing // max(1, rounds.samples_per_round(n)))
            count = count if last is None else min(count, last - start)
            block = self.sampler.marginals(n, start, count)
            if not len(block):
                break
            if bool((block.players != EVERYBODY).any()):
                raise InputError(
                    f"{self.sampler!r} samples subsets for single points; the least "
                    "core needs subsets of the whole set: give the sampler "
                    "index_iteration=NoIndexIteration, or FiniteNoIndexIteration"
                )
            blocks.append(block.subsets[:missing])
            missing -= len(block)
            start += count
        return torch.cat(blocks or [torch.zeros(0, n, dtype=torch.bool)])

    def _wanted(self, n: int) -> int:
        limit = self.sampler.sample_limit(np.arange(n))
        default = _SAMPLES_EACH * n if limit is None else limit
        return default if self.n_samples is None else self.n_samples

    def _is_exact(self) -> bool:
        return self.sampler.is_exhaustive and self.n_samples is None


@final
class ExactLeastCoreValuation(_LeastCore):
    """The least core of all coalitions.

    Costs :math:`2^n` evaluations.

    Args:
        utility: What a coalition of the data is worth, or a game, whose players are
            then valued without data.
        non_negative_subsidy: Whether the subsidy must not be negative.
        solver_options: As in :class:`LeastCoreValuation`.
        progress: Whether to show a progress bar.
        batch_size: Ignored; the game decides how many are evaluated at once.

    Raises:
        InputError: If there are more than 20 points.

    Example:
        >>> from torchattr.games.synthetic import ShoesGame
        >>> result = ExactLeastCoreValuation(ShoesGame(2, 1)).fit().result
        >>> result.values.round(6) + 0, result.subsidy
        (array([0., 0., 1.]), 0.0)
    """

    def __init__(
        self,
        utility: UtilityBase | Game,
        non_negative_subsidy: bool = False,  # ruff: ignore[boolean-type-hint-positional-argument, boolean-default-value-positional-argument] (pyDVL's)
        solver_options: Mapping[str, Any] | None = None,
        progress: Show = False,  # ruff: ignore[boolean-default-value-positional-argument] (pyDVL's)
        batch_size: int = 1,
    ) -> None:
        super().__init__(
            utility,
            non_negative_subsidy=non_negative_subsidy,
            solver_options=solver_options,
            progress=progress,
        )
        self.batch_size = batch_size

    def _coalitions(self, n: int) -> Tensor:
        if n > _MOST_PLAYERS:
            raise InputError(
                f"the exact least core of {n} points needs 2**{n} evaluations, more "
                f"than 2**{_MOST_PLAYERS}; use MonteCarloLeastCoreValuation, or groups"
            )
        return coalitions_of_sizes(n, range(n + 1))

    def _is_exact(self) -> bool:
        return True


@final
class MonteCarloLeastCoreValuation(_LeastCore):
    """The least core of random coalitions, all subsets alike.

    Costs ``n_samples + 1`` evaluations. With fewer coalitions than about twice the
    points, they may limit no subsidy.

    Args:
        utility: What a coalition of the data is worth, or a game, whose players are
            then valued without data.
        n_samples: How many coalitions.
        non_negative_subsidy: Whether the subsidy must not be negative.
        solver_options: As in :class:`LeastCoreValuation`.
        progress: Whether to show a progress bar.
        seed: Of the coalitions: number ``k`` depends on the seed and ``k`` only.
        batch_size: Ignored; the game decides how many are evaluated at once.

    Raises:
        InputError: If the coalitions limit no subsidy.

    Example:
        >>> from torchattr.games.synthetic import MinerGame
        >>> method = MonteCarloLeastCoreValuation(MinerGame(3), 100, seed=0)
        >>> method.fit().result.values.round(6)
        array([0.333333, 0.333333, 0.333333])
    """

    def __init__(
        self,
        utility: UtilityBase | Game,
        n_samples: int,
        non_negative_subsidy: bool = False,  # ruff: ignore[boolean-type-hint-positional-argument, boolean-default-value-positional-argument] (pyDVL's)
        solver_options: Mapping[str, Any] | None = None,
        progress: Show = False,  # ruff: ignore[boolean-default-value-positional-argument] (pyDVL's)
        seed: Seed = None,
        *,
        batch_size: int = 1,
    ) -> None:
        super().__init__(
            utility,
            non_negative_subsidy=non_negative_subsidy,
            solver_options=solver_options,
            progress=progress,
        )
        self.n_samples = as_count("n_samples", n_samples)
        self.batch_size = batch_size
        self._entropy = entropy_of(seed)

    def _coalitions(self, n: int) -> Tensor:
        words = RandomWords(self._entropy, "coalitions of the least core")
        rows = words.rows(0, self.n_samples, words_for_bits(n))
        return uniform_subsets(rows, torch.full((self.n_samples,), EVERYBODY), n)

    def _is_exact(self) -> bool:
        return False


def _highs_options(options: Mapping[str, Any]) -> dict[str, Any]:
    names = {"max_iters": "maxiter", "verbose": "disp"}  # cvxpy's, as in pyDVL
    ours = {names.get(name, name): option for name, option in options.items()}
    ignored = sorted(ours.keys() - _OPTIONS)
    if ignored:
        warnings.warn(
            f"solver_options {', '.join(ignored)} are ignored: HiGHS solves the least "
            f"core, and takes {', '.join(sorted(_OPTIONS))}",
            stacklevel=5,
        )
    return {name: option for name, option in ours.items() if name in _OPTIONS}
