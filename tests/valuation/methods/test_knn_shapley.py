"""KNN-Shapley against the definition, scikit-learn's predictions, and its game."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from torchattr.errors import InputError
from torchattr.estimation import exact
from torchattr.games import Game
from torchattr.metrics import mislabel_auroc
from torchattr.valuation.dataset import Dataset, GroupedDataset
from torchattr.valuation.methods.knn_shapley_valuation import KNNShapleyValuation
from torchattr.valuation.result import Status
from torchattr.valuation.types import Sample
from torchattr.valuation.utility import game_of, neighbourhoods
from torchattr.valuation.utility.knn_classifier_utility import KNNClassifierUtility


def points(n, seed, *, n_features=3, labels=True):
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, n) if labels else random.normal(size=n)
    return Dataset(random.normal(size=(n, n_features)), y)


def worth(model, train, test, members):
    """The definition, in plain Python: neighbours inside the coalition."""
    k = model.n_neighbors
    x, y = train.data()
    total = 0.0
    for a, b in zip(*test.data(), strict=True):
        distance = {j: float(np.linalg.norm(x[j] - a)) for j in members}
        nearest = sorted(members, key=lambda j: (distance[j], j))[:k]
        weights = {
            j: 1 / distance[j] if model.weights == "distance" else 1.0 for j in nearest
        }
        said = {j: float(y[j]) if is_regressor(model) else float(y[j] == b)
                for j in nearest}  # fmt: skip
        answer = 0.0
        if nearest:
            answer = sum(weights[j] * said[j] for j in nearest) / sum(weights.values())
            answer *= len(nearest) / k
        total += -((answer - b) ** 2) if is_regressor(model) else answer
    return total / len(test)


def is_regressor(model):
    return isinstance(model, KNeighborsRegressor)


def by_definition(model, train, test):
    n = len(train)
    value = {
        s: worth(model, train, test, s)
        for size in range(n + 1)
        for s in combinations(range(n), size)
    }
    return [
        math.fsum(
            (value[tuple(sorted((*s, i)))] - value[s]) / (n * math.comb(n - 1, len(s)))
            for s in value
            if i not in s
        )
        for i in range(n)
    ]


KINDS = {
    "votes": (KNeighborsClassifier, "uniform"),
    "weighted votes": (KNeighborsClassifier, "distance"),
    "regression": (KNeighborsRegressor, "uniform"),
    "weighted regression": (KNeighborsRegressor, "distance"),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("n", [1, 3, 6])
def test_values_are_those_of_the_definition(kind, k, n):
    kind, weights = KINDS[kind]
    model = kind(n_neighbors=k, weights=weights)
    labels = kind is KNeighborsClassifier
    train, test = points(n, 10 * n + k, labels=labels), points(3, 5, labels=labels)
    result = KNNShapleyValuation(model, test).fit(train).result
    np.testing.assert_allclose(
        result.values, by_definition(model, train, test), rtol=0, atol=1e-10
    )
    assert result.status is Status.Converged
    assert (result.stderr == 0).all()


@every_kind
@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_utility_is_the_game_of_the_values(kind, k):
    kind, weights = KINDS[kind]
    model = kind(n_neighbors=k, weights=weights)
    labels = kind is KNeighborsClassifier
    train, test = points(8, k, labels=labels), points(4, 6, labels=labels)
    utility = KNNClassifierUtility(model, test).with_dataset(train)
    values = KNNShapleyValuation(model, test).fit(train).values().values
    np.testing.assert_allclose(
        exact(utility.game).values.numpy(), values, rtol=0, atol=1e-10
    )
    for subset in ([], [3], [0, 2, 5], range(8)):
        found = utility(Sample(None, np.array(subset, dtype=int)))
        assert found == pytest.approx(worth(model, train, test, list(subset)))
    assert utility(None) == pytest.approx(worth(model, train, test, []))


def test_the_utility_is_not_additive():
    """The defect of pyDVL's: global neighbours that happen to be in the sample."""
    train = Dataset(np.array([[0.0], [1.0], [2.0]]), np.array([0, 1, 1]))
    test = Dataset(np.array([[0.0]]), np.array([1]))
    utility = KNNClassifierUtility(KNeighborsClassifier(1), test).with_dataset(train)
    assert utility(Sample(None, np.array([1]))) == 1
    assert utility(Sample(None, np.array([0, 1]))) == 0
    game = game_of(utility)
    assert isinstance(game, Game)
    assert game(torch.tensor([[False, True, True]])).tolist() == [1]


def test_more_neighbours_than_points():
    """The first defect of pyDVL's values: .133, .333, .333."""
    train = Dataset(np.array([[0.0], [1.0], [3.0]]), np.array([0, 1, 1]))
    test = Dataset(np.array([[0.1]]), np.array([1]))
    result = KNNShapleyValuation(KNeighborsClassifier(5), test).fit(train).result
    np.testing.assert_allclose(result.values, [0, 0.2, 0.2], atol=1e-15)


def test_points_at_the_same_distance_come_in_the_order_of_the_data():
    x = np.array([[1.0], [1.0], [-1.0], [1.0]])
    train = Dataset(x, np.array([0, 1, 1, 1]))
    test = Dataset(np.array([[0.0]]), np.array([1]))
    model = KNeighborsClassifier(1)
    first = KNNShapleyValuation(model, test).fit(train).result.values
    np.testing.assert_allclose(first, by_definition(model, train, test), atol=1e-12)
    second = KNNShapleyValuation(model, test).fit(train[[1, 0, 2, 3]]).result.values
    assert not np.allclose(first, second[[1, 0, 2, 3]])


@pytest.mark.parametrize("metric", ["manhattan", "chebyshev", "cosine", "minkowski"])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("kind", [KNeighborsClassifier, KNeighborsRegressor])
def test_values_add_up_to_what_scikit_learn_predicts(kind, weights, metric):
    x, y = load_digits(return_X_y=True)
    train = Dataset(x[:120], y[:120])
    test = Dataset(x[120:130] + 0.25, y[120:130])
    model = kind(n_neighbors=4, weights=weights, metric=metric, p=3)
    total = KNNShapleyValuation(model, test).fit(train).result.values.sum()
    fitted = kind(n_neighbors=4, weights=weights, metric=metric, p=3).fit(*train.data())
    x, y = test.data()
    if kind is KNeighborsClassifier:
        expected = fitted.predict_proba(x)[np.arange(len(y)), y].mean()
    else:
        expected = (y**2).mean() - ((fitted.predict(x) - y) ** 2).mean()
    assert total == pytest.approx(expected, abs=1e-9)


def test_a_test_point_among_the_training_points_is_answered_by_itself():
    train, test = points(6, 1), points(6, 1)[:2]
    model = KNeighborsClassifier(3, weights="distance")
    total = KNNShapleyValuation(model, test).fit(train).result.values.sum()
    assert total == pytest.approx(1, abs=1e-10)


def test_weights_by_a_function_and_metrics_with_parameters():
    train, test = points(7, 1), points(3, 2)
    model = KNeighborsClassifier(3, weights=lambda d: np.exp(-d))
    uniform = KNeighborsClassifier(3, weights=np.ones_like)
    assert KNNShapleyValuation(model, test).fit(train).result.values.sum() == (
        pytest.approx(
            model
            .fit(*train.data())
            .predict_proba(test.data().x)[np.arange(3), test.data().y]
            .mean()
        )
    )
    np.testing.assert_allclose(
        KNNShapleyValuation(uniform, test).fit(train).result.values,
        KNNShapleyValuation(KNeighborsClassifier(3), test).fit(train).result.values,
        atol=1e-11,
    )
    params = {"w": np.array([0.0, 1.0, 1.0])}
    weighted = KNeighborsClassifier(3, metric_params=params)
    without = [Dataset(part.data().x[:, 1:], part.data().y) for part in (train, test)]
    np.testing.assert_allclose(
        KNNShapleyValuation(weighted, test).fit(train).result.values,
        KNNShapleyValuation(KNeighborsClassifier(3), without[1])
        .fit(without[0])
        .result.values,
    )


def test_tensors_strings_names_and_images():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(9, 2, 2)), random.integers(0, 2, 9)
    names = list("abcdefghi")
    model = KNeighborsClassifier(2)
    kinds = {
        "arrays": (x.reshape(9, 4), y),
        "images": (x, y),
        "tensors": (torch.as_tensor(x), torch.as_tensor(y)),
        "strings": (x, np.array(["cat", "mouse"])[y]),
    }
    values = {}
    for kind, (inputs, labels) in kinds.items():
        data = Dataset(inputs, labels, data_names=names)
        train, test = data[:6], data[6:]
        result = KNNShapleyValuation(model, test).fit(train).result
        assert result.names.tolist() == names[:6]
        values[kind] = result.values
    for found in values.values():
        np.testing.assert_allclose(found, values["arrays"])


def test_how_many_test_points_go_together_changes_nothing(monkeypatch):
    train, test = points(9, 1), points(7, 2)
    model = KNeighborsClassifier(2, weights="distance")
    together = KNNShapleyValuation(model, test).fit(train).result.values
    monkeypatch.setattr(neighbourhoods, "_CHUNK_BYTES", 8 * 9 * 2)
    parts = KNNShapleyValuation(model, test, progress={"disable": True}).fit(train)
    np.testing.assert_allclose(parts.result.values, together, atol=1e-13)


def test_flipped_labels_have_low_values():
    x, y = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    flipped = random.random(600) < 0.2
    noisy = np.where(flipped, (y[:600] + random.integers(1, 10, 600)) % 10, y[:600])
    train, test = Dataset(x[:600], noisy), Dataset(x[600:800], y[600:800])
    model = KNeighborsClassifier(10)
    values = KNNShapleyValuation(model, test).fit(train).result.values
    assert float(mislabel_auroc(values, flipped)) > 0.95


class TestRefusals:
    def test_other_models(self):
        with pytest.raises(InputError, match="KNeighborsClassifier"):
            KNNShapleyValuation(object(), points(3, 0))

    def test_precomputed_distances(self):
        with pytest.raises(InputError, match="precomputed"):
            KNNShapleyValuation(KNeighborsClassifier(metric="precomputed"), None)

    def test_groups(self):
        model, data = KNeighborsClassifier(1), points(3, 0)
        grouped = GroupedDataset.from_dataset(data, [0, 0, 1])
        with pytest.raises(InputError, match="single examples"):
            KNNShapleyValuation(model, data).fit(grouped)

    def test_other_features(self):
        model = KNeighborsClassifier(1)
        with pytest.raises(InputError, match=r"3 features.* 2"):
            KNNShapleyValuation(model, points(3, 0)).fit(points(3, 0, n_features=2))

    def test_missing_values(self):
        data = Dataset(np.array([[np.nan], [1.0]]), np.array([0, 1]))
        with pytest.raises(InputError, match="NaN"):
            KNNShapleyValuation(KNeighborsClassifier(1), data).fit(data)

    def test_negative_weights(self):
        model = KNeighborsClassifier(1, weights=np.negative)
        with pytest.raises(InputError, match="not negative"):
            KNNShapleyValuation(model, points(3, 0)).fit(points(3, 1))

    def test_no_data_and_something_to_go_on_from(self):
        method = KNNShapleyValuation(KNeighborsClassifier(1), points(3, 0))
        with pytest.raises(InputError, match="needs the training examples"):
            method.fit()
        result = method.fit(points(3, 1)).result
        with pytest.raises(InputError, match="cannot go on"):
            method.fit(points(3, 1), continue_from=result)

    def test_utility_without_data(self):
        utility = KNNClassifierUtility(KNeighborsClassifier(1), points(3, 0))
        with pytest.raises(InputError, match="with_dataset"):
            utility(None)
