"""Estimation: from values of coalitions to values of players, with standard errors.

:func:`exact` evaluates all coalitions; :func:`monte_carlo` averages the draws of a
sampler until a rule of :mod:`torchattr.estimation.stopping` is met;
:func:`best_for_budget` chooses between them, :func:`paired_regression` (KernelSHAP,
Leverage SHAP, Kernel Banzhaf) and :func:`odd_gaussian_process`;
:func:`stratified_sums` gives every semivalue from one pass, :func:`sample_reuse` the
Banzhaf value from random coalitions that each tell of all players.

Example:
    >>> from torchattr.estimation import exact
    >>> from torchattr.games.synthetic import ShoesGame
    >>> exact(ShoesGame(left=1, right=1)).values
    tensor([0.5000, 0.5000], dtype=torch.float64)
"""

from torchattr.estimation import stopping
from torchattr.estimation.best_for_budget import best_for_budget
from torchattr.estimation.estimate import Estimate
from torchattr.estimation.exact import exact
from torchattr.estimation.kernel_shap import kernel_shap
from torchattr.estimation.lockstep import permutation_gains
from torchattr.estimation.moments import Moments
from torchattr.estimation.monte_carlo import monte_carlo
from torchattr.estimation.odd_gaussian_process import odd_gaussian_process
from torchattr.estimation.pair_fit import PairFit
from torchattr.estimation.paired_regression import kernel_weights, paired_regression
from torchattr.estimation.removal_effects import removal_effects
from torchattr.estimation.sample_reuse import SampleReuse, sample_reuse
from torchattr.estimation.size_strata import SizeStrata, stratified_sums

__all__ = [
    "Estimate",
    "Moments",
    "PairFit",
    "SampleReuse",
    "SizeStrata",
    "best_for_budget",
    "exact",
    "kernel_shap",
    "kernel_weights",
    "monte_carlo",
    "odd_gaussian_process",
    "paired_regression",
    "permutation_gains",
    "removal_effects",
    "sample_reuse",
    "stopping",
    "stratified_sums",
]
