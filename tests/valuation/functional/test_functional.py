import numpy as np
import pytest

from tests.valuation.methods.test_semivalue_runs import DATA, Sum
from torchattr.errors import InputError
from torchattr.games.synthetic import RandomGame, ShoesGame
from torchattr.valuation.functional import (
    ShapleyMode,
    combinatorial_exact_shapley,
    combinatorial_montecarlo_shapley,
    compute_banzhaf_semivalues,
    compute_beta_shapley_semivalues,
    compute_loo,
    compute_shapley_values,
    owen_sampling_shapley,
    permutation_exact_shapley,
    permutation_montecarlo_shapley,
)
from torchattr.valuation.samplers import MSRSampler, NoTruncation, UniformSampler
from torchattr.valuation.stopping import MinUpdates

GAME = ShoesGame(2, 3)
ARGUMENTS = {
    "permutation_montecarlo": {"done": MinUpdates(300)},
    "truncated_montecarlo": {"done": MinUpdates(300)},
    "combinatorial_montecarlo": {"done": MinUpdates(500)},
    "permutation_exact": {},
    "combinatorial_exact": {},
    "owen": {"n_samples": 10, "max_q": 40},
    "owen_antithetic": {"n_samples": 10, "max_q": 20},
    "group_testing": {"n_samples": 3000, "epsilon": 0.1},
}


@pytest.mark.parametrize("mode", ShapleyMode)
def test_every_mode_by_its_name(mode):
    result = compute_shapley_values(GAME, mode=mode.value, seed=1, **ARGUMENTS[mode])
    error = np.abs(result.values - GAME.shapley_values().numpy())
    assert (error < 5 * result.stderr + 1e-9).all()
    again = compute_shapley_values(GAME, mode=mode, seed=1, **ARGUMENTS[mode])
    np.testing.assert_array_equal(again.values, result.values)


def test_exact_functions_agree():
    game = RandomGame(5)
    by_subsets, by_orders = (
        combinatorial_exact_shapley(game),
        permutation_exact_shapley(game),
    )
    np.testing.assert_allclose(by_subsets.values, game.shapley_values(), atol=1e-12)
    np.testing.assert_allclose(by_orders.values, by_subsets.values, atol=1e-12)
    assert (by_orders.stderr == 0).all()


def test_older_signatures():
    u = Sum().with_dataset(DATA)
    old = {"parallel_backend": None, "config": None, "progress": False, "seed": 1}
    for result in (
        permutation_montecarlo_shapley(
            u, MinUpdates(2), truncation=NoTruncation(), n_jobs=1, **old
        ),
        combinatorial_montecarlo_shapley(u, MinUpdates(300), n_jobs=1, **old),
        owen_sampling_shapley(u, 3, 4, method="antithetic", n_jobs=1, **old),
        compute_loo(u),
        compute_shapley_values(
            u, done=MinUpdates(2), n_jobs=2, parallel_backend="threading", seed=1
        ),
    ):
        assert result.names.tolist() == ["a", "b", "c", "d"]
        error = np.abs(result.values - [1, 2, 4, 8])
        assert (error < 5 * result.stderr + 1e-9).all()


@pytest.mark.parametrize("sampler", [UniformSampler, MSRSampler])
def test_semivalues(sampler):
    done = MinUpdates(400)
    banzhaf = compute_banzhaf_semivalues(GAME, done=done, sampler_t=sampler, seed=1)
    error = np.abs(banzhaf.values - GAME.banzhaf_values().numpy())
    assert (error < 5 * banzhaf.stderr).all()
    beta = compute_beta_shapley_semivalues(
        GAME, alpha=1, beta=1, done=done, sampler_t=sampler, seed=1
    )
    error = np.abs(beta.values - GAME.shapley_values().numpy())
    assert (error < 5 * beta.stderr).all()


def test_wrong_names_are_refused():
    with pytest.raises(InputError, match="permutation_montecarlo"):
        compute_shapley_values(GAME, mode="guess", done=MinUpdates(1))
    with pytest.raises(InputError, match="done="):
        compute_shapley_values(GAME)
    with pytest.raises(InputError, match="standard, antithetic"):
        owen_sampling_shapley(GAME, 2, 2, method="other")
