"""Scores that are functions of other scores."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, inf, isnan
from typing import final

from torchattr.valuation.scorers.scorer import Scorer, checked_default

__all__ = ["ComposedScorer", "compose_score", "sigmoid"]


@final
class ComposedScorer(Scorer):
    """A function of another score; :func:`compose_score` makes one.

    Args:
        scorer: The score.
        transformation: A monotone function of numbers, applied to scores, to the
            default and to the ends of the range.
        name: What it is called.

    Raises:
        InputError: If the default becomes infinite or NaN.

    Example:
        >>> from torchattr.valuation.scorers import SupervisedScorer
        >>> scorer = SupervisedScorer("r2", ([[0.0]], [0.0]), default=2.0)
        >>> ComposedScorer(scorer, lambda score: score**2, name="square").default
        4.0
    """

    def __init__(
        self, scorer: Scorer, transformation: Callable[[float], float], name: str
    ) -> None:
        self.scorer = scorer
        self.transformation = transformation
        self.name = name
        if scorer.default is not None:
            self.default = checked_default(float(transformation(scorer.default)))
        self.range = _image(transformation, scorer.range)

    def __call__(self, model: object) -> float:
        """See :meth:`Scorer.__call__`."""
        return float(self.transformation(self.scorer(model)))


def compose_score(
    scorer: Scorer, transformation: Callable[[float], float], name: str
) -> ComposedScorer:
    """A scorer followed by a monotone function, for instance to bound the scores.

    Args:
        scorer: The scorer.
        transformation: A monotone function of numbers. Default and range are
            transformed as well.
        name: What the new scorer is called.

    Returns:
        The scorer of transformed scores.

    Example:
        >>> from torchattr.valuation.scorers import SupervisedScorer, sigmoid
        >>> scorer = SupervisedScorer("r2", ([[0.0]], [0.0]), default=0.0)
        >>> bounded = compose_score(scorer, sigmoid, name="squashed r2")
        >>> bounded.default, bounded.range
        (0.5, (0.0, 1.0))
    """
    return ComposedScorer(scorer, transformation, name)


def sigmoid(x: float) -> float:
    r"""The logistic function, :math:`1 / (1 + e^{-x})`.

    Args:
        x: Any number, infinite ones included.

    Returns:
        A number from 0 to 1; no overflow far from zero.

    Example:
        >>> sigmoid(0.0), sigmoid(-1000.0)
        (0.5, 0.0)
    """
    if x >= 0:
        return 1 / (1 + exp(-x))
    odds = exp(x)
    return odds / (1 + odds)


def _image(
    transformation: Callable[[float], float], limits: tuple[float, float]
) -> tuple[float, float]:
    low, high = sorted(float(transformation(limit)) for limit in limits)
    if isnan(low) or isnan(high):  # the function is not defined at infinity
        return -inf, inf
    return low, high
