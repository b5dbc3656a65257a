import math

import numpy as np
import pytest
import torch

from tests.valuation.methods.sampler_cases import (
    CASES,
    EXACT,
    METHODS,
    SHOES,
    VOTES,
    N,
    exact,
    stop,
)
from torchattr.games import AdditiveGame, FunctionGame
from torchattr.games.semivalues import banzhaf, beta_shapley, shapley
from torchattr.games.synthetic import (
    MinerGame,
    MinimumSpanningTreeGame,
    RandomGame,
    ShoesGame,
    SymmetricVotingGame,
)
from torchattr.valuation.methods import (
    BanzhafValuation,
    BetaShapleyValuation,
    DeltaShapleyValuation,
    LOOValuation,
    MSRBanzhafValuation,
    ShapleyValuation,
    StratifiedShapleyValuation,
    TMCShapleyValuation,
)
from torchattr.valuation.result import Status
from torchattr.valuation.samplers import (
    AntitheticOwenSampler,
    AntitheticPermutationSampler,
    ConstantSampleSize,
    DeterministicPermutationSampler,
    DeterministicUniformSampler,
    GridOwenStrategy,
    LOOSampler,
    NoIndexIteration,
    NoTruncation,
    OwenSampler,
    PermutationSampler,
    StratifiedPermutationSampler,
    StratifiedSampler,
)
from torchattr.valuation.stopping import MinUpdates, NoStopping


def fitted(method, game, sampler):
    return method(game, sampler, stop(sampler, 300, game.n_players)).fit().result


def z(result, truth):
    error = np.abs(result.values - np.asarray(truth))
    # Rounding is no sampling error: where contributions are constant neither is left.
    return np.where(error < 1e-10, 0, error / np.maximum(result.stderr, 1e-300))


@pytest.mark.parametrize("sampler", EXACT.values(), ids=EXACT)
@pytest.mark.parametrize(
    "game",
    [ShoesGame(2, 4), ShoesGame(1, 1), SymmetricVotingGame(4), RandomGame(5)],
    ids=["shoes", "a pair", "votes", "random"],
)
def test_exact_samplers_give_exact_values(game, sampler):
    result = fitted(ShapleyValuation, game, sampler())
    np.testing.assert_allclose(result.values, game.shapley_values(), atol=1e-12)
    assert (result.stderr == 0).all()
    assert result.status is Status.Converged
    assert result.n_evaluations == 2**game.n_players
    result = fitted(BanzhafValuation, game, sampler())
    np.testing.assert_allclose(result.values, game.banzhaf_values(), atol=1e-12)
    assert (result.stderr == 0).all()


# Each sampler with Shapley values, and with one of the other semivalues in turn: how
# often a sampler draws a size, and what a semivalue weighs it, are apart.
@pytest.mark.parametrize(
    ("case", "method"),
    [
        pytest.param(case, METHODS[name], id=f"{sampler}-{name}")
        for place, (sampler, case) in enumerate(CASES.items())
        for name in ("Shapley", ("Banzhaf", "Beta")[place % 2])
    ],
)
def test_every_sampler_serves_every_semivalue(case, method):
    sampler = case.sampler(7, large=True)
    result = fitted(method, SHOES, sampler)
    assert (z(result, exact(method, SHOES)) < 5).all()
    assert (result.stderr > 0).all()
    assert (result.stderr < 0.3).all()


def test_efficiency_of_permutations():
    game = RandomGame(6)
    result = fitted(ShapleyValuation, game, PermutationSampler(seed=1))
    ends = game(game.ends())
    assert result.values.sum() == pytest.approx(float(ends[1] - ends[0]), abs=1e-12)


@pytest.mark.parametrize("n", [4, 6, 10, 100])
@pytest.mark.parametrize(
    "make",
    [
        lambda game: ShapleyValuation(game, PermutationSampler(seed=1), MinUpdates(2)),
        lambda game: ShapleyValuation(
            game, AntitheticPermutationSampler(seed=1), MinUpdates(4)
        ),
        lambda game: BanzhafValuation(game, PermutationSampler(seed=1), MinUpdates(1)),
        lambda game: StratifiedShapleyValuation(game, MinUpdates(2), seed=1),
        lambda game: TMCShapleyValuation(
            game, NoTruncation(), is_done=MinUpdates(2), seed=1
        ),
        lambda game: LOOValuation(game),
    ],
    ids=["Shapley", "antithetic", "Banzhaf", "stratified", "TMC", "LOO"],
)
def test_additive_games_are_exact_from_a_single_draw(n, make):
    values = torch.arange(n, dtype=torch.float64) / (n - 1)
    method = make(AdditiveGame(values))
    result = method.fit().result
    if isinstance(method, BanzhafValuation):  # the scales of sizes are far from 1
        assert np.isfinite(result.values).all()
        return
    np.testing.assert_allclose(result.values, values, atol=1e-12)
    assert (result.variances >= 0).all()
    assert (result.stderr < 1e-12).all()


def test_constant_contributions_have_no_variance():
    # One-pass variances came out negative, so that standard errors were NaN.
    game = AdditiveGame(torch.full((4,), 0.125, dtype=torch.float64))
    for sampler in (PermutationSampler(seed=1), AntitheticPermutationSampler(seed=1)):
        result = ShapleyValuation(game, sampler, MinUpdates(50)).fit().result
        assert (result.variances == 0).all()
        assert (result.stderr == 0).all()


PAIRS = FunctionGame(lambda s: s.sum(1) * (s.sum(1) - 1.0), 5)


@pytest.mark.parametrize("cls", [StratifiedSampler, StratifiedPermutationSampler])
@pytest.mark.parametrize(("lower", "upper"), [(1, 4), (0, 2), (2, 3)])
def test_numbers_of_pairs(cls, lower, upper):
    sizes = ConstantSampleSize(n_samples=24, lower_bound=lower, upper_bound=upper)
    width = upper**2 - lower**2 + upper + lower
    delta = fitted(DeltaShapleyValuation, PAIRS, cls(sizes, seed=1))
    clipped = fitted(ShapleyValuation, PAIRS, cls(sizes, seed=1))
    if cls is StratifiedSampler:
        np.testing.assert_allclose(delta.values, width / (upper - lower + 1))
        np.testing.assert_allclose(clipped.values, width / 5)
    assert (z(delta, np.full(5, width / (upper - lower + 1))) < 5).all()
    assert (z(clipped, np.full(5, width / 5)) < 5).all()


def test_pairs_are_worth_the_number_of_others():
    sampler = DeterministicUniformSampler()
    result = fitted(ShapleyValuation, PAIRS, sampler)
    np.testing.assert_allclose(result.values, 4, atol=1e-12)


@pytest.mark.parametrize("n", [10, 100, 3000])
@pytest.mark.parametrize(
    ("make", "weights"),
    [
        (ShapleyValuation, shapley),
        (BanzhafValuation, banzhaf),
        (BetaShapleyValuation, shapley),
        (
            lambda *a: BetaShapleyValuation(*a, alpha=1, beta=16),
            beta_shapley(1, 16),
        ),
        (lambda *a: BetaShapleyValuation(*a, alpha=4, beta=1), beta_shapley(4, 1)),
    ],
    ids=["Shapley", "Banzhaf", "Beta(1, 1)", "Beta(1, 16)", "Beta(4, 1)"],
)
def test_weights_of_sizes_sum_to_one(make, weights, n):
    method = make(SHOES, PermutationSampler(), MinUpdates(1))
    sizes = np.arange(n)
    logs = method.log_coefficient(n, sizes)
    subsets = [
        math.lgamma(n) - math.lgamma(k + 1) - math.lgamma(n - k) for k in sizes.tolist()
    ]
    assert np.exp(logs + subsets).sum() == pytest.approx(1, abs=1e-9)
    if n == 10:
        np.testing.assert_allclose(np.exp(logs), weights(n), rtol=1e-10)
    one = np.array([float(method.log_coefficient(n, k)) for k in (0, n // 2, n - 1)])
    np.testing.assert_allclose(one, logs[[0, n // 2, n - 1]])


def test_leave_one_out():
    game = RandomGame(6)
    result = LOOValuation(game).fit().result
    without = ~torch.eye(6, dtype=torch.bool)
    expected = game(torch.ones(1, 6, dtype=torch.bool)) - game(without)
    np.testing.assert_allclose(result.values, expected, atol=1e-12)
    assert result.n_evaluations == 7
    assert (result.counts == 1).all()
    assert (result.stderr == 0).all()
    assert result.status is Status.Converged
    same = fitted(ShapleyValuation, game, LOOSampler())
    np.testing.assert_allclose(same.values, expected, atol=1e-12)


def test_the_ends_of_an_owen_grid_weigh_half():
    # v = 1 if anybody is there: the contribution of one is 1 if nobody else is.
    anybody = FunctionGame(lambda s: s.any(1).double(), 4)
    for q in (2, 5, 20):
        grid = np.linspace(0, 1, q)
        trapezoid = np.trapezoid((1 - grid) ** 3, grid)
        sampler = OwenSampler(GridOwenStrategy(q), n_samples_inner=400, seed=1)
        result = fitted(ShapleyValuation, anybody, sampler)
        assert (z(result, np.full(4, trapezoid)) < 5).all()
    assert trapezoid == pytest.approx(0.25, abs=0.001)


def test_the_ends_of_a_grid_weigh_half_in_coalitions_of_all_points_too():
    game = FunctionGame(lambda s: s.any(1).double(), n_players=4)
    grid = GridOwenStrategy(5)  # the trapezoidal rule has an error of its own
    for owen in (OwenSampler, AntitheticOwenSampler):
        sampler = owen(grid, 20, index_iteration=NoIndexIteration, seed=0)
        result = ShapleyValuation(game, sampler, MinUpdates(20_000)).fit().result
        np.testing.assert_allclose(result.values, 0.25, atol=0.05)


def test_msr_and_truncated_permutations():
    result = MSRBanzhafValuation(SHOES, MinUpdates(1000), seed=2).fit().result
    assert (z(result, SHOES.banzhaf_values()) < 5).all()
    votes = SymmetricVotingGame(20)
    tmc = TMCShapleyValuation(votes, is_done=MinUpdates(400), seed=2).fit().result
    # Nothing is gained after the vote is won, so that truncation is right here.
    assert tmc.values.sum() == pytest.approx(1, abs=1e-12)
    assert (z(tmc, votes.shapley_values()) < 5).all()


def test_tmc_stops_by_itself_and_its_truncation_saves_evaluations():
    votes = SymmetricVotingGame(20)
    tmc = TMCShapleyValuation(votes, seed=3).fit().result
    assert tmc.status is Status.Converged
    assert (tmc.counts > 100).all()
    few = TMCShapleyValuation(votes, is_done=MinUpdates(20), seed=3).fit().result
    whole = ShapleyValuation(votes, PermutationSampler(seed=3), MinUpdates(20)).fit()
    np.testing.assert_array_equal(few.values, whole.result.values)
    assert few.n_evaluations < 0.7 * whole.result.n_evaluations


def test_hoeffding():
    # As many permutations as bound the error by 0.2 with probability 0.999.
    count = math.ceil(2 * math.log(2 / 0.001) / 0.2**2)
    result = ShapleyValuation(VOTES, PermutationSampler(seed=1), MinUpdates(count))
    truth = exact(ShapleyValuation, VOTES)
    assert (np.abs(result.fit().result.values - truth) < 0.2).all()


def test_permutations_and_subsets_agree_exactly():
    game = RandomGame(6)
    by_permutations = fitted(ShapleyValuation, game, DeterministicPermutationSampler())
    by_subsets = fitted(ShapleyValuation, game, DeterministicUniformSampler())
    np.testing.assert_allclose(by_permutations.values, by_subsets.values, atol=1e-12)
    assert (by_permutations.counts == math.factorial(6)).all()
    assert (by_subsets.counts == 2**5).all()


def test_miners_and_trees():
    for game in (MinerGame(30), MinimumSpanningTreeGame(12)):
        result = ShapleyValuation(game, PermutationSampler(seed=1), MinUpdates(300))
        assert (z(result.fit().result, game.shapley_values()) < 5).all()


def test_an_exhaustive_sampler_that_was_stopped_is_not_exact():
    sampler = DeterministicPermutationSampler()
    result = ShapleyValuation(VOTES, sampler, MinUpdates(20)).fit().result
    assert (result.counts == 20).all()
    # The first permutations in lexicographic order are no sample.
    assert np.isnan(result.stderr).all()


def test_the_last_update_of_an_exhaustive_sampler_makes_it_exact():
    sampler = DeterministicPermutationSampler()
    result = ShapleyValuation(ShoesGame(1, 2), sampler, MinUpdates(6)).fit().result
    assert (result.stderr == 0).all()


def test_no_stopping_ends_with_the_sampler():
    sampler = OwenSampler(GridOwenStrategy(4), n_samples_inner=3, seed=1)
    result = ShapleyValuation(SHOES, sampler, NoStopping(sampler)).fit().result
    assert (result.counts == 12).all()
    assert len(sampler) == sampler.n_samples == 12 * N


@pytest.mark.parametrize("n_samples", [3, 6])
def test_sizes_that_never_come_in_coalitions_of_all_points(n_samples):
    sizes = ConstantSampleSize(n_samples=n_samples, lower_bound=1, upper_bound=2)
    sampler = StratifiedSampler(sizes, index_iteration=NoIndexIteration, seed=0)
    result = ShapleyValuation(SHOES, sampler, MinUpdates(10)).fit().result
    assert np.isfinite(result.values).all()
