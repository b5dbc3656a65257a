"""Scores of skorch models on test data that are tensors."""

from __future__ import annotations

from math import inf
from typing import final

from torchattr.valuation.scorers.supervised_scorer import Scoring, SupervisedScorer

__all__ = ["SkorchSupervisedScorer"]


@final
class SkorchSupervisedScorer(SupervisedScorer):
    """How well a skorch model predicts the targets of test data.

    Inputs go to the model as they are, and skorch moves them to the device of its
    module; predictions come back as NumPy arrays, so that targets are compared as one.
    :class:`SupervisedScorer` does the same; this is pyDVL's name for it.

    Args:
        scoring: See :class:`SupervisedScorer`.
        test_data: A dataset of tensors (or arrays), or a pair of them.
        default: The score of no model; computed if ``None``.
        range: The least and the greatest score there can be.
        name: What it is called; by default after ``scoring``.

    Example:
        >>> import torch
        >>> from sklearn.dummy import DummyClassifier
        >>> x, y = torch.zeros(4, 1), torch.tensor([0, 1, 1, 1])
        >>> scorer = SkorchSupervisedScorer("accuracy", (x, y), default=0.0)
        >>> scorer(DummyClassifier().fit(x, y))
        0.75
    """

    def __init__(
        self,
        scoring: Scoring,
        test_data: object,
        default: float | None = None,
        range: tuple[float, float] = (-inf, inf),
        name: str | None = None,
    ) -> None:
        super().__init__(scoring, test_data, default, range, name)
