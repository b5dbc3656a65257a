"""Utilities: what a set of training points is worth."""

from torchattr.valuation.utility.knn_classifier_utility import KNNClassifierUtility
from torchattr.valuation.utility.model_utility import ModelUtility
from torchattr.valuation.utility.utility import UtilityBase
from torchattr.valuation.utility.utility_game import UtilityGame, game_of

__all__ = [
    "KNNClassifierUtility",
    "ModelUtility",
    "UtilityBase",
    "UtilityGame",
    "game_of",
]
