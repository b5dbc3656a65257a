"""Scorers: how good a trained model is, and what no model is worth."""

from torchattr.valuation.scorers.classwise_supervised_scorer import (
    ClasswiseSupervisedScorer,
)
from torchattr.valuation.scorers.composed_scorer import (
    ComposedScorer,
    compose_score,
    sigmoid,
)
from torchattr.valuation.scorers.scorer import Scorer
from torchattr.valuation.scorers.skorch_supervised_scorer import SkorchSupervisedScorer
from torchattr.valuation.scorers.supervised_scorer import SupervisedScorer

__all__ = [
    "ClasswiseSupervisedScorer",
    "ComposedScorer",
    "Scorer",
    "SkorchSupervisedScorer",
    "SupervisedScorer",
    "compose_score",
    "sigmoid",
]
