"""Laws that hold for every sampler, a user's own included."""

from __future__ import annotations

import pickle
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.valuation.samplers.cases import (
    ALL,
    OURS,
    PERMUTATIONS,
    POWERSET,
    USERS,
    random_indices,
)
from torchattr.errors import InputError
from torchattr.sampling.marginals import EVERYBODY, Marginals
from torchattr.sampling.subset_counts import log_n_subsets
from torchattr.valuation.samplers import PermutationSamplerBase

ENOUGH = 20  # rounds
# A law of all samplers is tried on more than thirty of them.
few_examples = settings(max_examples=7)
NEED_OTHERS = {"a user's", "a user's, finite", "stratified, whole"}


def every(cases):
    return pytest.mark.parametrize("case", cases.values(), ids=cases.keys())


def take(sampler, n, count):
    return list(islice(sampler.generate(np.arange(n)), count))


def as_rows(marginals):
    sets = [frozenset(row.nonzero()[:, 0].tolist()) for row in marginals.subsets]
    return list(zip(marginals.players.tolist(), sets, strict=True))


def columns(marginals):
    names = ("players", "subsets", "rounds", "replicates", "strata")
    return [getattr(marginals, name) for name in names]


def where(marginals, rows):
    return Marginals(*(c if c is None else c[rows] for c in columns(marginals)))


def same(one, other):
    pairs = zip(columns(one), columns(other), strict=True)
    return all((a is None and b is None) or torch.equal(a, b) for a, b in pairs)


def name_of(case):
    return next(name for name, other in ALL.items() if other is case)


@every(ALL)
@pytest.mark.parametrize("n", [1, 5])
def test_generate_yields_what_the_marginals_are(case, n):
    if n == 1 and name_of(case) in NEED_OTHERS:
        return
    sampler = case.make(3)
    rows = as_rows(sampler.marginals(n, 0, ENOUGH))
    if isinstance(sampler, PermutationSamplerBase):
        orders = sampler.orders(n, 0, ENOUGH)
        samples = take(case.make(3), n, len(orders))
        assert all(sample.idx is None for sample in samples)
        assert [s.subset.tolist() for s in samples] == orders.orders.tolist()
        if orders.kept is None:
            joined = [
                (player, frozenset(s.subset[:place].tolist()))
                for s in samples
                for place, player in enumerate(s.subset.tolist())
            ]
            assert joined == rows
        return
    samples = take(case.make(3), n, len(rows))
    found = [
        (EVERYBODY if s.idx is None else s.idx, frozenset(s.subset.tolist()))
        for s in samples
    ]
    assert found == rows


@every(ALL)
@few_examples
@given(data=st.data())
def test_any_part_of_a_stream_is_what_the_whole_has_there(case, data):
    n = data.draw(st.integers(2, 6))
    start = data.draw(st.integers(0, ENOUGH))
    count = data.draw(st.integers(0, 4))
    sampler = case.make(7)
    whole = case.make(7).marginals(n, 0, ENOUGH)
    sampler.marginals(n, data.draw(st.integers(0, 3)), 2)  # what came before is nothing
    part = sampler.marginals(n, start, count)
    rows = (whole.rounds >= start) & (whole.rounds < min(start + count, ENOUGH))
    assert same(where(whole, rows), where(part, part.rounds < ENOUGH))


@every(ALL)
@few_examples
@given(n=st.integers(2, 6), seed=st.integers(0, 1000))
def test_no_player_is_in_the_subset_that_it_joins(case, n, seed):
    marginals = case.make(seed).marginals(n, 0, 5)
    assert len(marginals) > 0
    assert marginals.subsets.shape == (len(marginals), n)
    assert marginals.subsets.dtype == torch.bool
    named = marginals.players >= 0
    chosen = marginals.players.clamp(min=0)[:, None]
    assert not bool((marginals.subsets.gather(1, chosen)[:, 0] & named).any())
    assert bool((marginals.players < n).all())


@every(ALL)
@few_examples
@given(n=st.integers(2, 6))
def test_rounds_and_replicates_are_numbered(case, n):
    sampler = case.make(0)
    marginals = sampler.marginals(n, 2, 5)
    if not len(marginals):
        assert sampler.rounds.n_rounds(n) <= 2
        return
    assert marginals.rounds[0] == 2
    assert bool((marginals.rounds.diff() >= 0).all())
    assert marginals.rounds.unique().tolist() == list(
        range(2, 2 + len(marginals.rounds.unique()))
    )
    pairs = torch.stack([marginals.players, marginals.replicates])
    copies = pairs.unique(dim=1, return_counts=True)[1]
    assert bool((copies == case.copies).all()) or case in PERMUTATIONS.values()
    if isinstance(sampler, PermutationSamplerBase):
        assert torch.equal(marginals.replicates, marginals.rounds)


@every(OURS)
def test_the_same_seed_draws_the_same_and_another_does_not(case):
    one, same_seed, other = (case.make(seed).marginals(9, 0, 9) for seed in (1, 1, 2))
    assert same(one, same_seed)
    if not case.make(1).is_exhaustive and "all" not in name_of(case):
        assert not same(one, other)


@every(OURS)
def test_without_a_seed_a_sampler_repeats_itself_only(case):
    sampler = case.make(None)
    assert same(sampler.marginals(9, 0, 4), sampler.marginals(9, 0, 4))


@every(ALL)
@pytest.mark.parametrize("n", [0, 1, 4])
def test_finite_samplers_have_the_length_that_they_say(case, n):
    sampler = case.make(0)
    indices = np.arange(n)
    if (n == 1 and name_of(case) in NEED_OTHERS) or (n == 0 and name_of(case) in USERS):
        return
    expected = 0 if n == 0 else case.limit and case.limit(n)
    assert sampler.sample_limit(indices) == expected
    if expected is None:
        with pytest.raises(TypeError, match="has no length"):
            len(sampler)
        assert sampler.rounds.n_rounds(n) is None
        return
    batches = list(sampler.generate_batches(indices))
    assert sum(map(len, batches)) == len(sampler) == sampler.n_samples == expected
    if n:
        rounds = sampler.rounds.n_rounds(n)
        whole = sampler.marginals(n, 0, rounds + 3)
        assert whole.rounds[-1] + 1 == rounds
        assert len(sampler.marginals(n, rounds, 2)) == 0


@every(ALL)
@pytest.mark.parametrize("batch_size", [3])
def test_batches_are_the_samples_in_a_row(case, batch_size):
    sampler = case.make(5)
    sampler._batch_size = batch_size
    batches = list(islice(sampler.generate_batches(np.arange(3)), 4))
    flat = [sample for batch in batches for sample in batch]
    assert flat == take(case.make(5), 3, len(flat))
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert sampler.n_samples == len(flat)


@every(OURS)
def test_indices_may_be_any_integers(case):
    indices = random_indices(4)
    samples = list(islice(case.make(2).generate(indices), 30))
    positions = take(case.make(2), 4, 30)
    assert len(samples) == len(positions)
    for sample, position in zip(samples, positions, strict=True):
        idx = position.idx
        assert sample.idx == (None if idx is None else indices[idx])
        assert sample.subset.tolist() == indices[position.subset].tolist()


@every(ALL)
def test_an_interruption_ends_after_the_batch(case):
    sampler = case.make(0)
    batches = sampler.generate_batches(np.arange(3))
    next(batches)
    sampler.interrupt()
    assert sampler.interrupted
    assert list(batches) == []
    assert len(list(islice(sampler.generate_batches(np.arange(3)), 2))) == 2
    assert not sampler.interrupted


@every(ALL)
def test_a_fit_tells_how_far_it_has_come(case):
    sampler = case.make(0)
    sampler.record_rounds(4, 2)
    samples = 2 * sampler.rounds.samples_per_round(4)
    limit = case.limit and case.limit(4)
    assert sampler.n_samples == (samples if limit is None else min(samples, limit))
    if limit is not None:
        sampler.record_rounds(4, 10**6)
        assert sampler.n_samples == len(sampler) == limit


@every(OURS)
@pytest.mark.parametrize("n", [5])
def test_a_round_has_the_rows_and_updates_that_it_says(case, n):
    sampler = case.make(0)
    cycle = sampler.rounds.n_rounds(n) or 24
    marginals = sampler.marginals(n, 0, cycle)
    rows = len(marginals) / cycle
    everybody = int(marginals.players[0]) == EVERYBODY
    updates = rows / (1 if everybody else n)
    assert sampler.rounds.updates_per_round(n) == pytest.approx(updates)
    assert sampler.rounds.rows_per_round(n) == pytest.approx(rows, abs=0.5)


@pytest.mark.parametrize(
    ("name", "checks"),
    [
        ("uniform", 1),
        ("antithetic", 1),
        ("permutations", 1),
        ("antithetic permutations", 1),
        ("loo", 1),
        ("a user's", 1),
        ("a user's permutations", 1),
        ("msr", 40),
        ("owen, endless", 160),
        ("stratified", 54),
    ],
)
def test_criteria_are_asked_once_in_so_many_rounds(name, checks):
    assert ALL[name].make(0).rounds_per_check(640) == checks


@every(OURS)
@pytest.mark.parametrize("n", [2, 9])
def test_probabilities_of_sizes_sum_to_one(case, n):
    sampler = case.make(0)
    name = type(sampler).__name__
    m = sampler.complement_size(n)
    sizes = np.arange(m + 1)
    total = np.exp(sampler.log_weight(n, sizes) + log_n_subsets(m, sizes)).sum()
    # Two declare pyDVL's: of an index and its subset, and of a subset of the others.
    expected = {"LOOSampler": 1 / n, "MSRSampler": 2.0}.get(name, 1.0)
    assert total == pytest.approx(expected, abs=1e-12)


@every(OURS)
def test_log_weights_take_a_number_or_an_array(case):
    sampler = case.make(0)
    m = sampler.complement_size(5)
    sizes = np.arange(-1, m + 2)
    weights = sampler.log_weight(5, sizes)
    assert weights.shape == sizes.shape
    assert weights[0] == weights[-1] == -np.inf
    for size, weight in zip(sizes.tolist(), weights, strict=True):
        one = sampler.log_weight(5, size)
        assert isinstance(one, float)
        assert one == weight
    assert sampler.log_weight(5, np.int64(1)) == weights[2]


@every(OURS)
def test_log_weights_of_thousands_are_finite(case):
    sampler = case.make(0)
    m = sampler.complement_size(3000)
    weights = sampler.log_weight(3000, np.arange(m + 1))
    assert not np.isnan(weights).any()
    assert np.isfinite(weights).any()
    assert weights.max() <= 0


@every({k: v for k, v in OURS.items() if not k.startswith(("loo", "msr"))})
def test_sizes_come_as_often_as_declared(case):
    n = 5
    sampler = case.make(11)
    m = sampler.complement_size(n)
    sizes = np.arange(m + 1)
    expected = np.exp(sampler.log_weight(n, sizes) + log_n_subsets(m, sizes))
    rounds = sampler.rounds.n_rounds(n) or 2400
    marginals = sampler.marginals(n, 0, rounds)
    counts = np.bincount(marginals.sizes.numpy(), minlength=m + 1)
    if sampler.is_exhaustive or sampler.stratum_weights(n) is not None:
        if "Owen" not in type(sampler).__name__:
            np.testing.assert_allclose(counts / counts.sum(), expected, atol=1e-12)
        return
    if case.limit is not None:
        many = [case.make(seed).marginals(n, 0, rounds) for seed in range(300)]
        counts = sum(
            np.bincount(drawn.sizes.numpy(), minlength=m + 1) for drawn in many
        )
    # Samples of a replicate may agree, which is at most to count one for all.
    effective = counts.sum() / case.copies
    error = np.sqrt(expected * (1 - expected) / effective)
    z = (counts / counts.sum() - expected) / np.where(error > 0, error, 1e-12)
    assert np.abs(z).max() < 5


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batches_have_at_least_one_sample(batch_size):
    for name in ("uniform", "permutations"):
        cls = type(OURS[name].make(0))
        with pytest.raises(InputError, match="batch_size"):
            cls(batch_size=batch_size)


@every(OURS)
def test_samplers_can_be_sent_elsewhere(case):
    sampler = case.make(0)
    before = sampler.marginals(4, 0, 2)
    assert same(pickle.loads(pickle.dumps(sampler)).marginals(4, 0, 2), before)


def test_every_case_of_the_powerset_names_its_complement():
    for case in POWERSET.values():
        sampler = case.make(0)
        proper = sampler.index_iteration.is_proper()
        assert sampler.complement_size(7) == (6 if proper else 7)
        named = bool((sampler.marginals(4, 0, 1).players >= 0).all())
        assert named == proper
