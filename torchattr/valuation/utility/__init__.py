"""Utilities: what a set of training points is worth."""

from torchattr.valuation.utility.classwise_model_utility import ClasswiseModelUtility
from torchattr.valuation.utility.data_utility_learning import DataUtilityLearning
from torchattr.valuation.utility.deep_set_utility_model import DeepSetUtilityModel
from torchattr.valuation.utility.knn_classifier_utility import KNNClassifierUtility
from torchattr.valuation.utility.model_utility import ModelUtility
from torchattr.valuation.utility.utility import UtilityBase
from torchattr.valuation.utility.utility_game import UtilityGame, game_of
from torchattr.valuation.utility.utility_model import (
    IndicatorUtilityModel,
    UtilityModel,
)

__all__ = [
    "ClasswiseModelUtility",
    "DataUtilityLearning",
    "DeepSetUtilityModel",
    "IndicatorUtilityModel",
    "KNNClassifierUtility",
    "ModelUtility",
    "UtilityBase",
    "UtilityGame",
    "UtilityModel",
    "game_of",
]
