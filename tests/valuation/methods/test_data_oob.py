"""Data-OOB of scikit-learn's ensembles and of a learner."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from torchattr.errors import InputError
from torchattr.metrics import mislabel_auroc
from torchattr.training import TorchLearner
from torchattr.valuation.dataset import Dataset, GroupedDataset
from torchattr.valuation.methods import out_of_bag
from torchattr.valuation.methods.data_oob_valuation import DataOOBValuation
from torchattr.valuation.result import Status

IRIS = load_iris(return_X_y=True)
DIABETES = [part[:80] for part in load_diabetes(return_X_y=True)]
CLASSIFIERS = [
    BaggingClassifier(n_estimators=12, max_features=0.5, random_state=0),
    BaggingClassifier(KNeighborsClassifier(3), n_estimators=8, random_state=1),
    RandomForestClassifier(n_estimators=12, random_state=0),
    ExtraTreesClassifier(n_estimators=12, bootstrap=True, random_state=0),
]
REGRESSORS = [
    BaggingRegressor(n_estimators=12, max_features=0.5, random_state=0),
    RandomForestRegressor(n_estimators=12, random_state=0),
    ExtraTreesRegressor(n_estimators=12, bootstrap=True, random_state=0),
]


def named(model):
    return type(model).__name__


def by_definition(model, x, y, score):
    """Point by point, over the members that were not fitted to it."""
    n, labels = len(x), getattr(model, "classes_", None)
    features = getattr(model, "estimators_features_", None)
    scores = [[] for _ in range(n)]
    for b, member in enumerate(model.estimators_):
        chosen = slice(None) if features is None else features[b]
        said = member.predict(x[:, chosen])
        said = said if labels is None else labels[said.astype(int)]
        for i in set(range(n)) - set(model.estimators_samples_[b].tolist()):
            scores[i].append(score(y[i], said[i]))
    return scores


@pytest.mark.parametrize("model", CLASSIFIERS, ids=named)
@pytest.mark.parametrize("labels", [[0, 1, 2], ["b", "a", "c"], [7, 3, 5]], ids=str)
def test_classifiers(model, labels):
    x, y = IRIS[0], np.array(labels)[IRIS[1]]
    model.fit(x, y)
    result = DataOOBValuation(model).fit(Dataset(x, y)).result
    scores = by_definition(model, x, y, lambda true, said: float(true == said))
    assert result.counts.tolist() == [len(s) for s in scores]
    expected = [np.mean(s) if s else np.nan for s in scores]
    np.testing.assert_allclose(result.values, expected)
    assert np.nanmean(result.values) > 0.7
    variances = [np.var(s, ddof=1) if len(s) > 1 else np.nan for s in scores]
    np.testing.assert_allclose(result.variances, variances, atol=1e-12)
    assert result.status is Status.Converged


@pytest.mark.parametrize("model", REGRESSORS, ids=named)
def test_regressors(model):
    x, y = DIABETES
    model.fit(x, y)
    result = DataOOBValuation(model).fit(Dataset(x, y)).result
    scores = by_definition(model, x, y, lambda true, said: -abs(true - said))
    expected = [np.mean(s) if s else np.nan for s in scores]
    np.testing.assert_allclose(result.values, expected)
    assert np.nanmax(result.values) <= 0


def test_a_score_of_ones_own():
    x, y = DIABETES
    model = REGRESSORS[0].fit(x, y)
    square = DataOOBValuation(model, lambda true, said: -((true - said) ** 2))
    scores = by_definition(model, x, y, lambda true, said: -((true - said) ** 2))
    expected = [np.mean(s) if s else np.nan for s in scores]
    np.testing.assert_allclose(square.fit(Dataset(x, y)).result.values, expected)
    with pytest.raises(InputError, match="one number for each"):
        DataOOBValuation(model, lambda true, said: 0.0).fit(Dataset(x, y))


def test_points_in_every_bag_keep_their_place_and_name():
    """pyDVL loses them: 20 results for 30 points, and no names."""
    x, y = IRIS[0][::5], IRIS[1][::5]
    names = [f"flower {i}" for i in range(30)]
    model = BaggingClassifier(n_estimators=1, random_state=0).fit(x, y)
    result = DataOOBValuation(model).fit(Dataset(x, y, data_names=names)).result
    assert result.names.tolist() == names
    inside = np.isin(np.arange(30), model.estimators_samples_[0])
    assert np.isnan(result.values[inside]).all()
    assert (result.counts == ~inside).all()
    assert 0 < inside.sum() < 30


def test_groups_have_the_mean_of_their_points():
    x, y = IRIS
    model = CLASSIFIERS[0].fit(x, y)
    points = DataOOBValuation(model).fit(Dataset(x, y)).result
    groups = np.array([9, 2, 5])[np.arange(150) % 3]
    grouped = GroupedDataset.from_dataset(Dataset(x, y), groups)
    result = DataOOBValuation(model).fit(grouped).result
    assert result.indices.tolist() == [9, 2, 5]
    for group, value in zip(result.indices, result.values, strict=True):
        of = groups == group
        weighted = np.nansum(points.values[of] * points.counts[of])
        assert value == pytest.approx(weighted / points.counts[of].sum())


def test_tensors():
    x, y = IRIS
    model = CLASSIFIERS[0].fit(x, y)
    data = Dataset(torch.as_tensor(x), torch.as_tensor(y))
    assert DataOOBValuation(model).fit(data).result == (
        DataOOBValuation(model).fit(Dataset(x, y)).result
    )


def learner(n_features, n_outputs, loss, **options):
    model = nn.Linear(n_features, n_outputs).double()
    nn.init.zeros_(model.weight)
    arguments = {"epochs": 15, "seed": 0} | options
    return TorchLearner(model, loss, partial(torch.optim.Adam, lr=0.1), **arguments)


class TestLearner:
    def test_values_are_those_of_models_trained_one_by_one(self):
        x, y = torch.as_tensor(IRIS[0]), torch.as_tensor(IRIS[1])
        seen = []

        class Spying(TorchLearner):
            def fit_many(self, data, coalitions):
                seen.append(coalitions)
                return super().fit_many(data, coalitions)

        linear = learner(4, 3, nn.CrossEntropyLoss())
        spying = Spying(
            linear.model,
            nn.CrossEntropyLoss(),
            partial(torch.optim.Adam, lr=0.1),
            epochs=15,
        )
        method = DataOOBValuation(spying, n_estimators=20, seed=1)
        result = method.fit(Dataset(x, y)).result
        bags = torch.cat(seen)
        assert bags.shape == (20, 150)
        scores = [[] for _ in range(150)]
        for bag in bags:
            model = linear.fit((x, y), bag)
            right = (model(x).argmax(1) == y).tolist()
            for i in (~bag).nonzero().flatten().tolist():
                scores[i].append(float(right[i]))
        expected = [np.mean(s) if s else np.nan for s in scores]
        np.testing.assert_allclose(result.values, expected)
        assert result.counts.tolist() == [len(s) for s in scores]

    def test_bags_are_bootstrap_samples_without_repetition(self):
        x, y = torch.as_tensor(IRIS[0]), torch.as_tensor(IRIS[1])
        cheap = learner(4, 3, nn.CrossEntropyLoss(), epochs=1)
        result = DataOOBValuation(cheap, n_estimators=200, seed=3).fit(Dataset(x, y))
        share = result.result.counts.mean() / 200
        assert share == pytest.approx((1 - 1 / 150) ** 150, abs=0.01)
        half = DataOOBValuation(cheap, n_estimators=200, max_samples=0.5, seed=3)
        share = half.fit(Dataset(x, y)).result.counts.mean() / 200
        assert share == pytest.approx((1 - 1 / 150) ** 75, abs=0.01)

    def test_values_of_regression(self):
        x, y = (torch.as_tensor(part) for part in DIABETES)
        for targets in (y, y[:, None]):
            mse = learner(10, 1, lambda said, true: (said.flatten() - true.flatten())
                          .square())  # fmt: skip
            data = Dataset(x, targets, multi_output=True)
            result = DataOOBValuation(mse, n_estimators=10, seed=0).fit(data).result
            assert result.values.shape == (80,)
            assert np.nanmax(result.values) < 0
        score = DataOOBValuation(
            mse,
            lambda true, said: -np.abs(true - said).reshape(-1),
            n_estimators=10,
            seed=0,
        )
        np.testing.assert_allclose(score.fit(data).result.values, result.values)

    def test_the_seed_and_not_the_memory_decides(self, monkeypatch):
        data = Dataset(torch.as_tensor(IRIS[0]), torch.as_tensor(IRIS[1]))
        linear = learner(4, 3, nn.CrossEntropyLoss(), epochs=3)

        def values(seed):
            method = DataOOBValuation(linear, n_estimators=9, seed=seed)
            assert method.fit(data).result == method.fit(data).result
            return method.fit(data).result.values

        together = values(0)
        assert not np.array_equal(together, values(1))
        monkeypatch.setattr(out_of_bag, "models_in_memory", lambda *_: 2)
        np.testing.assert_array_equal(values(0), together)


def test_flipped_labels_have_low_values():
    x, y = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    flipped = random.random(600) < 0.2
    noisy = np.where(flipped, (y[:600] + random.integers(1, 10, 600)) % 10, y[:600])
    model = ExtraTreesClassifier(100, bootstrap=True, random_state=0)
    model.fit(x[:600], noisy)
    result = DataOOBValuation(model).fit(Dataset(x[:600], noisy)).result
    assert float(mislabel_auroc(result.values, flipped)) > 0.95


class TestRefusals:
    def test_models_that_are_no_ensemble_or_not_fitted(self):
        for model in (KNeighborsClassifier(), BaggingClassifier(), object()):
            with pytest.raises(InputError, match="fitted ensemble"):
                DataOOBValuation(model)

    def test_other_data(self):
        model = CLASSIFIERS[0].fit(*IRIS)
        with pytest.raises(InputError, match="same data"):
            DataOOBValuation(model).fit(Dataset(IRIS[0][:50], IRIS[1][:50]))

    def test_settings_of_bags_that_are_there_already(self):
        model = CLASSIFIERS[0].fit(*IRIS)
        with pytest.raises(InputError, match="has its bags"):
            DataOOBValuation(model, n_estimators=5)

    @pytest.mark.parametrize("wrong", [{"n_estimators": 0}, {"max_samples": 0}])
    def test_settings_of_a_learner(self, wrong):
        linear = learner(4, 3, nn.CrossEntropyLoss())
        with pytest.raises(InputError, match=next(iter(wrong))):
            DataOOBValuation(linear, **wrong)

    def test_no_data(self):
        with pytest.raises(InputError, match="needs the points"):
            DataOOBValuation(CLASSIFIERS[0].fit(*IRIS)).fit()
