"""Learned utilities: the budget, what is learned from, and what follows."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from torchattr.errors import InputError
from torchattr.valuation.dataset import Dataset, GroupedDataset
from torchattr.valuation.methods import ShapleyValuation
from torchattr.valuation.samplers import PermutationSampler
from torchattr.valuation.stopping import MinUpdates
from torchattr.valuation.types import Sample
from torchattr.valuation.utility import UtilityBase, game_of
from torchattr.valuation.utility.data_utility_learning import DataUtilityLearning
from torchattr.valuation.utility.deep_set_utility_model import DeepSetUtilityModel
from torchattr.valuation.utility.utility_model import (
    IndicatorUtilityModel,
    UtilityModel,
)


class Weights(UtilityBase):
    """Additive, with weights 1, 2, ..., and a list of what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, sample):
        if sample is None:
            return 0.0
        self.asked.append(sorted(sample.subset.tolist()))
        return float((sample.subset + 1).sum())


def points(n):
    return Dataset(np.eye(n), np.arange(n) % 2)


def of(*subset):
    return Sample(None, np.array(subset, dtype=int))


def learned(n, budget, **options):
    utility = Weights()
    linear = IndicatorUtilityModel(LinearRegression(fit_intercept=False), n)
    return utility, DataUtilityLearning(utility, budget, linear, **options)


def test_a_linear_model_learns_an_additive_utility():
    utility, learning = learned(3, budget=3)
    learning = learning.with_dataset(points(3))
    assert [learning(of(i)) for i in range(3)] == [1, 2, 3]
    assert learning(of(0, 2)) == pytest.approx(4, rel=1e-8)
    assert learning(of(0, 1, 2)) == pytest.approx(6, rel=1e-8)
    assert utility.asked == [[0], [1], [2]]


def test_only_different_coalitions_are_counted_and_the_empty_one_is_free():
    utility, learning = learned(4, budget=2)
    learning = learning.with_dataset(points(4))
    for sample in (of(1, 0), of(0, 1), None, of(), of(2), of(2)):
        learning(sample)
    assert utility.asked == [[0, 1], [2]]
    assert learning(of(0, 1, 2)) == pytest.approx(6)
    assert learning(of(0, 1)) == 3
    assert learning(None) == 0
    assert len(utility.asked) == 2


def test_methods_value_points_by_it():
    utility, learning = learned(6, budget=30)
    method = ShapleyValuation(learning, PermutationSampler(seed=1), MinUpdates(20))
    result = method.fit(points(6)).result
    np.testing.assert_allclose(result.values, np.arange(1, 7), rtol=1e-8)
    assert len(utility.asked) == 30
    sizes = [len(subset) for subset in utility.asked]
    assert min(sizes) <= 2
    assert max(sizes) >= 5
    again = method.fit(points(6)).result
    assert again == result
    assert utility.asked[:30] == utility.asked[30:]


def test_what_is_evaluated_depends_on_no_order_and_no_chunk():
    coalitions = torch.rand(40, 8, generator=torch.Generator().manual_seed(0)) < 0.5
    chosen = []
    for order in (torch.arange(40), torch.arange(40).flip(0)):
        utility, learning = learned(8, budget=10)
        game = game_of(learning, points(8))
        values = game(coalitions[order])
        chosen.append((sorted(utility.asked), values[order]))
    assert chosen[0][0] == chosen[1][0]
    torch.testing.assert_close(chosen[0][1], chosen[1][1])


def test_without_an_end_of_the_budget_everything_is_real():
    utility, learning = learned(3, budget=100)
    game = game_of(learning, points(3))
    every = torch.tensor([[i >> j & 1 for j in range(3)] for i in range(8)]).bool()
    expected = every.double() @ torch.arange(1.0, 4.0).double()
    torch.testing.assert_close(game(every), expected)
    assert len(utility.asked) == 7


class Noisy(UtilityModel):
    def fit(self, samples):
        warnings.warn("hard to learn", RuntimeWarning, stacklevel=2)
        return self

    def predict(self, samples):
        return np.zeros((len(samples), 1))


def test_warnings_and_wrong_shapes_of_a_model():
    learning = DataUtilityLearning(Weights(), 1, Noisy(), show_warnings=False)
    learning = learning.with_dataset(points(2))
    learning(of(0))
    with pytest.raises(InputError, match="one number for each"):
        learning(of(1))
    shown = DataUtilityLearning(Weights(), 1, Noisy()).with_dataset(points(2))
    shown(of(0))
    with (
        pytest.warns(RuntimeWarning, match="hard to learn"),
        pytest.raises(InputError),
    ):
        shown(of(1))


def test_groups():
    data = GroupedDataset.from_dataset(points(6), [1, 1, 0, 0, 2, 2])
    utility, learning = learned(3, budget=3)
    game = game_of(learning, data)
    game(torch.eye(3).bool())
    assert sorted(utility.asked) == [[0], [1], [2]]
    assert float(game(torch.tensor([[True, True, False]]))) == pytest.approx(3)


def test_indices_beyond_the_points_are_refused():
    model = IndicatorUtilityModel(LinearRegression(), 3)
    with pytest.raises(InputError, match="0 to 2"):
        model.fit({of(3): 1.0})


def test_impossible_arguments():
    model = IndicatorUtilityModel(LinearRegression(), 3)
    with pytest.raises(InputError, match="training_budget"):
        DataUtilityLearning(Weights(), 0, model)
    with pytest.raises(InputError, match="UtilityModel"):
        DataUtilityLearning(Weights(), 3, LinearRegression())
    with pytest.raises(InputError, match="with_dataset"):
        DataUtilityLearning(Weights(), 3, model)(of(0))


class TestDeepSets:
    def known(self, data, count, seed):
        random = np.random.default_rng(seed)
        subsets = [random.permutation(12)[: random.integers(0, 13)]
                   for _ in range(count)]  # fmt: skip
        x, y = data.data()
        return {
            Sample(None, s): float(np.sqrt((1 + x[s, 0] + y[s]).clip(0).sum()))
            for s in subsets
        }

    def model(self, data, **options):
        arguments = {"num_epochs": 60, "lr": 0.02, "lr_step_size": 30} | options
        return DeepSetUtilityModel(data, 16, 8, 16, **arguments)

    def test_they_learn(self):
        random = np.random.default_rng(0)
        data = Dataset(random.random((12, 2)), random.integers(0, 3, 12))
        model = self.model(data).fit(self.known(data, 200, 1))
        fresh = self.known(data, 50, 2)
        errors = model.predict(list(fresh)) - np.array(list(fresh.values()))
        assert np.sqrt((errors**2).mean()) < 0.3 * np.std(list(fresh.values()))

    def test_the_seed_decides_and_the_global_one_stays(self):
        data = Dataset(np.random.default_rng(0).random((12, 2)), np.arange(12.0))
        known = self.known(data, 10, 1)
        state = torch.get_rng_state()
        first, second = (
            self.model(data, num_epochs=3).fit(known).predict(list(known))
            for _ in range(2)
        )
        np.testing.assert_array_equal(first, second)
        assert torch.equal(torch.get_rng_state(), state)
        other = self.model(data, num_epochs=3, seed=1).fit(known)
        assert not np.allclose(other.predict(list(known)), first)

    def test_predictions_need_a_fit(self):
        with pytest.raises(InputError, match="fit first"):
            self.model(points(12)).predict([of(0)])

    def test_labels_may_be_strings_and_points_images(self):
        data = Dataset(np.zeros((3, 2, 2)), np.array(["a", "b", "a"]))
        model = self.model(data, num_epochs=1).fit({of(0): 1.0, of(1): 2.0})
        assert model.predict([of(0), of(2)]).shape == (2,)
