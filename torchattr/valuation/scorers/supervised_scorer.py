"""Scores of a model's predictions on test data."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Protocol, TypeAlias, runtime_checkable

from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.examples import RawDataset
from torchattr.training.estimator_score import sklearn_scorer
from torchattr.training.model_scores import SCORE_NAMES
from torchattr.valuation.dataset import RawData
from torchattr.valuation.scorers.scorer import Scorer, checked_default, checked_range

__all__ = ["ScoredModel", "Scoring", "SupervisedScorer", "arrays_of"]


@runtime_checkable
class ScoredModel(Protocol):
    """A model that scores its own predictions, as scikit-learn's and skorch's do."""

    def score(self, x: Any, y: Any) -> float:  # ruff: ignore[any-type] (whatever the model takes)
        """The score of the predictions for ``x``."""
        ...


#: A name, a function ``(model, x, y) -> float``, or a model whose ``score`` is used.
Scoring: TypeAlias = "str | Callable[[Any, Any, Any], float] | ScoredModel"


class SupervisedScorer(Scorer):
    """How well a model predicts the targets of test data.

    The targets are given to the score as a NumPy array, also where they are a tensor.

    Args:
        scoring: The name of a scorer of scikit-learn, a function ``(model, x, y) ->
            float``, or a model, whose own ``score`` is meant. For a
            :class:`~torchattr.training.TorchLearner` also ``"log_likelihood"`` and
            ``"neg_loss"``; these, ``"accuracy"``, ``"f1"`` and ``"r2"`` are computed
            for hundreds of models at once.
        test_data: A :class:`~torchattr.valuation.Dataset`, or a pair ``(x, y)``.
        default: The score of no model; computed if ``None``, see :class:`Scorer`.
        range: The least and the greatest score there can be.
        name: What it is called; by default after ``scoring``.

    Raises:
        InputError: If there is no such score, the test data are no pair, ``default`` is
            not finite or ``range`` not in order.
        MissingExtraError: If the score is scikit-learn's, which is not installed.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> x, y = [[0.0], [1.0], [2.0]], [0.0, 2.0, 4.0]
        >>> SupervisedScorer("r2", (x, y))(LinearRegression().fit(x, y))
        1.0
    """

    def __init__(
        self,
        scoring: Scoring,
        test_data: object,
        default: float | None = None,
        range: tuple[float, float] = (-inf, inf),
        name: str | None = None,
    ) -> None:
        self.scoring = scoring
        self.test_data = test_data
        self.default = checked_default(default)
        self.range = checked_range(range)
        self.name = _name(scoring) if name is None else name
        self._function = scoring_function(scoring)
        self._x, y = arrays_of(test_data)
        self._y = as_target_array(y)

    def __call__(self, model: object) -> float:
        """See :meth:`Scorer.__call__`."""
        return float(self._function(model, self._x, self._y))


def scoring_function(scoring: Scoring) -> Callable[[Any, Any, Any], float]:
    """What a user scores by, as a function.

    Args:
        scoring: See :class:`SupervisedScorer`.

    Returns:
        A function ``(model, x, y) -> float``.

    Raises:
        InputError: If there is no such score.
        MissingExtraError: If the score is scikit-learn's, which is not installed.
    """
    if isinstance(scoring, str):
        if scoring in {"log_likelihood", "neg_loss"}:
            return _only_for_learners
        return sklearn_scorer(scoring)
    if isinstance(scoring, ScoredModel):
        return own_score
    if callable(scoring):
        return scoring
    raise InputError(
        "scoring must be the name of a score, a function (model, x, y) -> float, or a "
        f"model with a method score; got {type(scoring).__name__}"
    )


def own_score(model: ScoredModel, x: object, y: object) -> float:
    """The score that a model gives itself.

    Args:
        model: A trained model.
        x: Inputs.
        y: Targets.

    Returns:
        ``model.score(x, y)``.
    """
    return model.score(x, y)


def arrays_of(data: object) -> tuple[Any, Any]:
    """Inputs and targets of test data.

    Args:
        data: A dataset of ours, or a pair.

    Returns:
        Inputs and targets.

    Raises:
        InputError: If it is neither.
    """
    if isinstance(data, RawDataset) and callable(data.data):  # (tensors' is not)
        data = tuple(data.data())
    if isinstance(data, RawData):
        data = tuple(data)
    if isinstance(data, tuple | list) and len(data) == 2:
        return data[0], data[1]
    raise InputError(
        "test_data must be a Dataset or a pair (x, y); got "
        f"{type(data).__name__}. Dataset.from_arrays(x, y) gives a training and a test "
        "set"
    )


def as_target_array(y: Any) -> Any:  # ruff: ignore[any-type] (whatever the model takes)
    """Targets as scikit-learn's scores take them.

    Args:
        y: A tensor on any device, or anything else, which stays as it is.

    Returns:
        A NumPy array for a tensor.
    """
    return y.detach().cpu().numpy() if isinstance(y, Tensor) else y


def _name(scoring: Scoring) -> str:
    if isinstance(scoring, str):
        return scoring
    if isinstance(scoring, ScoredModel):
        return f"score of {type(scoring).__name__}"
    return getattr(scoring, "__name__", type(scoring).__name__)


def _only_for_learners(model: object, x: object, y: object) -> float:
    raise InputError(
        f"the scores {', '.join(SCORE_NAMES)} are computed for models of a "
        f"TorchLearner; 'log_likelihood' and 'neg_loss' are not known to "
        f"{type(model).__name__}. Use scikit-learn's 'neg_log_loss'."
    )
