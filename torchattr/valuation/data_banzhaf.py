"""Banzhaf values of training examples."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from torchattr.errors import InputError
from torchattr.estimation.estimate import Estimate
from torchattr.estimation.exact import exact
from torchattr.estimation.sample_reuse import sample_reuse
from torchattr.estimation.size_strata import stratified_sums
from torchattr.estimation.stopping import StoppingRule
from torchattr.games.game import Game
from torchattr.games.semivalues import banzhaf
from torchattr.valuation.data_attribution import (
    DataAttribution,
    check_generator,
    checked_rule,
    only_one_of,
    refuse_given,
)

__all__ = ["DataBanzhaf"]

Estimator: TypeAlias = Literal["msr", "antithetic", "stratified", "auto", "exact"]
_KNOWN = ("msr", "antithetic", "stratified", "auto", "exact")
_DEFAULT_SAMPLES = 1000
_MOST_EXACT = 2**20  # models that are trained without being asked for


class DataBanzhaf(DataAttribution):
    r"""Banzhaf values of training examples.

    :math:`\phi_i` is what training on example :math:`i` as well adds to the score,
    averaged over all coalitions of the others alike. The ranking of the examples
    suffers less from the randomness of training than that of Shapley values. The values
    need not sum to anything.

    ================== ============== ================================================
    estimator          ``n_samples``  what it does
    ================== ============== ================================================
    ``"msr"``          coalitions     maximum sample reuse: mean score with an example
                                      minus mean score without it
    ``"antithetic"``   coalitions     the same with every coalition's complement;
                                      better if the score depends on the size alone,
                                      up to twice the variance if it is additive
    ``"stratified"``   (``budget``)   means by size
    ``"auto"``         coalitions     exact where all are affordable, else ``"msr"``
    ``"exact"``        (none)         all :math:`2^n` coalitions
    ================== ============== ================================================

    References:
        Wang and Jia (2023), *Data Banzhaf: a robust data valuation framework for
        machine learning*.

    Example:
        >>> from torchattr.training import TorchLearner
        >>> _ = torch.manual_seed(1)
        >>> learner = TorchLearner(
        ...     torch.nn.Linear(1, 1),
        ...     torch.nn.MSELoss(),
        ...     partial(torch.optim.SGD, lr=0.1),
        ...     epochs=50,
        ... )
        >>> x = torch.tensor([[0.0], [1.0], [2.0]])
        >>> y = torch.tensor([[0.0], [1.0], [-9.0]])
        >>> values = DataBanzhaf(learner, test=(x[:2], y[:2]), scorer="r2")
        >>> values.attribute((x, y), estimator="exact").argmin().item()
        2
    """

    def attribute(
        self,
        data: object,
        *,
        feature_mask: ArrayLike | Tensor | None = None,
        n_samples: int | None = None,
        budget: int | None = None,
        estimator: Estimator = "msr",
        perturbations_per_eval: int | None = None,
        stopping: StoppingRule | None = None,
        generator: torch.Generator | None = None,
        return_standard_error: bool = False,
        log: str | Path | None = None,
        show_progress: bool = False,
    ) -> Any:
        """Values of the training examples.

        Trains one model for each coalition that is new. Arguments not listed are shared
        by all methods: :class:`DataAttribution`.

        Args:
            data: The training examples.
            feature_mask: Groups of examples.
            n_samples: Number of coalitions, 1000 if nothing says how long to sample;
                rounded up to whole pairs. The first are the same whatever the number.
            budget: The most coalitions that are evaluated: for sampling the same as
                ``n_samples``.
            estimator: One of the table.
            perturbations_per_eval: The most models trained at once.
            stopping: A rule that ends sampling early.
            generator: Source of randomness.
            return_standard_error: Whether to return a pair.
            log: A file that keeps all scores.
            show_progress: Whether to show a bar.

        Returns:
            ``(n_train,)``, or ``(n_test, n_train)`` by test example, in float64; or a
            pair of these and their standard errors. NaN for an example that was in all
            sampled coalitions, or in none.

        Raises:
            InputError: If an argument does not fit, or the log is of another run.
        """
        only_one_of(n_samples, budget)
        checked_rule(stopping)
        check_generator(generator)
        game = self._retraining(data, feature_mask, perturbations_per_eval)
        solve, most = _solver(
            estimator, game.n_players, n_samples, budget, stopping, generator
        )
        return self._valued(
            game,
            solve,
            n_evaluations=most,
            log=log,
            show_progress=show_progress,
            return_standard_error=return_standard_error,
        )


def _solver(
    estimator: str,
    n_players: int,
    n_samples: int | None,
    budget: int | None,
    stopping: StoppingRule | None,
    generator: torch.Generator | None,
) -> tuple[Callable[[Game], Estimate], int]:
    """The estimator, and the most coalitions that it evaluates."""
    if estimator not in _KNOWN:
        choices = ", ".join(f'"{name}"' for name in _KNOWN)
        raise InputError(f"estimator must be one of {choices}; got {estimator!r}")
    if estimator in {"stratified", "exact"}:
        refuse_given(estimator, n_samples=n_samples, stopping=stopping)
    if estimator == "stratified" and budget is None:
        raise InputError(
            'estimator="stratified" chooses coalitions by budget: pass one'
        )
    most = budget or n_samples or _DEFAULT_SAMPLES
    if estimator == "exact" or (estimator == "auto" and most >= 1 << n_players):
        most = budget or max(most, _MOST_EXACT)
        solve: Callable[[Game], Estimate] = partial(
            exact, semivalue=banzhaf, max_evaluations=most
        )
        return solve, min(most, 1 << n_players)
    if estimator == "stratified":
        return partial(_stratified, budget=most, generator=generator), most
    pairs = estimator == "antithetic"
    if pairs and budget is not None:
        most -= most % 2  # a budget is never exceeded
    solve = partial(
        sample_reuse,
        n_samples=most,
        antithetic=pairs,
        generator=generator,
        stopping=stopping,
    )
    return solve, most + most % 2 if pairs else most


def _stratified(game: Game, budget: int, generator: torch.Generator | None) -> Estimate:
    strata = stratified_sums(game, budget, semivalue=banzhaf, generator=generator)
    return strata.estimate(banzhaf)
