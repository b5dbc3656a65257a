"""Valuation by functions, with the signatures of pyDVL's older interface.

Each builds a method of :mod:`torchattr.valuation.methods` with a sampler, fits it, and
returns its result.
"""

from torchattr.valuation.functional.compute_semivalues import (
    compute_banzhaf_semivalues,
    compute_beta_shapley_semivalues,
    compute_loo,
)
from torchattr.valuation.functional.compute_shapley import compute_shapley_values
from torchattr.valuation.functional.exact_shapley import (
    combinatorial_exact_shapley,
    permutation_exact_shapley,
)
from torchattr.valuation.functional.group_testing import group_testing_shapley
from torchattr.valuation.functional.shapley_by_sampling import (
    combinatorial_montecarlo_shapley,
    owen_sampling_shapley,
    permutation_montecarlo_shapley,
)
from torchattr.valuation.functional.shapley_mode import ShapleyMode

__all__ = [
    "ShapleyMode",
    "combinatorial_exact_shapley",
    "combinatorial_montecarlo_shapley",
    "compute_banzhaf_semivalues",
    "compute_beta_shapley_semivalues",
    "compute_loo",
    "compute_shapley_values",
    "group_testing_shapley",
    "owen_sampling_shapley",
    "permutation_exact_shapley",
    "permutation_montecarlo_shapley",
]
