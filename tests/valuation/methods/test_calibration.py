"""Standard errors say how far values are spread over repeated runs."""

import numpy as np
import pytest

from tests.valuation.methods.sampler_cases import CASES, SHOES, VOTES, stop
from torchattr.valuation.methods import (
    BanzhafValuation,
    DeltaShapleyValuation,
    ShapleyValuation,
)
from torchattr.valuation.samplers import ConstantSampleSize, StratifiedSampler

RUNS = {VOTES: 28, SHOES: 40}  # few strata spread wider
# Uniform subsets estimate Shapley values by large, rare weights: few runs tell little.
STRATIFIED = ["VRDS, few", "Owen, grid", "Owen, fine grid"]
OF_BANZHAF = {"uniform", "antithetic", "MSR"} | {
    "uniform, no index",
    "antithetic, no index",
}


def calibration(make, runs):
    """Of each player: root mean square standard error over the spread of values."""
    results = [make(seed).fit().result for seed in range(100, 100 + runs)]
    values = np.array([result.values for result in results])
    errors = np.array([result.stderr for result in results])
    assert not np.isnan(errors).any()
    # Symmetric games have players of one kind, so that the mean is of many.
    return np.sqrt((errors**2).mean() / values.var(0, ddof=1).mean())


@pytest.mark.parametrize(
    ("name", "game"),
    [*((name, VOTES) for name in CASES), *((name, SHOES) for name in STRATIFIED)],
)
def test_standard_errors_are_calibrated(name, game):
    method = BanzhafValuation if name in OF_BANZHAF else ShapleyValuation

    def make(seed):
        sampler = CASES[name].sampler(seed)
        return method(game, sampler, stop(sampler, 10))

    assert 0.8 < calibration(make, RUNS[game]) < 1.25


def test_delta_shapley_too():
    sizes = ConstantSampleSize(n_samples=20, lower_bound=2, upper_bound=4)

    def make(seed):
        sampler = StratifiedSampler(sizes, seed=seed)
        return DeltaShapleyValuation(VOTES, sampler, stop(sampler, 1))

    assert 0.85 < calibration(make, 40) < 1.18
