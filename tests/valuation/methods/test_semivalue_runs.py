import functools

import joblib
import numpy as np
import pytest
import torch

from tests.valuation.methods.sampler_cases import CASES, SHOES, VOTES, N, exact, stop
from torchattr.errors import InputError
from torchattr.games import Counted, FunctionGame
from torchattr.games.synthetic import RandomGame, ShoesGame
from torchattr.valuation.dataset import Dataset, GroupedDataset
from torchattr.valuation.methods import (
    BanzhafValuation,
    BetaShapleyValuation,
    DeltaShapleyValuation,
    LOOValuation,
    MSRBanzhafValuation,
    SemivalueValuation,
    ShapleyValuation,
    StratifiedShapleyValuation,
    TMCShapleyValuation,
)
from torchattr.valuation.result import Status, ValuationResult
from torchattr.valuation.samplers import (
    AntitheticPermutationSampler,
    ConstantSampleSize,
    DeterministicUniformSampler,
    MSRSampler,
    PermutationSampler,
    PermutationSamplerBase,
    PowersetSampler,
    RelativeTruncation,
    StratifiedPermutationSampler,
    UniformSampler,
)
from torchattr.valuation.stopping import (
    AbsoluteStandardError,
    History,
    MaxChecks,
    MaxSamples,
    MaxUpdates,
    MinUpdates,
    NoStopping,
    StoppingCriterion,
)
from torchattr.valuation.types import Sample
from torchattr.valuation.utility import UtilityBase


def same(result, other, rtol=0.0, atol=0.0):
    for name in ("values", "variances", "counts", "stderr", "replicates", "indices"):
        np.testing.assert_allclose(
            getattr(result, name), getattr(other, name), rtol, atol, err_msg=name
        )


def test_counts_are_exactly_those_asked_for():
    game = ShoesGame(2, 4)
    for cls in (PermutationSampler, AntitheticPermutationSampler, UniformSampler):
        result = ShapleyValuation(game, cls(seed=1), MinUpdates(500)).fit().result
        assert result.counts.tolist() == [500] * 6
        assert result.counts.dtype.kind == "i"
        assert result.status is Status.Converged
        assert result.algorithm == "Shapley"


def test_a_fit_returns_the_method():
    method = ShapleyValuation(SHOES, PermutationSampler(seed=1), MinUpdates(3))
    assert not method.is_fitted
    with pytest.raises(InputError, match="call fit"):
        method.result  # ruff: ignore[useless-expression] (a property)
    assert method.fit() is method
    assert method.is_fitted
    assert method.values() == method.result
    assert (np.diff(method.values(sort=True).values) >= 0).all()


@pytest.mark.parametrize("name", CASES)
def test_the_seed_alone_decides(name):
    sampler = CASES[name].sampler(3)
    method = ShapleyValuation(SHOES, sampler, stop(sampler, 20))
    first = method.fit().result
    same(method.fit().result, first)
    BanzhafValuation(VOTES, sampler, stop(sampler, 4)).fit()
    same(method.fit().result, first)
    game = ShoesGame(2, N - 2)
    game.chunk_size = 3
    again = CASES[name].sampler(3)
    same(ShapleyValuation(game, again, stop(again, 20)).fit().result, first)
    other = CASES[name].sampler(4)
    changed = ShapleyValuation(SHOES, other, stop(other, 20)).fit().result
    assert not np.array_equal(changed.values, first.values)


@pytest.mark.parametrize(
    "name",
    [
        "permutations",
        "antithetic permutations",
        "uniform",
        "antithetic",
        "MSR",
        "stratified, again and again",
        "stratified, random sizes",
    ],
)
def test_a_run_goes_on_where_it_ended(name, tmp_path):
    def run(n_updates, before=None):
        sampler = CASES[name].sampler(5)
        method = ShapleyValuation(VOTES, sampler, MinUpdates(n_updates))
        return method.fit(continue_from=before).result

    whole, part = run(90), run(40)
    kept = part.copy()
    part.save(tmp_path / "part.npz")
    for before in (part, part.sort(), ValuationResult.load(tmp_path / "part.npz")):
        result = run(90, before)
        same(result, whole, rtol=1e-9, atol=1e-12)
        assert result.n_rounds == whole.n_rounds
        assert result.status is whole.status
    assert part == kept
    # What is done already is not done again.
    same(run(30, part), part, rtol=1e-9, atol=1e-12)
    assert run(30, part).n_rounds == part.n_rounds


def test_a_finite_run_that_has_ended_has_ended():
    sampler = CASES["VRDS"].sampler(1)
    method = ShapleyValuation(VOTES, sampler, NoStopping(sampler))
    result = method.fit().result
    same(method.fit(continue_from=result).result, result, rtol=1e-9, atol=1e-12)


def test_only_results_of_the_same_run_can_be_continued():
    method = MSRBanzhafValuation(SHOES, MinUpdates(3), seed=1)
    shapley = ShapleyValuation(SHOES, PermutationSampler(seed=1), MinUpdates(3)).fit()
    with pytest.raises(InputError, match="of MSR-Banzhaf by sampling, got one of Sh"):
        method.fit(continue_from=shapley.result)
    with pytest.raises(InputError, match="each of the 7 points"):
        method.fit(continue_from=method.fit().result[:3])
    reuse = ShapleyValuation(SHOES, MSRSampler(seed=1), MinUpdates(9))
    with pytest.raises(InputError, match="means with and without"):
        reuse.fit(continue_from=shapley.result)


class FirstIsDone(StoppingCriterion):
    """The first index converges after ten updates; all is done after many."""

    def __init__(self, many):
        super().__init__()
        self.many = many

    def _check(self, result):
        self._converged = (result.indices == 0) & (result.counts >= 10)
        done = (result.counts >= self.many) | self._converged
        return Status.Converged if done.all() else Status.Pending

    def completion(self):
        return 0.0


@pytest.mark.parametrize(
    ("method", "sampler"),
    [
        (ShapleyValuation, PermutationSampler(seed=1)),
        (ShapleyValuation, PermutationSampler(RelativeTruncation(rtol=0.0), seed=1)),
        (ShapleyValuation, AntitheticPermutationSampler(seed=1)),
        (BanzhafValuation, UniformSampler(seed=1)),
        (BanzhafValuation, MSRSampler(seed=1)),
    ],
    ids=["permutations", "truncated", "antithetic", "uniform", "MSR"],
)
def test_converged_points_rest_but_stay_in_the_game(method, sampler):
    is_done = FirstIsDone(150)
    result = method(SHOES, sampler, is_done, skip_converged=True).fit().result
    whole = method(SHOES, sampler, is_done).fit().result
    assert result.counts[0] < 20 < whole.counts[0]
    # The others get just what they would have got, so that nothing is biased.
    same(result[1:], whole[1:], rtol=1e-9, atol=1e-12)
    error = np.abs(result.values - exact(method, SHOES))[1:]
    assert (error < 5 * result.stderr[1:]).all()


def test_criteria_are_asked_after_every_round():
    history = History(n_steps=12)
    sampler = PermutationSampler(seed=1)
    result = ShapleyValuation(SHOES, sampler, MinUpdates(12) | history).fit().result
    assert history.count == 12
    assert sampler.n_samples == 12
    same(ShapleyValuation(SHOES, sampler, MaxChecks(12)).fit().result, result)
    same(ShapleyValuation(SHOES, sampler, MaxUpdates(12)).fit().result, result)
    same(ShapleyValuation(SHOES, sampler, MaxSamples(sampler, 12)).fit().result, result)


def test_a_criterion_that_remembers_forgets_between_fits():
    is_done = MaxChecks(7)
    method = ShapleyValuation(SHOES, PermutationSampler(seed=1), is_done)
    first, again = method.fit().result, method.fit().result
    assert first.counts.tolist() == again.counts.tolist() == [7] * N
    # Going on is seven more.
    more = method.fit(continue_from=first).result
    assert more.counts.tolist() == [14] * N


def test_positions_that_do_not_count_are_not_evaluated():
    sizes = ConstantSampleSize(n_samples=4, lower_bound=2, upper_bound=2)
    sampler = StratifiedPermutationSampler(sizes, seed=1)
    method = DeltaShapleyValuation(RandomGame(9), sampler, NoStopping(sampler))
    result = method.fit().result
    assert result.n_evaluations <= 2 * result.counts.sum()


def test_a_standard_error_can_be_asked_for():
    sampler = PermutationSampler(seed=1)
    is_done = AbsoluteStandardError(0.02)
    result = ShapleyValuation(SHOES, sampler, is_done).fit().result
    assert (result.stderr < 0.02).all()
    assert (result.stderr > 0.01).any()


def test_what_is_proven_to_be_needed_is_evaluated_at_once():
    calls = []

    def size(coalitions):
        calls.append(len(coalitions))
        return coalitions.sum(1).double().sqrt()

    game = FunctionGame(size, n_players=12)
    result = ShapleyValuation(game, PermutationSampler(seed=1), MinUpdates(50)).fit()
    assert len(calls) == 2  # the ends, and the rest
    assert sum(calls) == result.result.n_evaluations


def test_no_coalition_is_evaluated_twice():
    game = Counted(VOTES)
    result = BanzhafValuation(game, UniformSampler(seed=1), MinUpdates(200)).fit()
    assert game.n_evaluations == result.result.n_evaluations <= 2**N


class Sum(UtilityBase):
    """What the inputs of the points add up to."""

    def __call__(self, sample):
        if sample is None or len(sample.subset) == 0:
            return 0.0
        return float(self.training_data.data(sample.subset).x.sum())


DATA = Dataset(
    np.array([[1.0], [2], [4], [8]]), np.zeros(4), data_names=["a", "b", "c", "d"]
)


def test_points_have_the_indices_and_names_of_the_data():
    method = ShapleyValuation(Sum(), PermutationSampler(seed=1), MinUpdates(2))
    result = method.fit(DATA).result
    assert result.values.tolist() == [1, 2, 4, 8]
    assert result.names.tolist() == ["a", "b", "c", "d"]
    assert result.n_failures == 0
    bound = ShapleyValuation(
        Sum().with_dataset(DATA), PermutationSampler(seed=1), MinUpdates(2)
    )
    same(bound.fit().result, result)


@pytest.mark.parametrize("make", [PermutationSampler, MSRSampler, UniformSampler])
def test_groups_with_gaps_in_their_numbers(make):
    grouped = GroupedDataset.from_dataset(DATA, [9, 3, 9, 5])
    method = BanzhafValuation(Sum(), make(seed=1), MinUpdates(200))
    result = method.fit(grouped).result
    expected = {9: 5.0, 3: 2.0, 5: 8.0}
    for index, value, error in zip(
        result.indices, result.values, result.stderr, strict=True
    ):
        assert abs(value - expected[int(index)]) <= 5 * error + 1e-9


@pytest.mark.parametrize("sampler", [PermutationSampler, MSRSampler])
def test_workers_change_no_value(sampler):
    def run():
        method = BanzhafValuation(Sum(), sampler(seed=1), MinUpdates(20))
        return method.fit(DATA).result

    alone = run()
    with joblib.parallel_config("threading", n_jobs=2):
        same(run(), alone)


def test_data_must_come_from_somewhere():
    sampler = PermutationSampler(seed=1)
    with pytest.raises(InputError, match="with_dataset"):
        ShapleyValuation(Sum(), sampler, MinUpdates(2)).fit()
    with pytest.raises(InputError, match="7 players, the data 4"):
        ShapleyValuation(SHOES, sampler, MinUpdates(2)).fit(DATA)


def test_arguments_are_checked():
    sampler, is_done = PermutationSampler(seed=1), MinUpdates(2)
    with pytest.raises(InputError, match="utility must be"):
        ShapleyValuation("game", sampler, is_done)
    with pytest.raises(InputError, match="sampler must be"):
        ShapleyValuation(SHOES, PermutationSampler, is_done)
    with pytest.raises(InputError, match="is_done must be"):
        ShapleyValuation(SHOES, sampler, 100)
    with pytest.raises(InputError, match="must be positive"):
        BetaShapleyValuation(SHOES, sampler, is_done, alpha=0)
    with pytest.raises(InputError, match="StratifiedSampler"):
        DeltaShapleyValuation(SHOES, sampler, is_done)


def test_a_run_without_an_end_is_refused():
    sampler = PermutationSampler(seed=1)
    for is_done in (NoStopping(sampler), NoStopping() | History(3)):
        with pytest.raises(InputError, match="never ends"):
            ShapleyValuation(SHOES, sampler, is_done).fit()


def test_utilities_must_be_single_finite_numbers():
    many = FunctionGame(lambda s: s.double(), 3)
    bad = FunctionGame(lambda s: s.sum(1).double().log(), 3)
    for sampler in (PermutationSampler(seed=1), MSRSampler(), UniformSampler()):
        with pytest.raises(InputError, match="one number for each coalition"):
            ShapleyValuation(many, sampler, MinUpdates(2)).fit()
        with pytest.raises(InputError, match="must be finite"):
            ShapleyValuation(bad, sampler, MinUpdates(20)).fit()


class Skewed(PowersetSampler):
    """Others join with probability 1/3, as a user would write it."""

    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def generate(self, indices):
        rng = np.random.default_rng(self.seed)
        for idx in self.index_iterable(indices):
            others = indices[indices != idx]
            yield Sample(idx, others[rng.random(len(others)) < 1 / 3])

    def log_weight(self, n, subset_len):
        if subset_len > n - 1:
            return -np.inf
        return subset_len * np.log(1 / 3) + (n - 1 - subset_len) * np.log(2 / 3)

    def sample_limit(self, indices):
        return None


class Shuffled(PermutationSamplerBase):
    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def generate(self, indices):
        rng = np.random.default_rng(self.seed)
        while True:
            yield Sample(None, rng.permutation(indices))

    def sample_limit(self, indices):
        return None


@pytest.mark.parametrize("sampler", [Skewed(1), Shuffled(1)])
@pytest.mark.parametrize("method", [ShapleyValuation, BanzhafValuation])
def test_a_samplers_law_is_corrected_for(sampler, method):
    result = method(SHOES, sampler, MinUpdates(200)).fit().result
    assert (np.abs(result.values - exact(method, SHOES)) < 5 * result.stderr).all()
    same(method(SHOES, sampler, MinUpdates(200)).fit().result, result)


class SingletonValuation(SemivalueValuation):
    """All weight on single points, by a function that knows single sizes only."""

    @property
    def log_coefficient(self):
        def log_weight(n, k):
            return 0.0 if k == 0 else -np.inf

        return log_weight


def test_a_semivalue_of_ones_own():
    game = RandomGame(5)
    sampler = DeterministicUniformSampler()
    result = SingletonValuation(game, sampler, NoStopping(sampler)).fit().result
    alone = game(torch.eye(5, dtype=torch.bool)) - game(game.ends())[0]
    np.testing.assert_allclose(result.values, alone, atol=1e-12)
    assert result.n_evaluations == 6  # what has no weight is not evaluated


def test_weights_of_three_thousand_points():
    n = 3000
    game = FunctionGame(lambda s: s.sum(1).double(), n)
    permutations = PermutationSampler(seed=1)
    for method in (ShapleyValuation, functools.partial(BetaShapleyValuation, beta=1)):
        result = method(game, permutations, MinUpdates(1)).fit().result
        np.testing.assert_allclose(result.values, 1, rtol=1e-9)
    result = BanzhafValuation(game, UniformSampler(seed=1), MinUpdates(1)).fit().result
    assert (result.values == 1).all()
    result = ShapleyValuation(game, UniformSampler(seed=1), MinUpdates(1)).fit().result
    assert np.isfinite(result.values).all()
    result = MSRBanzhafValuation(game, MinUpdates(9), seed=1).fit().result
    assert (np.abs(result.values - 1) < 5 * result.stderr).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: ShapleyValuation(SHOES, PermutationSampler(), MinUpdates(2), **o),
        lambda **o: MSRBanzhafValuation(SHOES, MinUpdates(2), seed=1, **o),
        lambda **o: StratifiedShapleyValuation(SHOES, MinUpdates(2), seed=1, **o),
        lambda **o: TMCShapleyValuation(SHOES, is_done=MinUpdates(2), **o),
        lambda **o: LOOValuation(SHOES, **o),
    ],
    ids=["Shapley", "MSR", "stratified", "TMC", "LOO"],
)
def test_progress_is_shown_on_demand(make, capsys):
    make().fit()
    assert not capsys.readouterr().err
    method = make(progress={"desc": "valuing"}).fit()
    assert "valuing" in capsys.readouterr().err
    make(progress=True).fit()
    assert method.algorithm_name in capsys.readouterr().err
