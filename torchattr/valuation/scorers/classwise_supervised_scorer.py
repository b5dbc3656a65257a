"""Scores that look at one class, and at all others."""

from __future__ import annotations

import copy
from collections.abc import Callable
from math import exp
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from torchattr.errors import InputError
from torchattr.valuation.scorers.scorer import Scorer, checked_default, checked_range
from torchattr.valuation.scorers.supervised_scorer import (
    Scoring,
    arrays_of,
    as_target_array,
    scoring_function,
)

__all__ = ["ClasswiseSupervisedScorer"]


def _identity(score: float) -> float:
    return score


@final
class ClasswiseSupervisedScorer(Scorer):
    r"""The score within a class, discounted by the score outside (Schoch et al. 2022).

    :math:`f(a_c) \, g(a_{-c})`, with :math:`a_c` the score on the test examples of the
    class, :math:`a_{-c}` on all others. A part without test examples scores 0.

    Args:
        scoring: See :class:`SupervisedScorer`; usually ``"accuracy"``.
        test_data: A dataset, or a pair ``(x, y)``.
        default: The score of no model.
        range: The least and the greatest score there can be.
        in_class_discount_fn: :math:`f`, the identity by default.
        out_of_class_discount_fn: :math:`g`, the exponential by default.
        rescale_scores: Whether :math:`a_c` and :math:`a_{-c}` are multiplied with the
            share of the test examples that they are computed on.
        name: What it is called.
        label: The class :math:`c`. It can also be set as an attribute, as in pyDVL;
            :meth:`for_label` leaves the scorer as it is.

    Raises:
        InputError: If there is no such score, the test data are no pair, ``default`` is
            not finite or ``range`` not in order; when called, if no label is set.

    Example:
        >>> class Threshold:
        ...     def predict(self, x):
        ...         return (x > 0.5).astype(int)
        >>> x, y = np.array([0.0, 0.5, 1.0]), np.array([0, 0, 1])
        >>> def accuracy(model, x, y):
        ...     return np.mean(model.predict(x) == y)
        >>> scorer = ClasswiseSupervisedScorer(accuracy, (x, y))
        >>> round(scorer.for_label(0)(Threshold()), 3)
        0.93
    """

    def __init__(
        self,
        scoring: Scoring,
        test_data: object,
        default: float = 0.0,
        range: tuple[float, float] = (0.0, 1.0),
        in_class_discount_fn: Callable[[float], float] = _identity,
        out_of_class_discount_fn: Callable[[float], float] = exp,
        *,
        rescale_scores: bool = True,
        name: str | None = None,
        label: int | None = None,
    ) -> None:
        self.scoring = scoring
        self.test_data = test_data
        self.default = checked_default(default)
        self.range = checked_range(range)
        self.in_class_discount_fn = in_class_discount_fn
        self.out_of_class_discount_fn = out_of_class_discount_fn
        self.rescale_scores = rescale_scores
        self.name = f"classwise {scoring}" if name is None else name
        self.label = label
        self._function = scoring_function(scoring)
        self._x, y = arrays_of(test_data)
        self._y: NDArray[Any] = np.asarray(as_target_array(y))

    def for_label(self, label: int) -> ClasswiseSupervisedScorer:
        """The scorer of one class.

        Args:
            label: The class.

        Returns:
            A copy, with the same test data.
        """
        other = copy.copy(self)
        other.label = label
        return other

    def __call__(self, model: object) -> float:
        """See :meth:`Scorer.__call__`."""
        inside, outside = self.compute_in_and_out_of_class_scores(
            model, rescale_scores=self.rescale_scores
        )
        return float(
            self.in_class_discount_fn(inside) * self.out_of_class_discount_fn(outside)
        )

    def compute_in_and_out_of_class_scores(
        self, model: object, *, rescale_scores: bool = True
    ) -> tuple[float, float]:
        """The two scores that are combined.

        Args:
            model: A trained model.
            rescale_scores: Whether each is multiplied with its share of the examples.

        Returns:
            The score within the class, and outside.

        Raises:
            InputError: If no label is set.
        """
        if self.label is None:
            raise InputError(
                "a class-wise scorer needs the class that it looks at; call "
                "scorer.for_label(label)"
            )
        within = self._y == self.label
        inside, outside = self._score(model, within), self._score(model, ~within)
        if not rescale_scores:
            return inside, outside
        share = float(within.mean())
        return inside * share, outside * (1 - share)

    def _score(self, model: object, chosen: NDArray[np.bool_]) -> float:
        if not chosen.any():
            return 0.0
        x = self._x if isinstance(self._x, Tensor) else np.asarray(self._x)
        return float(self._function(model, x[chosen.nonzero()[0]], self._y[chosen]))
