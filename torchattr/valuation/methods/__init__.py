"""Valuation methods: each gives a value to every point of a data set."""

from torchattr.valuation.methods.banzhaf_valuation import BanzhafValuation
from torchattr.valuation.methods.beta_shapley_valuation import BetaShapleyValuation
from torchattr.valuation.methods.classwise_shapley_valuation import (
    ClasswiseShapleyValuation,
)
from torchattr.valuation.methods.data_oob_valuation import DataOOBValuation
from torchattr.valuation.methods.delta_shapley_valuation import DeltaShapleyValuation
from torchattr.valuation.methods.group_testing import (
    GroupTestingShapleyValuation,
    compute_n_samples,
)
from torchattr.valuation.methods.knn_shapley_valuation import KNNShapleyValuation
from torchattr.valuation.methods.least_core_valuation import (
    ExactLeastCoreValuation,
    LeastCoreValuation,
    MonteCarloLeastCoreValuation,
)
from torchattr.valuation.methods.loo_valuation import LOOValuation
from torchattr.valuation.methods.msr_banzhaf_valuation import MSRBanzhafValuation
from torchattr.valuation.methods.random_valuation import RandomValuation
from torchattr.valuation.methods.semivalue_valuation import SemivalueValuation
from torchattr.valuation.methods.shapley_valuation import ShapleyValuation
from torchattr.valuation.methods.stratified_shapley_valuation import (
    StratifiedShapleyValuation,
)
from torchattr.valuation.methods.tmc_shapley_valuation import TMCShapleyValuation
from torchattr.valuation.methods.valuation import Valuation

__all__ = [
    "BanzhafValuation",
    "BetaShapleyValuation",
    "ClasswiseShapleyValuation",
    "DataOOBValuation",
    "DeltaShapleyValuation",
    "ExactLeastCoreValuation",
    "GroupTestingShapleyValuation",
    "KNNShapleyValuation",
    "LOOValuation",
    "LeastCoreValuation",
    "MSRBanzhafValuation",
    "MonteCarloLeastCoreValuation",
    "RandomValuation",
    "SemivalueValuation",
    "ShapleyValuation",
    "StratifiedShapleyValuation",
    "TMCShapleyValuation",
    "Valuation",
    "compute_n_samples",
]
