"""The methods that remove training examples, and train again on the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from torchattr.errors import InputError
from torchattr.estimation.estimate import Estimate
from torchattr.estimation.stopping import StoppingRule
from torchattr.games.attribution import PerturbationAttribution
from torchattr.games.cached import Cached
from torchattr.games.counts import as_count
from torchattr.games.evaluation_log import EvaluationLog
from torchattr.games.game import Game
from torchattr.training.learner import Learner
from torchattr.training.model_scores import ScorerLike
from torchattr.training.retraining_game import RetrainingGame
from torchattr.valuation.scorers.scorer import Scorer

__all__ = [
    "DataAttribution",
    "check_generator",
    "checked_rule",
    "only_one_of",
    "refuse_given",
]


class DataAttribution(PerturbationAttribution):
    r"""A method whose players are training examples, or groups of them.

    A coalition of examples is worth what a model scores that was trained on it, from
    the same initial weights as all others. A subclass chooses which coalitions are
    trained on and how their scores become values.

    **Arguments shared by all methods of this kind:**

    ``data``
        The training examples: ``(x, y)`` of tensors or arrays (``x`` may also be a
        tuple or dict of them), or a dataset.
    ``feature_mask``
        ``(n_train,)`` integers: examples with the same number are removed together.
        Every member carries the value of its group. ``None`` removes single examples.
    ``n_samples``, ``budget``
        How long to sample, in the units of the estimator, or in models trained. Give at
        most one of them.
    ``perturbations_per_eval``
        The most models trained at once; as many as memory suggests if ``None``. Changes
        speed and memory only.
    ``stopping``
        A rule of :mod:`torchattr.estimation.stopping` that ends the run early;
        ``n_samples`` is then the maximum.
    ``generator``
        Source of randomness; ``None`` is PyTorch's global one. What training draws is
        decided by the learner's seed alone.
    ``return_standard_error``
        Whether to return a pair: values and their standard errors, which are 0 for
        exact values and NaN where a single replicate says nothing.
    ``log``
        A file that keeps the scores of all coalitions. What is in it is not trained
        again: the same call goes on where it was interrupted, and another number of
        samples, seed or method uses what it needs. For other data, model, training or
        scorer it is refused, and left as it was; see
        :class:`~torchattr.games.EvaluationLog`.
    ``show_progress``
        Whether to show a bar that counts coalitions.

    Args:
        learner: Trains the models: a :class:`~torchattr.training.TorchLearner`.
        test: The ``(x, y)`` that models are scored on.
        scorer: ``"accuracy"``, ``"log_likelihood"``, ``"neg_loss"``, ``"r2"``,
            ``"f1"``, the name of a scorer of scikit-learn, or a function
            ``(estimator, x, y) -> float``; see
            :class:`~torchattr.training.RetrainingGame`. Likelihoods of models trained
            on a few examples are huge unless the learner regularises (weight decay).
        per_example: Whether every test example has its own score: values are then
            ``(n_test, n_train)``, from the same trainings.
        default: The score of no training examples at all; that of the best constant
            prediction if ``None``.

    Attributes:
        learner: The learner.

    Raises:
        InputError: If the learner is none.

    Example:
        >>> from torchattr.valuation.data_shapley import DataShapley
        >>> issubclass(DataShapley, DataAttribution)
        True
    """

    def __init__(
        self,
        learner: Learner,
        *,
        test: object,
        scorer: ScorerLike = "accuracy",
        per_example: bool = False,
        default: float | ArrayLike | Tensor | None = None,
    ) -> None:
        if not isinstance(learner, Learner):
            raise InputError(
                f"learner must be a TorchLearner, got {type(learner).__name__}. For "
                "models of scikit-learn and skorch use ModelUtility with "
                "ShapleyValuation and its kind."
            )
        if isinstance(scorer, Scorer):
            raise InputError(
                "scorer must be a name or a function (model, x, y); got "
                f"{type(scorer).__name__}, which is for ModelUtility. Pass "
                "test=(x, y) and the name of the score."
            )
        super().__init__(learner)
        self.learner = learner
        self._test = test
        self._scoring: dict[str, Any] = {
            "scorer": scorer,
            "per_example": per_example,
            "default": default,
        }

    def _retraining(
        self,
        data: object,
        feature_mask: ArrayLike | Tensor | None,
        perturbations_per_eval: int | None,
    ) -> RetrainingGame:
        """The game of what the user passed."""
        return RetrainingGame(
            self.learner,
            data,
            self._test,
            groups=feature_mask,
            perturbations_per_eval=perturbations_per_eval,
            **self._scoring,
        )

    def _valued(
        self,
        game: RetrainingGame,
        solve: Callable[[Game], Estimate],
        *,
        n_evaluations: int,
        log: str | Path | None,
        show_progress: bool,
        return_standard_error: bool,
    ) -> Any:
        """Run an estimator on the game, and answer with a value for each example."""
        kept = None
        if log is not None:
            kept = EvaluationLog(log, game.n_players, game.identity)
        cached = Cached(game, kept)
        # The bar is the inner game's, which moves with every chunk.
        solution = self._solved(
            game,
            lambda _: solve(cached),
            n_evaluations=n_evaluations,
            show_progress=show_progress,
        )
        values, errors = (
            part[game.owners].movedim(0, -1)
            for part in (solution.values, solution.standard_errors)
        )
        return (values, errors) if return_standard_error else values


def only_one_of(n_samples: int | None, budget: int | None) -> None:
    """Refuse two answers to the question of how long to sample.

    Args:
        n_samples: One of them.
        budget: The other.

    Raises:
        InputError: If both are given, or one is no positive integer.

    Example:
        >>> only_one_of(None, 100)
    """
    if n_samples is not None and budget is not None:
        raise InputError(
            "pass n_samples or budget, not both: each says how long to sample; got "
            f"n_samples={n_samples!r} and budget={budget!r}"
        )
    if n_samples is not None:
        as_count("n_samples", n_samples)
    if budget is not None:
        as_count("budget", budget)


def checked_rule(stopping: object) -> None:
    """Refuse what is no stopping rule.

    Args:
        stopping: A rule, or ``None``.

    Raises:
        InputError: If it is neither.

    Example:
        >>> checked_rule(None)
    """
    if stopping is not None and not isinstance(stopping, StoppingRule):
        raise InputError(
            "stopping must be a rule of torchattr.estimation.stopping, such as "
            f"StandardErrorBelow(0.01); got {type(stopping).__name__}. The criteria of "
            "torchattr.valuation.stopping are for ShapleyValuation and its kind."
        )


def check_generator(generator: object) -> None:
    """Refuse a seed where a generator is due.

    Args:
        generator: A generator, or ``None``.

    Raises:
        InputError: If it is neither.

    Example:
        >>> check_generator(None)
    """
    if generator is not None and not isinstance(generator, torch.Generator):
        raise InputError(
            f"generator must be a torch.Generator; got {generator!r}. Seeded: "
            "torch.Generator().manual_seed(0)"
        )


def refuse_given(estimator: str, **arguments: object) -> None:
    """Refuse arguments that an estimator has no use for.

    Args:
        estimator: Its name.
        **arguments: The arguments by name, ``None`` where not given.

    Raises:
        InputError: If one is given.
    """
    given = [name for name, value in arguments.items() if value is not None]
    if given:
        raise InputError(
            f'estimator="{estimator}" takes no {" and no ".join(given)}; leave it out, '
            "or choose another estimator"
        )
