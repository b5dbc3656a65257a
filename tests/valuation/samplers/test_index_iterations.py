"""Index iterations: order, length, and what subsets are made of."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from torchattr.valuation.samplers import (
    FiniteNoIndexIteration,
    FiniteRandomIndexIteration,
    FiniteSequentialIndexIteration,
    NoIndexIteration,
    PowersetSampler,
    RandomIndexIteration,
    SequentialIndexIteration,
    UniformSampler,
)
from torchattr.valuation.samplers.index_iterations import IndexVisits

INDICES = np.array([4, 9, 7])
ITERATIONS = {
    SequentialIndexIteration: None,
    FiniteSequentialIndexIteration: 3,
    RandomIndexIteration: None,
    FiniteRandomIndexIteration: 3,
    NoIndexIteration: None,
    FiniteNoIndexIteration: 1,
}
by_iteration = pytest.mark.parametrize("iteration", ITERATIONS)


@by_iteration
def test_lengths(iteration):
    assert iteration.length(3) == ITERATIONS[iteration]
    assert iteration.length(0) == 0
    assert iteration.is_finite() == (ITERATIONS[iteration] is not None)
    assert list(iteration(INDICES[:0])) == []
    found = list(islice(iteration(INDICES), 1000))
    assert len(found) == (ITERATIONS[iteration] or 1000)


@by_iteration
def test_complements(iteration):
    proper = "NoIndex" not in iteration.__name__
    assert iteration.is_proper() == proper
    assert iteration.complement_size(5) == (4 if proper else 5)
    assert iteration.complement_size(0) == 0


def test_in_turn():
    assert list(FiniteSequentialIndexIteration(INDICES)) == [4, 9, 7]
    assert list(islice(SequentialIndexIteration(INDICES), 5)) == [4, 9, 7, 4, 9]
    assert list(FiniteNoIndexIteration(INDICES)) == [None]


def test_at_random():
    found = list(islice(RandomIndexIteration(INDICES, seed=1), 3000))
    counts = np.array([found.count(index) for index in INDICES])
    assert (np.abs(counts - 1000) < 5 * (3000 * 2 / 9) ** 0.5).all()
    assert found == list(islice(RandomIndexIteration(INDICES, seed=1), 3000))


def test_random_orders_are_uniform():
    orders = [
        tuple(FiniteRandomIndexIteration(INDICES, seed=seed)) for seed in range(1200)
    ]
    assert all(sorted(order) == [4, 7, 9] for order in orders)
    counts = np.array([orders.count(order) for order in sorted(set(orders))])
    assert len(counts) == 6
    assert ((counts - 200) ** 2 / 200).sum() < 5 + 5 * 10**0.5


@by_iteration
@pytest.mark.parametrize("start", [0, 1, 2, 300])
def test_visits_are_found_by_their_number(iteration, start):
    visits = IndexVisits(iteration, 5)
    whole = [-1 if i is None else i for i in islice(iteration(np.arange(3), 5), 400)]
    assert visits.players(3, start, 4).tolist() == whole[start : start + 4]


@by_iteration
def test_a_users_sampler_visits_the_same_indices(iteration):
    class Empty(PowersetSampler):
        def generate(self, indices):
            raise NotImplementedError

        def log_weight(self, n, subset_len):
            raise NotImplementedError

        def sample_limit(self, indices):
            raise NotImplementedError

    sampler = Empty(index_iteration=iteration)
    found = list(islice(sampler.index_iterable(INDICES), 9))
    assert found == list(islice(sampler.index_iterable(INDICES), 9))
    assert len(found) == min(9, ITERATIONS[iteration] or 9)
    assert set(found) <= {4, 7, 9, None}
    seeded = [Empty(index_iteration=iteration) for _ in range(2)]
    for one in seeded:
        one._rng = np.random.default_rng(1)
    one, other = (list(islice(s.index_iterable(INDICES), 9)) for s in seeded)
    assert one == other
    ours = UniformSampler(index_iteration=iteration, seed=3)
    samples = islice(ours.generate(INDICES), 9)
    assert [s.idx for s in samples] == list(islice(ours.index_iterable(INDICES), 9))
