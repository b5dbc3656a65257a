"""Class-wise Shapley values: the closed form, and every sampler inside a class."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from torchattr.errors import InputError
from torchattr.valuation.dataset import Dataset, GroupedDataset
from torchattr.valuation.methods.classwise_shapley_valuation import (
    ClasswiseShapleyValuation,
)
from torchattr.valuation.result import Status, ValuationResult
from torchattr.valuation.samplers import (
    AntitheticPermutationSampler,
    ClasswiseSampler,
    DeterministicPermutationSampler,
    DeterministicUniformSampler,
    FiniteNoIndexIteration,
    MSRSampler,
    NoIndexIteration,
    PermutationSampler,
    RelativeTruncation,
    UniformSampler,
)
from torchattr.valuation.scorers import ClasswiseSupervisedScorer, SupervisedScorer
from torchattr.valuation.stopping import MaxUpdates, MinUpdates, NoStopping
from torchattr.valuation.types import ClasswiseSample, Sample
from torchattr.valuation.utility.classwise_model_utility import ClasswiseModelUtility


class Slope:
    """Rounds a line through the origin to 0 or 1."""

    fits = 0

    def fit(self, x, y):
        Slope.fits += 1
        x = np.asarray(x)[:, 0]
        self.slope = float(x @ y) / float(x @ x)
        return self

    def predict(self, x):
        return np.clip(np.round(self.slope * np.asarray(x)[:, 0]), 0, 1).astype(int)

    def score(self, x, y):
        return float(np.mean(self.predict(x) == y))


X = np.arange(1.0, 5.0)[:, None]
TRAIN, TEST = Dataset(X, np.array([0, 0, 1, 1])), Dataset(X, np.array([0, 0, 0, 1]))
RAW = np.array([
    exp(1 / 4) / 6, exp(1 / 4) / 3, exp(1 / 4) / 12 + exp(1 / 2) / 24, exp(1 / 2) / 8
])  # fmt: skip
SCALES = np.array([exp(1 / 4)] * 2 + [exp(1 / 4) / 3 + 2 * exp(1 / 2) / 3] * 2)
EVERY = {"index_iteration": FiniteNoIndexIteration}


def utility():
    return ClasswiseModelUtility(Slope(), ClasswiseSupervisedScorer("accuracy", TEST))


def accuracy(model, x, y):
    return model.score(x, y)


def outside():
    return DeterministicUniformSampler(**EVERY)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(
    "inside", [DeterministicPermutationSampler(), DeterministicUniformSampler()]
)
def test_the_closed_form(inside, normalize):
    sampler = ClasswiseSampler(inside, outside())
    method = ClasswiseShapleyValuation(
        utility(), sampler, NoStopping(), normalize_values=normalize
    )
    result = method.fit(TRAIN).result
    expected = RAW / SCALES if normalize else RAW
    np.testing.assert_allclose(result.values, expected, rtol=1e-12)
    assert (result.stderr == 0).all()
    assert result.status is Status.Converged


def test_all_samplers_weigh_alike():
    """With three points a class, subsets inside it differ in weight from orders."""
    x = np.array([1.0, 2.0, 3.0, 2.5, 4.0, 5.0])[:, None]
    data = Dataset(x, np.array([0, 0, 0, 1, 1, 1]))
    values = [
        ClasswiseShapleyValuation(
            utility(),
            ClasswiseSampler(inside, outside()),
            NoStopping(),
            normalize_values=False,
        )
        .fit(data)
        .result.values
        for inside in (DeterministicPermutationSampler(), DeterministicUniformSampler())
    ]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-12)
    assert np.ptp(values[0]) > 0.01


SAMPLED = {
    "permutations": (PermutationSampler(seed=1), 1),
    "two of them": (PermutationSampler(seed=1), 2),
    "antithetic": (AntitheticPermutationSampler(seed=2), 2),
    "uniform": (UniformSampler(seed=3), 4),
}


@pytest.mark.parametrize("kind", SAMPLED)
def test_samples_inside_and_outside(kind):
    inside, count = SAMPLED[kind]
    sampler = ClasswiseSampler(
        inside,
        UniformSampler(index_iteration=NoIndexIteration, seed=5),
        max_in_class_samples=count,
    )
    method = ClasswiseShapleyValuation(
        utility(), sampler, MinUpdates(50), normalize_values=False
    )
    result = method.fit(TRAIN).result
    z = (result.values - RAW) / np.maximum(result.stderr, 1e-12)
    assert np.abs(z).max() < 5
    assert result.counts.min() >= 50
    assert method.fit(TRAIN).result == result


def test_every_coalition_of_a_class_is_trained_on_once():
    Slope.fits = 0
    sampler = ClasswiseSampler(
        PermutationSampler(seed=1), outside(), max_in_class_samples=50
    )
    method = ClasswiseShapleyValuation(
        utility(), sampler, MaxUpdates(1000), normalize_values=False
    )
    result = method.fit(TRAIN).result
    assert (
        Slope.fits == result.n_evaluations == 18
    )  # 3 parts inside by 3 outside, twice


def test_truncated_permutations():
    policy = RelativeTruncation(rtol=0.0)
    values = [
        ClasswiseShapleyValuation(
            utility(),
            ClasswiseSampler(
                PermutationSampler(truncation, seed=1),
                UniformSampler(index_iteration=NoIndexIteration, seed=5),
                max_in_class_samples=1,
            ),
            MinUpdates(25),
        )
        .fit(TRAIN)
        .result.values
        for truncation in (None, policy, RelativeTruncation(rtol=0.6))
    ]
    np.testing.assert_allclose(values[0].sum(), 3 / 4)
    assert not np.allclose(values[0], values[2])


@pytest.mark.parametrize("kind", SAMPLED)
def test_going_on_is_one_longer_run(kind, tmp_path):
    def fitted(n_updates, earlier=None):
        inside, most = SAMPLED[kind]
        outside = UniformSampler(index_iteration=NoIndexIteration, seed=5)
        sampler = ClasswiseSampler(inside, outside, max_in_class_samples=most)
        method = ClasswiseShapleyValuation(utility(), sampler, MinUpdates(n_updates))
        return method.fit(TRAIN, continue_from=earlier).result

    part, whole = fitted(4), fitted(13)
    before = part.copy()
    part.save(tmp_path / "part")
    stored = ValuationResult.load(tmp_path / "part")
    for earlier in (part, stored.sort(reverse=True)):
        after = fitted(13, earlier)
        np.testing.assert_array_equal(after.counts, whole.counts)
        assert after.n_rounds == whole.n_rounds
        for name in ("values", "stderr", "variances"):
            np.testing.assert_allclose(
                getattr(after, name), getattr(whole, name), rtol=1e-12, atol=1e-15
            )
    assert part == before
    np.testing.assert_array_equal(fitted(4, part).values, part.values)


def test_going_on_needs_a_result_of_the_same():
    sampler = ClasswiseSampler(DeterministicPermutationSampler(), outside())
    method = ClasswiseShapleyValuation(utility(), sampler, NoStopping())
    result = method.fit(TRAIN).result
    again = method.fit(TRAIN, continue_from=result).result
    assert again.status is Status.Converged
    assert (again.stderr == 0).all()
    for wrong in (result[:2], ValuationResult(values=result.values)):
        with pytest.raises(InputError, match="continue_from must be"):
            method.fit(TRAIN, continue_from=wrong)


def test_scores_of_scikit_learn_add_up_by_class():
    x, y = load_iris(return_X_y=True)
    names = np.array(["c", "a", "b"])
    train = Dataset(x[::8], y[::8], data_names=[f"flower {i}" for i in range(19)])
    test = Dataset(x[1::8], y[1::8])
    scorer = ClasswiseSupervisedScorer("accuracy", test)
    valued = ClasswiseModelUtility(LogisticRegression(max_iter=500), scorer)
    sampler = ClasswiseSampler(
        PermutationSampler(seed=0),
        UniformSampler(index_iteration=NoIndexIteration, seed=1),
        max_in_class_samples=1,
    )
    result = ClasswiseShapleyValuation(valued, sampler, MinUpdates(2)).fit(train).result
    model = LogisticRegression(max_iter=500).fit(*train.data())
    right = model.predict(test.data().x) == test.data().y
    for label in range(3):
        total = result.values[train.data().y == label].sum()
        assert total == pytest.approx((right & (test.data().y == label)).mean())
    assert result.names[0] == "flower 0"
    assert len(names) == 3


class TestUtility:
    def test_values(self):
        found = utility().with_dataset(TRAIN)
        sample = ClasswiseSample(None, np.array([0]), 0, np.array([2]))
        assert found(sample) == pytest.approx(exp(1 / 4) / 4)
        assert found(None) == 0
        assert found(ClasswiseSample(None, np.array([], int), 0, np.array([2]))) == 0

    def test_refusals(self):
        with pytest.raises(InputError, match="ClasswiseSupervisedScorer"):
            ClasswiseModelUtility(Slope(), SupervisedScorer("accuracy", TEST, 0.0))
        with pytest.raises(InputError, match="ClasswiseSampler"):
            utility().with_dataset(TRAIN)(Sample(None, np.array([0])))
        with pytest.raises(InputError, match="with_dataset"):
            utility()(ClasswiseSample(None, np.array([0]), 0, np.array([2])))


class TestRefusals:
    def method(self, inside=None, **options):
        sampler = ClasswiseSampler(
            inside or PermutationSampler(seed=1), outside(), **options
        )
        return ClasswiseShapleyValuation(utility(), sampler, MaxUpdates(3))

    def test_wrong_arguments(self):
        with pytest.raises(InputError, match="sampler must be a ClasswiseSampler"):
            ClasswiseShapleyValuation(utility(), MSRSampler(), MaxUpdates(1))
        with pytest.raises(InputError, match="ClasswiseModelUtility"):
            ClasswiseShapleyValuation(Slope(), MSRSampler(), MaxUpdates(1))

    def test_groups(self):
        grouped = GroupedDataset.from_dataset(TRAIN, [0, 0, 1, 1])
        with pytest.raises(InputError, match="each by itself"):
            self.method(max_in_class_samples=1).fit(grouped)

    def test_samples_of_nobody_inside(self):
        with pytest.raises(InputError, match="permutations"):
            self.method(MSRSampler(seed=0), max_in_class_samples=1).fit(TRAIN)
