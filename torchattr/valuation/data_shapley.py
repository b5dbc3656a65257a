"""Shapley values of training examples."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from torchattr.errors import InputError
from torchattr.estimation.best_for_budget import best_for_budget
from torchattr.estimation.estimate import Estimate
from torchattr.estimation.exact import exact
from torchattr.estimation.monte_carlo import monte_carlo
from torchattr.estimation.size_strata import stratified_sums
from torchattr.estimation.stopping import StoppingRule
from torchattr.estimation.truncation import TruncationPolicy
from torchattr.games.game import Game
from torchattr.sampling.permutations import (
    AntitheticPermutations,
    OrthogonalPermutations,
    Permutations,
    PermutationSampler,
)
from torchattr.valuation.data_attribution import (
    DataAttribution,
    check_generator,
    checked_rule,
    only_one_of,
    refuse_given,
)

__all__ = ["DataShapley"]

Estimator: TypeAlias = Literal[
    "permutation", "antithetic", "orthogonal", "stratified", "auto", "exact"
]
_PERMUTATIONS: dict[str, Callable[[int, torch.device], PermutationSampler]] = {
    "permutation": Permutations,
    "antithetic": AntitheticPermutations,
    "orthogonal": OrthogonalPermutations,
}
_DEFAULT_SAMPLES = 25  # as in ShapleyValueSampling
_MOST_EXACT = 2**20  # models that are trained without being asked for


class DataShapley(DataAttribution):
    r"""Shapley values of training examples.

    :math:`\phi_i` is what training on example :math:`i` as well adds to the score,
    averaged over coalitions of the others: first over those of one size, then over all
    sizes. The values sum to the score of all the data minus that of none.

    =================== ================ ==============================================
    estimator           ``n_samples`` is what it does
    =================== ================ ==============================================
    ``"permutation"``   permutations     mean over random orders in which examples join
    ``"antithetic"``    permutations     the same with every order's reverse
    ``"orthogonal"``    permutations     blocks of ``2 (n - 1)`` orders, spread evenly
    ``"stratified"``    (``budget``)     means by size; the smallest and largest whole
    ``"auto"``          (``budget``)     what is most accurate for the budget, see
                                         :func:`~torchattr.estimation.best_for_budget`
    ``"exact"``         (none)           all :math:`2^n` coalitions
    =================== ================ ==============================================

    References:
        Ghorbani and Zou (2019), *Data Shapley: equitable valuation of data for machine
        learning*; Mitchell, Cooper, Frank and Holmes (2022).

    Example:
        >>> from torchattr.training import TorchLearner
        >>> _ = torch.manual_seed(1)
        >>> learner = TorchLearner(
        ...     torch.nn.Linear(1, 2),
        ...     torch.nn.CrossEntropyLoss(),
        ...     partial(torch.optim.SGD, lr=0.5),
        ...     epochs=20,
        ... )
        >>> x, y = torch.tensor([[-1.0], [1.0], [0.9]]), torch.tensor([0, 1, 0])
        >>> shapley = DataShapley(learner, test=(x[:2], y[:2]))
        >>> shapley.attribute((x, y), estimator="exact")
        tensor([ 0.3333,  0.3333, -0.1667], dtype=torch.float64)
    """

    def attribute(
        self,
        data: object,
        *,
        feature_mask: ArrayLike | Tensor | None = None,
        n_samples: int | None = None,
        budget: int | None = None,
        estimator: Estimator = "permutation",
        truncation: TruncationPolicy | None = None,
        perturbations_per_eval: int | None = None,
        stopping: StoppingRule | None = None,
        generator: torch.Generator | None = None,
        return_standard_error: bool = False,
        log: str | Path | None = None,
        show_progress: bool = False,
    ) -> Any:
        r"""Values of the training examples.

        Trains ``n_samples * (n - 1) + 1`` models for ``n`` examples (or groups), or at
        most ``budget``; a coalition that comes again is not trained on again. Arguments
        not listed are shared by all methods: :class:`DataAttribution`.

        Args:
            data: The training examples.
            feature_mask: Groups of examples.
            n_samples: Number of permutations, 25 if nothing says how long to sample;
                rounded up to whole replicates.
            budget: The most coalitions that are evaluated.
            estimator: One of the table.
            truncation: For permutations: when to give the rest of an order nothing; see
                :class:`~torchattr.valuation.RelativeTruncation`. All orders
                then advance together, and the sum of the values falls short of the
                total. It is asked about the mean over test examples.
            perturbations_per_eval: The most models trained at once.
            stopping: A rule that ends a run of permutations early.
            generator: Source of randomness.
            return_standard_error: Whether to return a pair.
            log: A file that keeps all scores.
            show_progress: Whether to show a bar.

        Returns:
            ``(n_train,)``, or ``(n_test, n_train)`` by test example, in float64; or a
            pair of these and their standard errors.

        Raises:
            InputError: If an argument does not fit, or the log is of another run.
        """
        only_one_of(n_samples, budget)
        checked_rule(stopping)
        check_generator(generator)
        _refuse_unknown(estimator, truncation)
        game = self._retraining(data, feature_mask, perturbations_per_eval)
        if estimator in _PERMUTATIONS:
            sampler = _PERMUTATIONS[estimator](game.n_players, game.device)
            n_draws = _draws(sampler, n_samples, budget)
            solve: Callable[[Game], Estimate] = partial(
                monte_carlo,
                sampler=sampler,
                n_draws=n_draws,
                generator=generator,
                stopping=stopping,
                truncation=truncation,
            )
            n_evaluations = 2 + n_draws * sampler.n_coalitions
        else:
            refuse_given(
                estimator, n_samples=n_samples, truncation=truncation, stopping=stopping
            )
            most = _most_evaluations(estimator, budget)
            solve = _by_budget(estimator, most, generator)
            n_evaluations = min(most, 1 << game.n_players)
        return self._valued(
            game,
            solve,
            n_evaluations=n_evaluations,
            log=log,
            show_progress=show_progress,
            return_standard_error=return_standard_error,
        )


def _refuse_unknown(estimator: object, truncation: object) -> None:
    known = [*_PERMUTATIONS, "stratified", "auto", "exact"]
    if estimator not in known:
        choices = ", ".join(f'"{name}"' for name in known)
        raise InputError(f"estimator must be one of {choices}; got {estimator!r}")
    if truncation is not None and not isinstance(truncation, TruncationPolicy):
        raise InputError(
            "truncation must be a policy such as RelativeTruncation(rtol=0.01); got "
            f"{type(truncation).__name__}"
        )


def _draws(
    sampler: PermutationSampler, n_samples: int | None, budget: int | None
) -> int:
    """How many replicates the user asked for."""
    if budget is None:
        n_samples = _DEFAULT_SAMPLES if n_samples is None else n_samples
        return -(-n_samples // sampler.n_permutations)
    draws = (budget - 2) // max(sampler.n_coalitions, 1)
    if draws < 1:
        raise InputError(
            f"budget={budget} is too small: a replicate of {sampler.n_permutations} "
            f"permutation(s) of {sampler.n_players} players takes "
            f"{2 + sampler.n_coalitions} evaluations. "
            'estimator="auto" takes any budget from 2 on.'
        )
    return draws


def _most_evaluations(estimator: str, budget: int | None) -> int:
    if budget is not None:
        return budget
    if estimator == "exact":
        return _MOST_EXACT
    raise InputError(f'estimator="{estimator}" chooses coalitions by budget: pass one')


def _by_budget(
    estimator: str, budget: int, generator: torch.Generator | None
) -> Callable[[Game], Estimate]:
    if estimator == "exact":
        return partial(exact, max_evaluations=budget)
    if estimator == "auto":
        return partial(best_for_budget, budget=budget, generator=generator)

    def stratified(game: Game) -> Estimate:
        return stratified_sums(game, budget, generator=generator).estimate()

    return stratified
