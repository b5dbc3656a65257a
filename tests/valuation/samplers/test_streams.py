"""What each sampler draws: exact streams, blocks, strata, and a user's own."""

from __future__ import annotations

from itertools import chain, combinations, count, islice, permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.valuation.samplers.cases import OURS, Shuffles, Singles
from torchattr.errors import InputError
from torchattr.estimation.exact import exact
from torchattr.estimation.truncation import NoTruncation, RelativeTruncation
from torchattr.games.semivalues import log_binomial, shapley
from torchattr.games.synthetic import RandomGame
from torchattr.sampling.marginals import EVERYBODY
from torchattr.valuation.samplers import (
    AntitheticOwenSampler,
    AntitheticPermutationSampler,
    AntitheticSampler,
    ConstantSampleSize,
    DeterministicPermutationSampler,
    DeterministicUniformSampler,
    FiniteNoIndexIteration,
    FiniteSequentialIndexIteration,
    GridOwenStrategy,
    HarmonicSampleSize,
    IndexIteration,
    LOOSampler,
    MSRSampler,
    NoIndexIteration,
    OwenSampler,
    OwenStrategy,
    PermutationSampler,
    PermutationSamplerBase,
    PowersetSampler,
    RandomIndexIteration,
    RandomSizeIteration,
    RoundRobinSizeIteration,
    SequentialIndexIteration,
    StratifiedPermutationSampler,
    StratifiedSampler,
    UniformOwenStrategy,
    UniformSampler,
    VRDSSampler,
)
from torchattr.valuation.types import Sample


def pairs(samples):
    return [(sample.idx, sample.subset.tolist()) for sample in samples]


def powerset(elements):
    sizes = range(len(elements) + 1)
    return [list(c) for k in sizes for c in combinations(elements, k)]


# Deterministic streams


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_all_subsets_of_each_index_come_by_size(n):
    indices = np.arange(n) * 3 + 1
    expected = [
        (i, subset)
        for i in indices.tolist()
        for subset in powerset([j for j in indices.tolist() if j != i])
    ]
    assert pairs(DeterministicUniformSampler().generate(indices)) == expected


def test_all_subsets_of_the_whole_set():
    sampler = DeterministicUniformSampler(index_iteration=FiniteNoIndexIteration)
    expected = [(None, subset) for subset in powerset([2, 5, 7])]
    assert pairs(sampler.generate(np.array([2, 5, 7]))) == expected


def test_all_subsets_come_again_in_an_endless_iteration():
    sampler = DeterministicUniformSampler(index_iteration=SequentialIndexIteration)
    samples = pairs(islice(sampler.generate(np.arange(3)), 24))
    assert samples[:12] == samples[12:]
    assert not sampler.is_exhaustive


def test_too_many_subsets_are_not_listed():
    with pytest.raises(InputError, match=r"2\^29"):
        next(DeterministicUniformSampler().generate(np.arange(30)))


def test_leave_one_out_leaves_each_out_once():
    samples = pairs(LOOSampler().generate(np.arange(3)))
    assert samples == [(0, [1, 2]), (1, [0, 2]), (2, [0, 1])]
    with pytest.raises(InputError, match="needs an index"):
        LOOSampler(index_iteration=NoIndexIteration)


def test_leave_one_out_declares_the_share_of_an_index():
    assert LOOSampler().log_weight(5, 4) == pytest.approx(-np.log(5))
    assert LOOSampler().log_weight(5, 3) == -np.inf


def test_all_permutations_come_in_lexicographic_order():
    samples = DeterministicPermutationSampler().generate(np.array([4, 7, 9]))
    expected = [(None, list(order)) for order in permutations([4, 7, 9])]
    assert pairs(samples) == expected


EXHAUSTIVE = {"loo", "loo, random", "all", "all, whole", "all permutations"}


@pytest.mark.parametrize(("name", "case"), OURS.items(), ids=OURS.keys())
def test_only_samplers_of_everything_are_exhaustive(name, case):
    assert case.make(0).is_exhaustive == (name in EXHAUSTIVE)


# Random streams


def test_uniform_samples_visit_the_indices_in_turn():
    samples = islice(UniformSampler(seed=0).generate(np.arange(3)), 7)
    assert [sample.idx for sample in samples] == [0, 1, 2, 0, 1, 2, 0]


@given(n=st.integers(1, 8), seed=st.integers(0, 99))
def test_antithetic_samples_are_complements_and_one_replicate(n, seed):
    marginals = AntitheticSampler(seed=seed).marginals(n, 0, 3)
    one, other = marginals.subsets[::2], marginals.subsets[1::2]
    players = marginals.players[::2]
    assert torch.equal(players, marginals.players[1::2])
    assert torch.equal(marginals.replicates[::2], marginals.replicates[1::2])
    assert torch.equal(one ^ other, torch.arange(n) != players[:, None])


def test_antithetic_permutations_are_reverses_and_one_replicate():
    orders = AntitheticPermutationSampler(seed=0).orders(5, 0, 3)
    assert torch.equal(orders.orders[::2], orders.orders[1::2].flip(1))
    assert orders.replicates.tolist() == orders.rounds.tolist() == [0, 0, 1, 1, 2, 2]


def test_reuse_draws_single_subsets_of_the_whole_set():
    marginals = MSRSampler(seed=0).marginals(6, 0, 500)
    assert marginals.players.unique().tolist() == [EVERYBODY]
    assert marginals.rounds.tolist() == list(range(500))
    assert int(marginals.sizes.max()) > 4
    assert MSRSampler().log_weight(6, 3) == pytest.approx(-5 * np.log(2))


def test_truncation_is_kept():
    policy = RelativeTruncation()
    assert PermutationSampler(policy).truncation is policy
    assert isinstance(AntitheticPermutationSampler().truncation, NoTruncation)
    assert DeterministicPermutationSampler(truncation=policy).truncation is policy


# Owen


def test_the_blocks_of_random_probabilities_are_replicates():
    sampler = OwenSampler(UniformOwenStrategy(3), n_samples_inner=2, seed=0)
    marginals = sampler.marginals(2, 0, 2)
    assert marginals.players.tolist() == [0] * 6 + [1] * 6
    assert marginals.replicates.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert marginals.strata is sampler.stratum_weights(2) is None


def test_the_points_of_a_grid_are_strata_and_the_ends_count_half():
    sampler = OwenSampler(GridOwenStrategy(5), n_samples_inner=2, seed=0)
    marginals = sampler.marginals(2, 0, 2)
    assert marginals.strata.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4] * 2
    assert len(marginals.replicates.unique()) == 20
    assert sampler.stratum_weights(2).tolist() == [0.125, 0.25, 0.25, 0.25, 0.125]


def test_sizes_follow_the_grid():
    sampler = OwenSampler(GridOwenStrategy(5), n_samples_inner=2000, seed=0)
    marginals = sampler.marginals(9, 0, 1)
    for stratum, q in enumerate(np.linspace(0, 1, 5)):
        sizes = marginals.sizes[marginals.strata == stratum].double()
        error = (8 * q * (1 - q) / 2000) ** 0.5
        assert abs(float(sizes.mean()) - 8 * q) <= 5 * error


def test_antithetic_probabilities_end_at_one_half_and_pairs_are_replicates():
    sampler = AntitheticOwenSampler(GridOwenStrategy(3), n_samples_inner=500, seed=0)
    marginals = sampler.marginals(9, 2, 1)
    assert marginals.players.unique().tolist() == [2]
    one, other = marginals.subsets[::2], marginals.subsets[1::2]
    assert torch.equal(one ^ other, (torch.arange(9) != 2).expand_as(one))
    assert torch.equal(marginals.replicates[::2], marginals.replicates[1::2])
    assert len(marginals.replicates.unique()) == 1500
    assert marginals.strata.tolist() == [0] * 1000 + [1] * 1000 + [2] * 1000
    assert sampler.stratum_weights(9).tolist() == [0.25, 0.5, 0.25]
    sizes = one.sum(1).double().view(3, 500).mean(1)
    assert sizes[0] == 0
    assert abs(float(sizes[1]) - 2) < 5 * (8 * 0.25 * 0.75 / 500) ** 0.5
    assert abs(float(sizes[2]) - 4) < 5 * (8 * 0.25 / 500) ** 0.5


@pytest.mark.parametrize("q_stop", [0.5, 1.0])
def test_strategies_give_their_probabilities(q_stop):
    assert GridOwenStrategy(3)(q_stop).tolist() == [0, q_stop / 2, q_stop]
    assert GridOwenStrategy(1)(q_stop).tolist() == [q_stop / 2]
    strategy = UniformOwenStrategy(1000, seed=1)
    first, second = strategy(q_stop), strategy(q_stop)
    assert not np.array_equal(first, second)
    assert first.min() >= 0
    assert 0.95 * q_stop < first.max() <= q_stop
    assert np.array_equal(UniformOwenStrategy(1000, seed=1)(q_stop), first)


def test_probabilities_have_their_own_seed_or_that_of_the_sampler():
    def drawn(seed, strategy_seed):
        strategy = UniformOwenStrategy(2, strategy_seed)
        return OwenSampler(strategy, seed=seed).marginals(30, 0, 30).sizes.tolist()

    assert drawn(1, None) == drawn(1, None)
    assert drawn(1, 5) == drawn(1, 5)
    assert len({tuple(drawn(*seeds)) for seeds in [(1, None), (1, 5), (1, 6)]}) == 3


def test_a_user_may_write_a_strategy():
    class Always(OwenStrategy):
        def outer(self, q_stop, start, count, entropy):
            return np.full((count, 1), q_stop)

        def weights(self):
            return np.ones(1)

    sampler = OwenSampler(Always(1), n_samples_inner=1)
    assert sampler.marginals(4, 0, 4).sizes.tolist() == [3] * 4


@pytest.mark.parametrize(
    "make",
    [
        lambda: GridOwenStrategy(0),
        lambda: OwenSampler(GridOwenStrategy(2), 0),
        lambda: OwenSampler(5),
    ],
)
def test_owen_arguments_are_checked(make):
    with pytest.raises(InputError):
        make()


# Stratified


def test_sizes_come_one_after_the_other_or_in_turn():
    sizes = HarmonicSampleSize(n_samples=11)
    one = StratifiedSampler(sizes, seed=0)
    turns = StratifiedSampler(sizes, RoundRobinSizeIteration, seed=0)
    assert one.marginals(3, 0, 1).sizes.tolist() == [0] * 6 + [1] * 3 + [2] * 2
    in_turn = [0, 1, 2, 0, 1, 2, 0, 1, 0, 0, 0]
    assert turns.marginals(3, 0, 1).sizes.tolist() == in_turn


@pytest.mark.parametrize(
    "sampler",
    [
        StratifiedSampler(HarmonicSampleSize(11), seed=0),
        StratifiedSampler(HarmonicSampleSize(11), RoundRobinSizeIteration, seed=0),
        VRDSSampler(11, seed=0),
    ],
)
def test_sizes_are_strata_with_their_share(sampler):
    marginals = sampler.marginals(3, 0, 3)
    assert torch.equal(marginals.strata, marginals.sizes)
    weights = sampler.stratum_weights(3)
    np.testing.assert_allclose(weights, np.array([6, 3, 2]) / 11, atol=1e-15)
    assert len(marginals.replicates.unique()) == len(marginals) == 33


def test_random_sizes_are_no_strata():
    sampler = StratifiedSampler(
        ConstantSampleSize(lower_bound=1, upper_bound=4),
        RandomSizeIteration,
        index_iteration=RandomIndexIteration,
        seed=0,
    )
    marginals = sampler.marginals(6, 0, 1000)
    assert marginals.strata is sampler.stratum_weights(6) is None
    counts = marginals.sizes.bincount(minlength=6)[1:5]
    assert counts.sum() == 6000
    z = (counts / 6000 - 0.25) / (0.25 * 0.75 / 6000) ** 0.5
    assert bool((z.abs() < 5).all())
    weights = np.exp(sampler.log_weight(6, np.arange(6)))
    expected = np.array([0, 0.25 / 5, 0.25 / 10, 0.25 / 10, 0.25 / 5, 0])
    np.testing.assert_allclose(weights, expected, atol=1e-15)


def test_permutations_keep_the_planned_sizes():
    sizes = ConstantSampleSize(lower_bound=1, upper_bound=2)
    sampler = StratifiedPermutationSampler(sizes, seed=0)
    assert sampler.marginals(5, 0, 50).sizes.unique().tolist() == [1, 2]
    assert np.exp(sampler.log_weight(5, [0, 1, 2, 3])).round(6).tolist() == [
        0, 0.125, round(1 / 12, 6), 0
    ]  # fmt: skip
    finite = StratifiedPermutationSampler(ConstantSampleSize(n_samples=10), seed=0)
    assert finite.sample_limit(np.arange(5)) == 10  # 2 of each size for each index
    assert finite.marginals(5, 0, 99).sizes.bincount().tolist() == [10] * 5


# A user's own


@pytest.mark.parametrize(
    "sample",
    [Sample(0, np.array([0])), Sample(9, np.array([0])), Sample(0, np.array([5]))],
)
def test_a_wrong_sample_is_shown(sample):
    class Wrong(Singles):
        def generate(self, indices):
            yield sample

    with pytest.raises(InputError, match="Correct generate"):
        Wrong(0).marginals(3, 0, 1)


@pytest.mark.parametrize(
    "sample",
    [
        Sample(None, np.array([0, 1])),
        Sample(None, np.array([0, 1, 1])),
        Sample(1, np.array([0, 1, 2])),
        Sample(None, np.array([0, 1, 3])),
    ],
)
def test_what_is_not_a_permutation_is_shown(sample):
    class Wrong(Shuffles):
        def generate(self, indices):
            yield sample

    with pytest.raises(InputError, match="Correct generate"):
        Wrong(0).orders(3, 0, 1)


def test_a_users_stream_is_generated_once_as_long_as_it_goes_forward():
    class Counted(Singles):
        begun = 0

        def generate(self, indices):
            self.begun += 1
            yield from super().generate(indices)

    sampler = Counted(0)
    for start in (0, 2, 4, 7):
        sampler.marginals(5, start, 2)
    assert sampler.begun == 1
    sampler.marginals(5, 3, 1)
    assert sampler.begun == 2


def test_the_generate_of_a_subclass_is_what_counts():
    class OnlyEmpty(UniformSampler):
        def generate(self, indices):
            for idx in self.index_iterable(indices):
                yield Sample(idx, indices[:0])

    class Identity(PermutationSampler):
        def generate(self, indices):
            while True:
                yield Sample(None, indices)

    assert OnlyEmpty(seed=0).marginals(4, 0, 3).sizes.tolist() == [0] * 12
    assert Identity(seed=0).orders(3, 0, 2).orders.tolist() == [[0, 1, 2]] * 2
    assert Identity(seed=0).marginals(3, 0, 1).players.tolist() == [0, 1, 2]
    assert Identity(seed=0).sample_limit(np.arange(3)) is None


def test_permutations_that_only_have_generate_never_end():
    class Rotated(PermutationSamplerBase):
        def generate(self, indices):
            for shift in count():
                yield Sample(None, np.roll(indices, shift))

    sampler = Rotated()
    assert sampler.sample_limit(np.arange(3)) is None
    assert sampler.rounds.n_rounds(3) is None
    np.testing.assert_allclose(
        sampler.log_weight(3, [0, 1, 2]), np.log([1 / 3, 1 / 6, 1 / 3])
    )
    assert sampler.orders(3, 1, 2).orders.tolist() == [[2, 0, 1], [1, 2, 0]]


def test_a_users_iteration_of_indices():
    class Evens(IndexIteration):
        def __iter__(self):
            return iter(self._indices[::2].tolist())

        @staticmethod
        def length(n_indices):
            return (n_indices + 1) // 2

        @staticmethod
        def complement_size(n):
            return n - 1

    sampler = UniformSampler(index_iteration=Evens, seed=0)
    samples = list(sampler.generate(np.arange(10, 15)))
    assert [sample.idx for sample in samples] == [10, 12, 14]
    assert sampler.sample_limit(np.arange(5)) == 3


@pytest.mark.parametrize("iteration", [FiniteSequentialIndexIteration(np.arange(3)), 5])
def test_the_iteration_is_a_class(iteration):
    with pytest.raises(InputError, match="index_iteration must be"):
        UniformSampler(index_iteration=iteration)


def test_bases_are_abstract():
    for base in (PowersetSampler, PermutationSamplerBase):
        with pytest.raises(TypeError, match="abstract"):
            base()


# Every law estimates the Shapley value, by importance

PROPER = {
    name: case
    for name, case in OURS.items()
    if not name.startswith(("loo", "msr"))
    and "whole" not in name
    # Of sizes 1 and 2 only, or all but 0: not the Shapley value.
    and name not in {"sized permutations", "stratified, endless"}
}


def value_of(sampler, game, rounds):
    """Values and standard errors, one player at a time."""
    n = game.n_players
    drawn = sampler.marginals(n, 0, rounds)
    sizes = drawn.sizes
    log_weight = torch.from_numpy(sampler.log_weight(n, sizes.numpy()))
    scale = (shapley(n)[sizes].log() - log_weight).exp()
    gains = scale * (game(drawn.joined) - game(drawn.subsets)).double()
    weights = sampler.stratum_weights(n)
    strata = torch.zeros_like(sizes) if weights is None else drawn.strata
    weights = torch.ones(1) if weights is None else weights
    values, variances = torch.zeros(2, n, dtype=torch.float64)
    for player in range(n):
        for stratum, weight in enumerate(weights.tolist()):
            rows = (drawn.players == player) & (strata == stratum)
            if weight == 0:
                continue
            labels, where = drawn.replicates[rows].unique(return_inverse=True)
            means = torch.zeros(len(labels), dtype=torch.float64)
            means.scatter_reduce_(0, where, gains[rows], "mean", include_self=False)
            values[player] += weight * means.mean()
            if len(means) > 1:
                variances[player] += weight**2 * means.var() / len(means)
    return values, variances.sqrt()


@pytest.mark.parametrize(("name", "case"), PROPER.items(), ids=PROPER.keys())
def test_every_law_estimates_the_shapley_value(name, case):
    n = 5
    game = RandomGame(n, 8, generator=torch.Generator().manual_seed(1))
    truth = exact(game).values
    if name in {"all", "all permutations", "all, endless"}:
        sampler = case.make(0)
        rounds = sampler.rounds.n_rounds(n) or n
        values, _ = value_of(sampler, game, rounds)
        torch.testing.assert_close(values, truth, atol=1e-10, rtol=0)
        return
    if case.limit is not None:  # too few samples in one run for its standard error
        runs = torch.stack([
            value_of(case.make(seed), game, case.make(0).rounds.n_rounds(n))[0]
            for seed in range(60)
        ])
        values, errors = runs.mean(0), runs.std(0) / 60**0.5
    else:
        values, errors = value_of(case.make(3), game, 1200)
    bias = 0.0
    if "grid" in name:  # the trapezoidal rule with three points
        bias = trapezoid(game, 3, both="antithetic" in name) - truth
    z = (values - truth - bias) / errors.clamp(min=1e-12)
    assert bool((z.abs() < 5).all()), z


def trapezoid(game, points, *, both):
    """The Owen integral by the trapezoidal rule, with exact means at its points."""
    n = game.n_players
    grid = np.linspace(0, 0.5 if both else 1, points)
    weights = np.ones(points)
    weights[[0, -1]] = 0.5
    total = torch.zeros(n, dtype=torch.float64)
    subsets = torch.tensor(list(map(list, np.ndindex(*[2] * n))), dtype=torch.bool)
    values = game(subsets).double()
    codes = (subsets.long() << torch.arange(n)).sum(1)
    table = values[codes.argsort()]
    for q, weight in zip(grid, weights / weights.sum(), strict=True):
        for player in range(n):
            for code in range(2**n):
                if code >> player & 1:
                    continue
                k = code.bit_count()
                p = q**k * (1 - q) ** (n - 1 - k)
                if both:
                    p = (p + (1 - q) ** k * q ** (n - 1 - k)) / 2
                total[player] += weight * p * (table[code | 1 << player] - table[code])
    return total


def test_the_grid_of_the_or_game_is_right():
    # Worth 1 unless nobody is there: each of four is worth a quarter. With equal
    # weights of the ends, two points would say one half, and five about .31.
    for points, expected in [(2, 0.5), (5, 0.2656)]:
        sampler = OwenSampler(GridOwenStrategy(points), n_samples_inner=1)
        q = np.linspace(0, 1, points)
        weights = sampler.stratum_weights(4).numpy()
        assert (weights * (1 - q) ** 3).sum() == pytest.approx(expected, abs=1e-4)


def test_a_subset_joins_all_of_a_powerset():
    drawn = UniformSampler(index_iteration=NoIndexIteration, seed=0).marginals(3, 0, 99)
    codes = (drawn.subsets.long() << torch.arange(3)).sum(1)
    assert codes.unique().tolist() == list(range(8))
    assert list(chain(codes.bincount() > 3)) == [True] * 8
    assert log_binomial(3, torch.tensor(1)).exp() == pytest.approx(3)
