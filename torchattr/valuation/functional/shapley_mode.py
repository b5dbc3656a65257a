"""Ways to compute Shapley values, by name."""

from __future__ import annotations

from enum import Enum

__all__ = ["ShapleyMode"]


class ShapleyMode(str, Enum):
    """Ways to compute Shapley values, for :func:`compute_shapley_values`.

    Example:
        >>> ShapleyMode("owen_antithetic")
        <ShapleyMode.OwenAntithetic: 'owen_antithetic'>
    """

    PermutationMontecarlo = "permutation_montecarlo"
    TruncatedMontecarlo = "truncated_montecarlo"
    CombinatorialMontecarlo = "combinatorial_montecarlo"
    PermutationExact = "permutation_exact"
    CombinatorialExact = "combinatorial_exact"
    Owen = "owen"
    OwenAntithetic = "owen_antithetic"
    GroupTesting = "group_testing"
