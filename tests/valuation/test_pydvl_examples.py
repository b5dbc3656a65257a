"""pyDVL's documented examples run with only the imports changed, and sum up right.

Their workers are threads here. Processes import torch for seconds each; they have their
tests in ``utility/test_utility_game.py``.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from joblib import parallel_config
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from skorch import NeuralNetClassifier
from torch import nn

from torchattr.metrics import mislabel_auroc
from torchattr.valuation import (
    DataOOBValuation,
    Dataset,
    DataUtilityLearning,
    ExactLeastCoreValuation,
    GroupedDataset,
    HistoryDeviation,
    IndicatorUtilityModel,
    KNNShapleyValuation,
    MaxUpdates,
    MinUpdates,
    ModelUtility,
    MonteCarloLeastCoreValuation,
    MSRBanzhafValuation,
    PermutationSampler,
    RandomValuation,
    RelativeTruncation,
    Sample,
    ShapleyMode,
    ShapleyValuation,
    SkorchSupervisedScorer,
    SupervisedScorer,
    TMCShapleyValuation,
    TorchLearner,
    UniformSampler,
    combinatorial_exact_shapley,
    compute_shapley_values,
    owen_sampling_shapley,
    permutation_exact_shapley,
    permutation_montecarlo_shapley,
)


def whole(utility, data):
    """What all examples are worth, beyond none."""
    bound = utility.with_dataset(data)
    return bound(Sample(None, data.indices)) - bound(None)


def logistic_iris(n):
    train, val = Dataset.from_sklearn(load_iris(), train_size=n, random_state=24)
    utility = ModelUtility(
        LogisticRegression(),
        SupervisedScorer("accuracy", val, default=0.0, range=(0, 1)),
        show_warnings=False,
    )
    return utility, train


def test_readme_by_uniform_sampling():
    seed = 42
    model = SVC(kernel="linear", random_state=seed)
    train, val = Dataset.from_sklearn(load_iris(), train_size=7, random_state=24)
    scorer = SupervisedScorer(model, val, default=0.0)
    utility = ModelUtility(model, scorer, show_warnings=False)
    sampler = UniformSampler(batch_size=2**6, seed=seed)
    valuation = ShapleyValuation(utility, sampler, MinUpdates(40), progress=False)
    with parallel_config("threading", n_jobs=2):
        valuation.fit(train)
    result = valuation.result
    assert result.counts.min() >= 40
    # Samples of different indices are independent, and so are the errors.
    error = np.sqrt((result.stderr**2).sum())
    assert abs(result.values.sum() - whole(utility, train)) < 5 * error
    table = result.to_dataframe(column="shapley")
    assert list(table.columns[:1]) == ["shapley"]
    assert {"shapley_variances", "shapley_counts"} <= set(table.columns)
    assert table["shapley"].tolist() == result.values.tolist()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_readme_by_permutations_sums_exactly(n_jobs):
    utility, train = logistic_iris(15)
    sampler = PermutationSampler(seed=42)
    valuation = ShapleyValuation(utility, sampler, MinUpdates(2), progress=False)
    with parallel_config("threading", n_jobs=n_jobs):
        valuation.fit(train)
    result = valuation.values()
    assert result.values.sum() == pytest.approx(whole(utility, train), abs=1e-10)
    assert (result.counts == 2).all()


class SimpleCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 4, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 10)
        )

    def forward(self, x):
        return self.layers(x)


def digit_images(n_train):
    digits = load_digits()
    x = torch.tensor(digits.images[:110, None] / 16, dtype=torch.float32)
    y = torch.tensor(digits.target[:110])
    return Dataset.from_arrays(x, y, train_size=n_train, random_state=42)


def test_skorch_notebook():
    train, test = digit_images(6)
    model = NeuralNetClassifier(
        SimpleCNN,
        criterion=nn.CrossEntropyLoss,
        lr=0.01,
        max_epochs=3,
        batch_size=16,
        train_split=None,
        optimizer=torch.optim.Adam,
        device="cpu",
        verbose=False,
        torch_load_kwargs={"weights_only": False},
    )
    torch.manual_seed(0)
    model.fit(*train.data())
    accuracy = SkorchSupervisedScorer(model, test_data=test, default=0.0, range=(0, 1))
    utility = ModelUtility(model=model, scorer=accuracy)
    valuation = TMCShapleyValuation(
        utility, RelativeTruncation(rtol=0.05), is_done=MinUpdates(2), seed=1
    )
    with parallel_config(n_jobs=1):
        valuation.fit(train)
    result = valuation.result
    assert (result.counts >= 2).all()
    assert np.isfinite(result.values).all()
    # Each permutation ends near what its own last model scores: at most one.
    assert -1 <= result.values.sum() <= 1


def test_a_torch_learner_takes_the_place_of_skorch():
    train, test = digit_images(12)
    learner = TorchLearner(
        SimpleCNN,
        nn.CrossEntropyLoss(),
        partial(torch.optim.Adam, lr=0.01),
        epochs=3,
        batch_size=8,
    )
    utility = ModelUtility(learner, SupervisedScorer("accuracy", test, default=0.0))
    valuation = ShapleyValuation(utility, PermutationSampler(seed=1), MinUpdates(4))
    result = valuation.fit(train).result
    assert result.values.sum() == pytest.approx(whole(utility, train), abs=1e-10)


def test_songs_grouped_by_artist():
    diabetes = load_diabetes(as_frame=True, scaled=False)
    x, y = diabetes.data[:100], diabetes.target[:100]
    artists = (x["age"] // 10).astype(int)
    train = Dataset(
        x[:60], y[:60], feature_names=x.columns, target_names=["progression"]
    )
    val = Dataset(x[60:], y[60:], feature_names=x.columns)
    artist_to_gid = {artist: i for i, artist in enumerate(artists[:60].unique())}
    grouped = GroupedDataset.from_dataset(
        train,
        data_groups=[artist_to_gid[artist] for artist in artists[:60]],
        group_names=[f"decade {artist}" for artist in artist_to_gid],
    )
    utility = ModelUtility(
        model=GradientBoostingRegressor(n_estimators=2, random_state=24),
        scorer=SupervisedScorer(
            "neg_mean_absolute_error", test_data=val, default=-150.0
        ),
        show_warnings=False,
    )
    valuation = ShapleyValuation(
        utility=utility,
        sampler=PermutationSampler(truncation=RelativeTruncation(rtol=0), seed=24),
        is_done=MinUpdates(3) & (HistoryDeviation(n_steps=2, rtol=0.5) | MaxUpdates(9)),
        progress=False,
    )
    with parallel_config(n_jobs=1):
        valuation.fit(grouped)
    result = valuation.result
    assert result.values.sum() == pytest.approx(whole(utility, grouped), abs=1e-8)
    table = result.sort(key="value").to_dataframe(column="data_value", use_names=True)
    assert sorted(table.index) == sorted(f"decade {artist}" for artist in artist_to_gid)
    assert table["data_value"].is_monotonic_increasing


def flipped_digits():
    x, y = load_digits(return_X_y=True)
    y = y.copy()
    flipped = np.arange(150) % 5 == 0
    y[:150][flipped] = (y[:150][flipped] + 3) % 10
    return Dataset(x[:150], y[:150]), Dataset(x[200:400], y[200:400]), flipped


def test_nearest_neighbours():
    train, test, flipped = flipped_digits()
    valuation = KNNShapleyValuation(KNeighborsClassifier(n_neighbors=5), test)
    with parallel_config("threading", n_jobs=2):
        valuation.fit(train)
    assert mislabel_auroc(valuation.result, flipped) > 0.9


@pytest.mark.parametrize("kind", [RandomForestClassifier, BaggingClassifier])
def test_data_oob(kind):
    train, _, flipped = flipped_digits()
    model = kind(n_estimators=60, random_state=1)
    model.fit(*train.data())
    result = DataOOBValuation(model).fit(train).result
    assert len(result) == len(train)
    assert mislabel_auroc(result, flipped) > 0.8


def test_msr_banzhaf_and_random_values():
    utility, train = logistic_iris(6)
    valuation = MSRBanzhafValuation(utility, MinUpdates(40), seed=1)
    result = valuation.fit(train).result
    assert result.counts.min() >= 40
    assert len(RandomValuation(random_state=1).fit(train).result) == 6


def test_least_core():
    utility, train = logistic_iris(20)
    few = train[:6]
    exact = ExactLeastCoreValuation(utility=utility).fit(few).result
    sampled = MonteCarloLeastCoreValuation(
        utility=utility, n_samples=40, progress=False, seed=1
    )
    with parallel_config(n_jobs=1):
        sampled.fit(few)
    total = utility.with_dataset(few)(Sample(None, few.indices))
    for result in (exact, sampled.result):
        assert result.values.sum() == pytest.approx(total, abs=1e-6)
    assert sampled.result.subsidy <= exact.subsidy + 1e-8


def test_data_utility_learning():
    utility, train = logistic_iris(6)
    model = IndicatorUtilityModel(LinearRegression(), len(train))
    learned = DataUtilityLearning(utility, 20, model)
    valuation = ShapleyValuation(
        utility=learned, sampler=PermutationSampler(seed=1), is_done=MaxUpdates(20)
    )
    assert np.isfinite(valuation.fit(train).result.values).all()


def test_functional_interface():
    utility, train = logistic_iris(6)
    u, total = utility.with_dataset(train), whole(utility, train)
    exact = combinatorial_exact_shapley(u, progress=False)
    assert exact.values.sum() == pytest.approx(total, abs=1e-10)
    by_permutations = permutation_exact_shapley(u, progress=False)
    assert by_permutations.values == pytest.approx(exact.values, abs=1e-10)

    done = MaxUpdates(100)
    sampled = permutation_montecarlo_shapley(
        u, done=done, n_jobs=2, parallel_backend="threading", seed=3
    )
    mode = ShapleyMode.PermutationMontecarlo
    again = compute_shapley_values(u, done=MaxUpdates(100), mode=mode, n_jobs=1, seed=3)
    assert sampled == again
    assert sampled.values.sum() == pytest.approx(total, abs=1e-10)
    gap = np.abs(sampled.values - exact.values)
    assert (gap <= 5 * sampled.stderr + 1e-10).all()

    owen = owen_sampling_shapley(u, n_samples=50, max_q=21, seed=3)
    assert owen.values == pytest.approx(exact.values, abs=0.1)
