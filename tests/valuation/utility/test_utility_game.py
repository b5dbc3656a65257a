"""Utilities as games, evaluated by any number of workers."""

from __future__ import annotations

import os
import pickle
import warnings

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC

from torchattr.errors import InputError
from torchattr.games.synthetic import ShoesGame
from torchattr.valuation.dataset import Dataset, GroupedDataset
from torchattr.valuation.scorers import SupervisedScorer
from torchattr.valuation.types import Sample
from torchattr.valuation.utility import (
    ModelUtility,
    UtilityBase,
    UtilityGame,
    game_of,
)

TRAIN, TEST = Dataset.from_sklearn(load_iris(), train_size=0.2, random_state=16)
N = len(TRAIN)
SCORER = SupervisedScorer("accuracy", TEST, default=0.0, range=(0, 1))


def coalitions(count, n=N, seed=0, share=0.5):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, n, generator=generator) < share


def iris(model=None, **options):
    return ModelUtility(model or SVC(), SCORER, **options)


class Sum(UtilityBase):
    """The sum of the indices in a sample, and which process added it."""

    def __call__(self, sample):
        return 0.0 if sample is None else float(sample.subset.sum())


class WhereAmI(UtilityBase):
    def __call__(self, sample):
        return 0.0 if sample is None else float(os.getpid())


class OnlyHere(WhereAmI):
    in_workers = False


def test_values_are_utilities_of_the_indices_that_stay():
    game = game_of(Sum(), TRAIN)
    asked = coalitions(9)
    values = game(asked)
    assert values.dtype == torch.float64
    assert torch.equal(values, (asked * torch.arange(N)).sum(1).double())
    assert isinstance(game, UtilityGame)
    assert game.n_failures == 0
    assert game.data_indices.tolist() == TRAIN.indices.tolist()
    assert game.data_names.tolist() == TRAIN.names.tolist()


def test_a_utility_may_keep_its_own_data():
    class Stubborn(Sum):
        def with_dataset(self, data, copy=True):
            return self

        @property
        def training_data(self):
            return None

    asked = coalitions(3)
    expected = game_of(Sum(), TRAIN)(asked)
    assert torch.equal(game_of(Stubborn(), TRAIN)(asked), expected)


def test_values_of_a_model():
    utility, asked = iris().with_dataset(TRAIN), coalitions(9)
    expected = [utility(Sample(None, np.flatnonzero(row))) for row in asked]
    assert game_of(utility)(asked).tolist() == pytest.approx(expected)
    assert game_of(iris(), TRAIN)(asked).tolist() == pytest.approx(expected)


def test_empty_coalitions_train_nothing():
    class Never(SVC):
        def fit(self, x, y):
            raise MemoryError("called")

    scorer = SupervisedScorer("accuracy", TEST, default=0.25)
    game = game_of(ModelUtility(Never(), scorer), TRAIN)
    assert game(torch.zeros(3, N, dtype=torch.bool)).tolist() == [0.25] * 3


def test_groups_are_the_players_of_grouped_data():
    ids = np.where(np.arange(N) % 3, 7, 4)
    grouped = GroupedDataset.from_dataset(TRAIN, ids, group_names=["four", "seven"])
    game = game_of(iris(), grouped)
    assert game.n_players == 2
    assert game.data_indices.tolist() == [4, 7]
    assert game.data_names.tolist() == ["four", "seven"]
    single = game_of(iris(), TRAIN)
    asked = torch.tensor([[False, True], [True, True], [True, False]])
    expected = single(grouped.masks(asked))
    assert torch.equal(game(asked), expected)


def test_a_game_is_its_own_game():
    game = ShoesGame(2, 4)
    assert game_of(game) is game


def test_what_is_no_utility():
    with pytest.raises(InputError, match="must be a utility"):
        game_of(SVC(), TRAIN)
    with pytest.raises(InputError, match="with_dataset"):
        game_of(iris())


# Workers


@pytest.mark.parametrize("size", [1, 4, None])
@pytest.mark.parametrize("backend", ["threading", "loky"])
@pytest.mark.parametrize("count", [1, 2, 13])
def test_workers_and_chunks_change_nothing(count, backend, size):
    asked = coalitions(count)
    asked[count // 2] = False
    expected = game_of(iris(), TRAIN)(asked)
    with joblib.parallel_config(backend, n_jobs=2):
        game = game_of(iris(), TRAIN)
        game.chunk_size = size or game.chunk_size
        assert torch.equal(game(asked), expected)


def test_work_is_done_in_other_processes_where_it_may():
    asked = torch.ones(6, N, dtype=torch.bool)
    here = os.getpid()
    assert game_of(WhereAmI(), TRAIN)(asked).tolist() == [here] * 6
    with joblib.parallel_config(n_jobs=2):
        assert here not in game_of(WhereAmI(), TRAIN)(asked)
        assert game_of(OnlyHere(), TRAIN)(asked).tolist() == [here] * 6


class Weighed(UtilityBase):
    """Counts how often it is sent somewhere."""

    n_sent = 0

    def __call__(self, sample):
        return 1.0

    def __getstate__(self):
        Weighed.n_sent += 1
        return vars(self)


def test_data_are_sent_once_to_each_worker():
    Weighed.n_sent = 0
    with joblib.parallel_config(n_jobs=2):
        game_of(Weighed(), TRAIN)(torch.ones(100, N, dtype=torch.bool))
    assert Weighed.n_sent <= 2 + 1  # (with_dataset copies it once)


def test_chunks_grow_with_the_workers():
    alone = game_of(iris(), TRAIN).chunk_size
    with joblib.parallel_config(n_jobs=3):
        assert game_of(iris(), TRAIN).chunk_size == 3 * alone


def test_a_utility_survives_the_journey():
    utility = iris().with_dataset(TRAIN)
    sample = Sample(None, np.arange(N))
    assert pickle.loads(pickle.dumps(utility))(sample) == utility(sample)


# Failures


class Boom(Exception):
    """An error of the user's own, which cannot be sent."""

    def __init__(self, a, b):
        super().__init__(a)


class Fragile(ClassifierMixin, BaseEstimator):
    def __init__(self, below=10):
        self.below = below

    def fit(self, x, y):
        if len(y) < self.below:
            raise Boom("too few", 2)
        self.classes_ = np.unique(y)
        return self

    def predict(self, x):
        return np.zeros(len(x), dtype=int)


BY_SIZE = torch.arange(N)[None] < torch.tensor([[0], [3], [12], [9], [N], [10], [1]])
WORTH = (TEST.data().y == 0).mean()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_failures_get_the_default_and_are_counted(n_jobs):
    scorer = SupervisedScorer("accuracy", TEST, default=0.125)
    game = game_of(ModelUtility(Fragile(), scorer), TRAIN)
    with (
        joblib.parallel_config("threading", n_jobs=n_jobs),
        pytest.warns(RuntimeWarning, match="Boom: too few"),
    ):
        values = game(BY_SIZE)
    low, high = 0.125, WORTH
    assert values.tolist() == pytest.approx([low, low, high, low, high, high, low])
    assert game.n_failures == 3
    assert game.n_wasted == 1
    game(BY_SIZE)  # warned about once
    assert game.n_failures == 6
    assert game.n_wasted == 1


def test_failures_in_other_processes():
    game = game_of(ModelUtility(Fragile(), SCORER, show_warnings=False), TRAIN)
    with joblib.parallel_config("loky", n_jobs=2):
        values = game(BY_SIZE)
    assert values.tolist() == pytest.approx([0, 0, WORTH, 0, WORTH, WORTH, 0])
    assert game.n_failures == 3


def test_a_coalition_of_one_class_gets_the_default():
    y = TRAIN.data().y
    alone = torch.tensor(y == 0)[None]
    game = game_of(iris(LogisticRegression(max_iter=1000)), TRAIN)
    with pytest.warns(RuntimeWarning, match="ValueError"):
        assert game(alone).tolist() == [0.0]


def test_failures_are_counted_for_each_game():
    utility = iris(Fragile()).with_dataset(TRAIN)
    for _ in range(2):
        game = game_of(utility)
        with pytest.warns(RuntimeWarning, match="too few"):
            game(BY_SIZE)
        assert game.n_failures == 3
    assert utility.n_failures == 0


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("asked", [BY_SIZE, BY_SIZE[1:2], BY_SIZE[4:5]])
def test_a_failure_on_all_is_raised_with_its_cause(asked, n_jobs):
    game = game_of(iris(Fragile(below=10**9)), TRAIN)
    with (
        joblib.parallel_config("threading", n_jobs=n_jobs),
        pytest.raises(InputError, match="whole training set of 30 points") as caught,
    ):
        game(asked)
    assert isinstance(caught.value.__cause__, Boom)


def test_errors_need_not_be_caught():
    game = game_of(iris(Fragile(), catch_errors=False), TRAIN)
    with pytest.raises(Boom):
        game(BY_SIZE)


def test_a_score_that_is_not_finite_names_its_coalition():
    def score(model, x, y):
        return np.nan if len(model.support_) > 11 else 0.5

    scorer = SupervisedScorer(score, TEST, default=0.0)
    game = game_of(ModelUtility(SVC(), scorer), TRAIN)
    with pytest.raises(InputError, match=r"\(30 of 30\) stay"):
        game(game.ends())


# Real data


def test_linear_regression_values_its_points():
    x = np.linspace(0, 1, 8)[:, None]
    y = 3 * x[:, 0]
    y[5] -= 100
    scorer = SupervisedScorer("r2", (x, 3 * x[:, 0]))
    game = game_of(ModelUtility(LinearRegression(), scorer), Dataset(x, y))
    without = torch.ones(8, 8, dtype=torch.bool)
    without.fill_diagonal_(fill_value=False)
    values = game(without)
    assert int(values.argmax()) == 5
    assert values[5] == pytest.approx(1)


def test_digits():
    train, test = Dataset.from_sklearn(load_digits(), train_size=60, random_state=0)
    scorer = SupervisedScorer("accuracy", test)
    game = game_of(ModelUtility(SVC(), scorer), train)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        empty, full = game(game.ends()).tolist()
    assert empty < 0.15
    assert full > 0.7
