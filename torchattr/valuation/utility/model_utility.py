"""The utility of training points: the score of the model trained on them."""

from __future__ import annotations

import copy
from math import isfinite
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from torchattr.errors import InputError
from torchattr.training.learner import Learner
from torchattr.training.retraining_game import RetrainingGame
from torchattr.valuation.dataset import Dataset
from torchattr.valuation.scorers import Scorer
from torchattr.valuation.scorers.supervised_scorer import as_target_array
from torchattr.valuation.types import Sample
from torchattr.valuation.utility.attempt import attempt
from torchattr.valuation.utility.constant_model import constant_model
from torchattr.valuation.utility.failures import Failures
from torchattr.valuation.utility.learner_utility import (
    learner_game,
    trained_estimator,
)
from torchattr.valuation.utility.utility import UtilityBase

__all__ = ["ModelUtility"]


@runtime_checkable
class _Trainable(Protocol):
    def fit(self, x: object, y: object) -> object: ...


@runtime_checkable
class _WithParameters(Protocol):
    def get_params(self, *, deep: bool = ...) -> dict[str, object]: ...


class ModelUtility(UtilityBase):
    r"""The score of a model that is trained on a subset of the points.

    The model is anything with scikit-learn's protocol (``fit``, and what the scorer
    needs), such as an estimator or a skorch net; or a
    :class:`~torchattr.training.TorchLearner`, of which valuation methods train hundreds
    at once. Models of the first kind are trained by joblib's workers: call a method
    within ``joblib.parallel_config(n_jobs=...)``.

    A subset that is empty, or on which training or scoring fails, is worth the scorer's
    default. A failure is warned about once and counted; one on the whole training set
    is an error. So is a score that is NaN or infinite, which pyDVL took for a failure.
    What a learner raises is raised as it is.

    Args:
        model: What is trained.
        scorer: What it is worth then.
        catch_errors: Whether a failure on a subset is worth the default. If not, the
            model's own error is raised.
        show_warnings: Whether the first failure, and what the model warns about in
            training, are shown.
        cache_backend: Must be ``None``: valuation methods evaluate no coalition twice.
        cached_func_options: Must be ``None``.
        clone_before_fit: Whether each training starts from a fresh copy of the model:
            scikit-learn's ``clone``, or a deep copy of what has no ``get_params``. If
            not, the model itself is trained again and again; it must forget what it
            learned before, and may not be shared by threads.

    Raises:
        InputError: If the model cannot be trained, the scorer is none, or a cache is
            asked for.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> from torchattr.valuation.scorers import SupervisedScorer
        >>> x, y = np.arange(4.0)[:, None], 2 * np.arange(4.0)
        >>> utility = ModelUtility(LinearRegression(), SupervisedScorer("r2", (x, y)))
        >>> utility = utility.with_dataset(Dataset(x, y))
        >>> utility(None), utility(Sample(None, np.array([0, 3])))
        (0.0, 1.0)
    """

    def __init__(
        self,
        model: object,
        scorer: Scorer,
        *,
        catch_errors: bool = True,
        show_warnings: bool = True,
        cache_backend: object = None,
        cached_func_options: object = None,
        clone_before_fit: bool = True,
    ) -> None:
        if cache_backend is not None or cached_func_options is not None:
            raise InputError(
                "cache_backend and cached_func_options must be None: methods of "
                "valuation evaluate no coalition twice, and DataShapley(...).attribute"
                "(..., log=path) keeps what it evaluated in a file"
            )
        if not isinstance(model, Learner | _Trainable):
            raise InputError(
                "model must have fit and predict, as scikit-learn's models do, or be a "
                f"TorchLearner; got {type(model).__name__}"
            )
        if not isinstance(scorer, Scorer):
            raise InputError(
                "scorer must be a Scorer, such as SupervisedScorer('accuracy', "
                f"test_data); got {type(scorer).__name__}"
            )
        self.model = model
        self.scorer = scorer
        self.catch_errors = catch_errors
        self.show_warnings = show_warnings
        self.clone_before_fit = clone_before_fit
        self._failures: Failures | None = None
        self._known_default: tuple[Dataset | None, float] | None = None
        self._game: tuple[Dataset, RetrainingGame | None] | None = None

    def __call__(self, sample: Sample | None) -> float:
        """See :meth:`UtilityBase.__call__`.

        Args:
            sample: The points, in ``sample.subset``; ``None`` is none.

        Returns:
            The score of the trained model, or the scorer's default.

        Raises:
            InputError: If no training data are known, if training fails on all of
                them, or if a score is not finite.
        """
        if sample is None or len(sample.subset) == 0:
            return self.default
        if self.learner_game is not None:
            coalition = np.isin(self._data().indices, sample.subset)
            return float(self.learner_game(torch.tensor(coalition)[None]))
        tried = attempt(self, sample)
        value, reason = tried.value, tried.reason
        if reason is not None:
            self._own_failures().add(self, 1, reason)
            return self.default
        if not isfinite(value):
            raise InputError(
                f"{self.scorer.name or 'the score'} must be finite, got "
                f"{value} for a subset of {len(sample.subset)}: "
                f"{list(sample.subset[:12])}"
            )
        return value

    @property
    def default(self) -> float:
        """What an empty subset is worth, and one on which training fails.

        Raises:
            InputError: If the scorer has no default, and the training data are not
                known or its constant predictor's score is not finite.
        """
        data = self._training_data
        if self._known_default is None or self._known_default[0] is not data:
            self._known_default = data, self._default()
        return self._known_default[1]

    @property
    def n_failures(self) -> int:
        """Calls on the present training data that failed; games count their own."""
        failures = self._failures
        if failures is None or failures.data is not self._training_data:
            return 0
        return failures.count

    @property
    def learner_game(self) -> RetrainingGame | None:
        """The game in which a learner trains many models at once.

        ``None`` for other models, and for scorers that know one model at a time.
        """
        if not isinstance(self.model, Learner):
            return None
        data = self._data()
        if self._game is None or self._game[0] is not data:
            self._game = data, learner_game(self.model, self.scorer, data)
        return self._game[1]

    def sample_to_data(self, sample: Sample) -> tuple[Any, Any]:
        """Inputs and targets of a sample; a subclass may change them.

        Args:
            sample: The points.

        Returns:
            What ``fit`` is called with.
        """
        x, y = self._data().data(sample.subset)
        return x, y

    def trained_model(self, sample: Sample) -> object:
        """The model after training on a sample.

        Args:
            sample: The points.

        Returns:
            A trained copy of the model (the model itself unless ``clone_before_fit``),
            or what a learner trained, with scikit-learn's protocol.

        Raises:
            InputError: If no training data are known.
        """
        if isinstance(self.model, Learner):
            return trained_estimator(self.model, self._data(), sample)
        model: Any = self.model
        if self.clone_before_fit:
            model = _fresh(model)
        model.fit(*self.sample_to_data(sample))
        return model

    def _data(self) -> Dataset:
        if self._training_data is None:
            raise InputError(
                "the utility needs training data; use utility.with_dataset(data), or "
                "the fit(data) of a valuation method"
            )
        return self._training_data

    def _own_failures(self) -> Failures:
        data = self._data()
        if self._failures is None or self._failures.data is not data:
            self._failures = Failures(data)
        return self._failures

    def _default(self) -> float:
        if self.scorer.default is not None:
            return float(self.scorer.default)
        if self.learner_game is not None:
            return float(self.learner_game.default)
        y = as_target_array(self._data().data().y)
        value = float(self.scorer(constant_model(y, self.model)))
        if not isfinite(value):
            raise InputError(
                f"the score of the constant predictor is {value}; give the scorer a "
                "finite default"
            )
        return value


def _fresh(model: object) -> object:
    if isinstance(model, _WithParameters):
        try:
            from sklearn.base import clone
        except ImportError:
            return copy.deepcopy(model)
        return clone(model)
    return copy.deepcopy(model)
