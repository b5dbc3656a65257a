"""How many subsets of each size: shares, rounding, and order."""

from __future__ import annotations

from math import ceil, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.valuation.samplers import (
    ConstantSampleSize,
    DeltaShapleyNCSGDConfig,
    DeltaShapleyNCSGDSampleSize,
    FiniteSequentialSizeIteration,
    GroupTestingSampleSize,
    HarmonicSampleSize,
    LinearSampleSize,
    PowerLawSampleSize,
    RandomSizeIteration,
    RoundRobinIteration,
    RoundRobinSizeIteration,
    SampleSizeIteration,
    SampleSizeStrategy,
    StratifiedSampler,
    VRDSSampler,
)


class Given(SampleSizeStrategy):
    """A user's: numbers as they are."""

    def __init__(self, numbers, n_samples=0):
        super().__init__(n_samples)
        self.numbers = numbers

    def fun(self, n_indices, subset_len):
        return self.numbers[subset_len]


def test_constant_sizes_between_bounds():
    shares = ConstantSampleSize(lower_bound=1, upper_bound=4).sample_sizes(5)
    assert shares.tolist() == [0, 0.25, 0.25, 0.25, 0.25, 0]


def test_group_testing_shares():
    shares = GroupTestingSampleSize().sample_sizes(4)
    np.testing.assert_allclose(shares, [0, 4 / 11, 3 / 11, 4 / 11, 0], atol=1e-15)


@pytest.mark.parametrize(
    ("strategy", "function"),
    [
        (HarmonicSampleSize(), lambda k: 1 / (1 + k)),
        (PowerLawSampleSize(-0.7), lambda k: (1 + k) ** -0.7),
        (LinearSampleSize(1.5, 2), lambda k: int(1.5 * k + 2)),
        (ConstantSampleSize(), lambda k: 1),
    ],
)
def test_shares_follow_the_function(strategy, function):
    expected = np.array([function(k) for k in range(8)], dtype=float)
    shares = strategy.sample_sizes(7)
    np.testing.assert_allclose(shares, expected / expected.sum(), atol=1e-15)


@given(
    numbers=st.lists(st.floats(0, 9), min_size=1, max_size=9).filter(
        lambda numbers: sum(numbers) > 1
    ),
    n_samples=st.integers(1, 99),
)
def test_rounding_keeps_the_sum_and_is_within_one(numbers, n_samples):
    strategy = Given(numbers, n_samples)
    counts = strategy.sample_sizes(len(numbers) - 1, probs=False)
    wanted = np.array(numbers) / sum(numbers) * n_samples
    assert counts.sum() == n_samples == strategy.n_samples_per_index(len(numbers) - 1)
    assert np.abs(counts - wanted).max() < 1
    # The largest remainders get what is left: nobody with more than another got less.
    remainders, rounded_up = wanted % 1, counts > wanted
    if rounded_up.any() and not rounded_up.all():
        assert remainders[rounded_up].min() >= remainders[~rounded_up].max() - 1e-6


def test_equal_remainders_go_to_the_first():
    assert ConstantSampleSize(5).sample_sizes(2, probs=False).tolist() == [2, 2, 1]


def test_the_number_of_samples_may_be_left_to_the_function():
    assert Given([2, 3, 1]).sample_sizes(2, probs=False).tolist() == [2, 3, 1]
    smallest_is_one = Given([0.5, 0.25, 0], n_samples=None)
    assert smallest_is_one.sample_sizes(2, probs=False).tolist() == [2, 1, 0]
    assert smallest_is_one.n_samples_per_index(2) is None


def test_sizes_in_turn():
    order = [size for size, _ in RoundRobinSizeIteration(Given([2, 3, 1]), 2)]
    assert order == [0, 1, 2, 0, 1, 1]
    assert list(FiniteSequentialSizeIteration(Given([2, 0, 1]), 2)) == [(0, 2), (2, 1)]
    assert list(RoundRobinIteration(Given([1, 1]), 1)) == [(0, 1), (1, 1)]
    assert list(RandomSizeIteration(Given([0, 3, 0]), 2, seed=1)) == [(1, 1)]


def test_a_user_may_write_an_iteration():
    class Largest(SampleSizeIteration):
        def __iter__(self):
            yield self.n_indices, 2

    sampler = StratifiedSampler(ConstantSampleSize(), Largest)
    assert sampler.marginals(4, 0, 1).sizes.tolist() == [3] * 8
    assert np.exp(sampler.log_weight(4, np.arange(4))).tolist() == [0, 0, 0, 1]

    class TooLarge(SampleSizeIteration):
        def __iter__(self):
            yield self.n_indices + 1, 2

    with pytest.raises(InputError, match="sizes from 0 to 3"):
        StratifiedSampler(ConstantSampleSize(), TooLarge).marginals(4, 0, 1)


@pytest.mark.parametrize("version", ["theorem7", "code"])
def test_the_bound_for_sgd(version):
    config = DeltaShapleyNCSGDConfig(
        max_loss=2.0,
        lipschitz_loss=1.5,
        lipschitz_grad=0.8,
        lr_factor=0.3,
        n_sgd_iter=50,
        n_val=40,
        n_train=60,
        eps=0.1,
        delta=0.2,
        version=version,
    )
    q = 0.8 * 0.3
    for k in range(2, 6):
        stability = (1 + 1 / q) / (k - 1) * (2 * 0.3 * 1.5**2) ** (1 / (q + 1))
        stability *= 2.0 ** (q / (q + 1)) * 50 ** (q / (q + 1))
        spread = {
            "theorem7": 2 * stability**2 + 2 * 2 * stability + 4 * 2 * 0.1 / 3,
            "code": stability**2 / 40 + 2 * 2 * 0.1 / 3,
        }[version]
        expected = ceil(2 * log(2 * 9 / 0.2) * spread / 0.1**2)
        assert DeltaShapleyNCSGDSampleSize(config).fun(9, k) == expected


@pytest.mark.parametrize("wrong", [{"eps": 0}, {"max_loss": -1}, {"version": "paper"}])
def test_constants_of_sgd_are_checked(wrong):
    right = dict.fromkeys(
        ("max_loss", "lipschitz_loss", "lipschitz_grad", "lr_factor"), 1.0
    ) | dict.fromkeys(("n_sgd_iter", "n_val", "n_train"), 10)
    with pytest.raises(InputError, match="must be"):
        DeltaShapleyNCSGDConfig(**(right | wrong))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ConstantSampleSize(-1),
        lambda: ConstantSampleSize(lower_bound=3, upper_bound=2),
        lambda: Given([0, 0]).sample_sizes(1),
        lambda: Given([1, -1]).sample_sizes(1),
        lambda: StratifiedSampler(5),
    ],
)
def test_arguments_are_checked(make):
    with pytest.raises(InputError):
        make()


@pytest.mark.parametrize("n", [2, 10, 500])
def test_the_samples_that_make_values_accurate(n):
    expected = 2 * (log(2) - log(0.05)) / 0.01**2 * (log(n) + 1) ** 2
    assert VRDSSampler.min_samples(n) == ceil(expected)
    assert VRDSSampler.min_samples(n, eps=0.1, delta=0.2) < ceil(expected) / 100
