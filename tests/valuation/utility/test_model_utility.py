"""Utilities of models: what a set of training points is worth."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from sklearn import metrics
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_diabetes, load_iris
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC
from torch import nn

from torchattr.errors import InputError
from torchattr.training import RetrainingGame, TorchLearner
from torchattr.valuation.dataset import Dataset, GroupedDataset
from torchattr.valuation.scorers import (
    ClasswiseSupervisedScorer,
    Scorer,
    SkorchSupervisedScorer,
    SupervisedScorer,
    compose_score,
    sigmoid,
)
from torchattr.valuation.types import Sample
from torchattr.valuation.utility import ModelUtility, UtilityBase, game_of

TRAIN, TEST = Dataset.from_sklearn(load_iris(), train_size=0.2, random_state=16)
N = len(TRAIN)
ACCURACY = SupervisedScorer("accuracy", TEST, default=0.0, range=(0, 1))
ALL = np.arange(N)


def sample(*indices):
    return Sample(None, np.array(indices, dtype=np.int64))


def utility(model=None, scorer=ACCURACY, data=TRAIN, **options):
    return ModelUtility(model or SVC(), scorer, **options).with_dataset(data)


def test_the_score_of_the_model_trained_on_the_sample():
    x, y = TRAIN.data(ALL[::2])
    expected = SVC().fit(x, y).score(*TEST.data())
    assert utility()(Sample(3, ALL[::2])) == pytest.approx(expected)
    assert isinstance(utility()(Sample(None, ALL[::2])), float)


def test_nothing_is_worth_the_default():
    assert utility()(None) == 0
    assert utility()(sample()) == 0


@pytest.mark.parametrize("name", ["accuracy", "f1_macro", "neg_log_loss"])
def test_the_computed_default_of_a_classifier(name):
    x, y = TRAIN.data()
    dummy = DummyClassifier(strategy="prior").fit(x, y)
    expected = metrics.get_scorer(name)(dummy, *TEST.data())
    fresh = utility(scorer=SupervisedScorer(name, TEST))
    assert fresh(None) == pytest.approx(expected)


@pytest.mark.parametrize("model", [LinearRegression(), None])
def test_the_computed_default_of_a_regressor(model):
    class Plain:
        def fit(self, x, y): ...

    train, test = Dataset.from_sklearn(load_diabetes(), random_state=0)
    dummy = DummyRegressor().fit(*train.data())
    fresh = utility(model or Plain(), SupervisedScorer("r2", test), train)
    expected = metrics.r2_score(test.data().y, dummy.predict(test.data().x))
    assert fresh(None) == pytest.approx(expected)


def test_a_regressor_of_whole_numbers_defaults_to_their_mean():
    data = Dataset(np.zeros((4, 1)), np.array([0, 0, 0, 4]))
    scorer = SupervisedScorer("neg_mean_squared_error", data)
    assert utility(LinearRegression(), scorer, data)(None) == pytest.approx(-3)


def test_the_default_of_a_composed_score():
    scorer = compose_score(SupervisedScorer("accuracy", TEST), sigmoid, "squashed")
    plain = utility(scorer=SupervisedScorer("accuracy", TEST))(None)
    assert utility(scorer=scorer)(None) == pytest.approx(sigmoid(plain))


def test_a_default_that_is_not_finite_is_refused():
    def score(model, x, y):
        return np.nan

    with pytest.raises(InputError, match="constant predictor is nan"):
        utility(scorer=SupervisedScorer(score, TEST))(None)


def test_binding_data_copies_unless_told_otherwise():
    free = ModelUtility(SVC(), ACCURACY)
    assert free.training_data is None
    bound = free.with_dataset(TRAIN)
    assert bound.training_data is TRAIN
    assert free.training_data is None
    assert free.with_dataset(TEST, copy=False) is free
    assert free.training_data is TEST
    with pytest.raises(InputError, match="with_dataset"):
        ModelUtility(SVC(), ACCURACY)(sample(1))


def test_the_default_belongs_to_the_data():
    free = ModelUtility(SVC(), SupervisedScorer("accuracy", TEST))
    x, y = TRAIN.data()
    ones, twos = (free.with_dataset(Dataset(x[y != k], y[y != k])) for k in (1, 2))
    shares = [(TEST.data().y == k).mean() for k in range(3)]
    counts = np.bincount(y)
    assert ones(None) == pytest.approx(shares[0 if counts[0] >= counts[2] else 2])
    assert twos(None) == pytest.approx(shares[0 if counts[0] >= counts[1] else 1])
    assert ones(None) != twos(None)
    assert ones.with_dataset(twos.training_data)(None) == twos(None)


def test_the_model_is_left_as_it_was():
    model = SVC()
    utility(model)(Sample(None, ALL))
    assert not hasattr(model, "classes_")
    utility(model, clone_before_fit=False)(Sample(None, ALL))
    assert hasattr(model, "classes_")


def test_a_plain_model_is_copied_deeply():
    class Majority:
        def __init__(self):
            self.seen = []

        def fit(self, x, y):
            self.seen.append(len(y))
            self.answer = np.bincount(y).argmax()

        def predict(self, x):
            assert len(self.seen) == 1
            return np.full(len(x), self.answer)

    model = Majority()
    bound = utility(model)
    y = TRAIN.data().y
    chosen = np.flatnonzero(y == 1)
    expected = (TEST.data().y == 1).mean()
    assert bound(Sample(None, chosen)) == pytest.approx(expected)
    assert bound(Sample(None, chosen)) == pytest.approx(expected)
    assert model.seen == []


def test_data_can_be_changed_by_a_subclass():
    class Doubled(ModelUtility):
        def sample_to_data(self, sample):
            x, y = super().sample_to_data(sample)
            return np.concatenate([x, x]), np.concatenate([y, 1 + 0 * y])

    doubled = Doubled(LogisticRegression(max_iter=1000), ACCURACY).with_dataset(TRAIN)
    x, y = TRAIN.data(ALL[:20])
    model = LogisticRegression(max_iter=1000).fit(
        np.concatenate([x, x]), np.concatenate([y, 1 + 0 * y])
    )
    expected = model.score(*TEST.data())
    assert doubled(Sample(None, ALL[:20])) == pytest.approx(expected)


def test_groups_are_trained_on_together():
    ids = np.where(ALL % 3, 7, 4)
    grouped = GroupedDataset.from_dataset(TRAIN, ids)
    together = utility(data=grouped)(sample(7))
    assert together == utility()(Sample(None, np.flatnonzero(ids == 7)))


# Failures


ONE_CLASS = np.flatnonzero(TRAIN.data().y == 0)[:3]


class Boom(Exception):
    """An error of the user's own."""


class Breaks(ClassifierMixin, BaseEstimator):
    def __init__(self, below=10**9):
        self.below = below

    def fit(self, x, y):
        if len(y) < self.below:
            raise Boom(f"{len(y)} points are too few")
        self.classes_ = np.unique(y)
        return self

    def predict(self, x):
        return np.zeros(len(x), dtype=int)


def test_what_cannot_be_trained_is_worth_the_default():
    scorer = SupervisedScorer("accuracy", TEST, default=0.125)
    bound = utility(scorer=scorer)
    with pytest.warns(RuntimeWarning, match=r"ValueError.*default, 0\.125"):
        first = bound(Sample(None, ONE_CLASS))
    second = bound(Sample(None, ONE_CLASS[:2]))  # (warnings are errors here)
    assert first == second == pytest.approx(0.125)
    assert bound.n_failures == 2


def test_warnings_can_be_switched_off():
    class Noisy(Breaks):
        def fit(self, x, y):
            warnings.warn("training goes badly", UserWarning, stacklevel=1)
            return super().fit(x, y)

    quiet = utility(Noisy(below=5), show_warnings=False)
    assert quiet(Sample(None, ONE_CLASS)) == 0
    assert quiet(Sample(None, ALL)) > 0
    assert quiet.n_failures == 1
    with pytest.warns(UserWarning, match="training goes badly"):
        utility(Noisy(below=5))(Sample(None, ALL))


@pytest.mark.parametrize("subset", [ALL, ONE_CLASS])
def test_a_failure_on_all_is_raised_with_its_cause(subset):
    with pytest.raises(InputError, match=r"whole training set of 30 points: Boom: 30"):
        utility(Breaks())(Sample(None, subset))
    with pytest.raises(InputError) as caught:
        utility(Breaks())(Sample(None, subset))
    assert isinstance(caught.value.__cause__, Boom)


def test_errors_need_not_be_caught():
    with pytest.raises(Boom):
        utility(Breaks(below=20), catch_errors=False)(Sample(None, ONE_CLASS))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_an_error(value):
    def score(model, x, y):
        return value

    bound = utility(scorer=SupervisedScorer(score, TEST, default=0.0))
    with pytest.raises(InputError, match="score must be finite"):
        bound(Sample(None, ALL))


def test_models_train_with_gradients_though_games_have_none():
    class Torch(Breaks):
        def fit(self, x, y):
            assert torch.is_grad_enabled()
            return super().fit(x, y)

    with torch.no_grad():
        assert utility(Torch(below=5))(Sample(None, ALL)) > 0


def test_what_is_no_utility():
    for options in ({"cache_backend": object()}, {"cached_func_options": {}}):
        with pytest.raises(InputError, match="log=path"):
            ModelUtility(SVC(), ACCURACY, **options)
    with pytest.raises(InputError, match="TorchLearner; got Linear"):
        ModelUtility(nn.Linear(2, 2), ACCURACY)
    with pytest.raises(InputError, match="scorer must be a Scorer"):
        ModelUtility(SVC(), "accuracy")


def test_it_can_be_parametrised_as_pydvls():
    made = ModelUtility[Sample, SVC](SVC(), ACCURACY)
    assert isinstance(made, ModelUtility)

    class Mine(UtilityBase[Sample]):
        def __call__(self, sample):
            return 1.0

    assert Mine()(None) == 1


# skorch


def test_a_skorch_model():
    skorch = pytest.importorskip("skorch")
    x, y = (torch.tensor(part) for part in TRAIN.data())
    data = Dataset(x.float(), y)
    x_test, y_test = (torch.tensor(part) for part in TEST.data())
    torch.manual_seed(0)
    net = skorch.NeuralNetClassifier(
        nn.Linear(4, 3),
        criterion=nn.CrossEntropyLoss,
        lr=0.1,
        max_epochs=20,
        train_split=None,
        verbose=0,
    )
    scorer = SkorchSupervisedScorer("accuracy", Dataset(x_test.float(), y_test))
    bound = utility(net, scorer, data)
    prior = DummyClassifier(strategy="prior").fit(x, y).score(x_test, y_test)
    assert bound(None) == pytest.approx(prior)
    with torch.no_grad():  # as within a game
        trained = bound(Sample(None, ALL))
    assert trained > 0.6
    game = game_of(bound)
    assert game(game.ends())[1] == pytest.approx(trained)


# Learners


def learner(epochs=5):
    torch.manual_seed(0)
    return TorchLearner(
        nn.Linear(4, 3).double(),
        nn.CrossEntropyLoss(),
        partial(torch.optim.Adam, lr=0.05),
        epochs=epochs,
        batch_size=8,
    )


COALITIONS = torch.rand(4, N, generator=torch.Generator().manual_seed(0)) < 0.5


@pytest.mark.parametrize("name", ["accuracy", "log_likelihood", "neg_loss", "f1_macro"])
def test_a_learner_trains_many_at_once(name):
    bound = utility(learner(), SupervisedScorer(name, TEST))
    game = game_of(bound)
    assert isinstance(game, RetrainingGame)
    direct = RetrainingGame(learner(), TRAIN, TEST, name)
    torch.testing.assert_close(game(COALITIONS), direct(COALITIONS))
    one = bound(Sample(None, COALITIONS[0].nonzero().flatten().numpy()))
    assert one == pytest.approx(float(direct(COALITIONS[:1])))
    assert bound(None) == pytest.approx(float(direct.default))


def test_a_learners_default_may_be_given():
    scorer = SupervisedScorer("accuracy", TEST, default=0.125)
    game = game_of(utility(learner(), scorer))
    assert game(game.ends())[0] == pytest.approx(0.125)


def test_a_learners_own_score_and_functions_of_it():
    inner = SupervisedScorer(SVC(), TEST)  # whatever the model, its own score
    outer = compose_score(compose_score(inner, sigmoid, "a"), lambda s: 1 - s, "b")
    game = game_of(utility(learner(), outer))
    assert isinstance(game, RetrainingGame)
    expected = 1 - RetrainingGame(learner(), TRAIN, TEST)(COALITIONS).sigmoid()
    torch.testing.assert_close(game(COALITIONS), expected)
    assert utility(learner(), outer)(None) == pytest.approx(float(game.default))


def test_a_learner_on_groups():
    ids = np.where(ALL % 3, 7, 4)
    grouped = GroupedDataset.from_dataset(TRAIN, np.where(ALL < 2, 9, ids))
    game = game_of(utility(learner(), data=grouped))
    single = game_of(utility(learner()))
    assert game.n_players == 3
    asked = torch.tensor([[False, True, False], [False, True, True], [True] * 3])
    expected = single(grouped.masks(asked))
    torch.testing.assert_close(game(asked), expected)
    members = grouped.indices[asked[1].numpy()]
    one = utility(learner(), data=grouped)(Sample(None, members))
    assert one == pytest.approx(float(expected[1]))


class Confidence(Scorer):
    default = 0.0

    def __call__(self, model):
        x, y = TEST.data()
        return float(model.predict_proba(x)[np.arange(len(y)), y].mean())


def test_a_learner_with_a_scorer_that_knows_one_model():
    bound = utility(learner(), Confidence())
    chosen = COALITIONS[0].nonzero().flatten().numpy()
    model = learner().fit(TRAIN, COALITIONS[0])
    x, y = (torch.tensor(part) for part in TEST.data())
    with torch.no_grad():
        shares = model(x).softmax(1)[torch.arange(len(y)), y]
    assert bound(Sample(None, chosen)) == pytest.approx(float(shares.mean()))
    game = game_of(bound)
    assert not isinstance(game, RetrainingGame)
    assert float(game(COALITIONS[:1])) == pytest.approx(float(shares.mean()))


def test_a_learner_with_a_class_wise_scorer():
    scorer = ClasswiseSupervisedScorer("accuracy", TEST, label=1)
    bound = utility(learner(20), scorer)
    model = learner(20).fit(TRAIN)
    x, y = (torch.tensor(part) for part in TEST.data())
    hits = (model(x).argmax(1) == y).double()
    inside, outside = (hits * (y == 1)).mean(), (hits * (y != 1)).mean()
    assert bound(Sample(None, ALL)) == pytest.approx(float(inside * outside.exp()))
