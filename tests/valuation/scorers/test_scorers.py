"""Scorers: scikit-learn's scores, functions of them, and scores of one class."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression
from sklearn.svm import SVC

from torchattr.errors import InputError
from torchattr.valuation.dataset import Dataset
from torchattr.valuation.scorers import (
    ClasswiseSupervisedScorer,
    Scorer,
    SkorchSupervisedScorer,
    SupervisedScorer,
    compose_score,
    sigmoid,
)

X, Y = load_iris(return_X_y=True)
MODEL = SVC(kernel="linear").fit(X[::2], Y[::2])
X_TEST, Y_TEST = X[1::2], Y[1::2]
ACCURACY = metrics.accuracy_score(Y_TEST, MODEL.predict(X_TEST))


def accuracy(model, x, y):
    return np.mean(model.predict(x) == y)


@pytest.mark.parametrize("scoring", ["accuracy", accuracy, MODEL])
@pytest.mark.parametrize(
    "data",
    [
        (X_TEST, Y_TEST),
        [X_TEST, Y_TEST],
        (torch.tensor(X_TEST), torch.tensor(Y_TEST)),
        Dataset(X_TEST, Y_TEST),
        Dataset(torch.tensor(X_TEST), torch.tensor(Y_TEST)),
    ],
)
@pytest.mark.parametrize("kind", [SupervisedScorer, SkorchSupervisedScorer])
def test_forms_of_scores_and_of_test_data(kind, scoring, data):
    score = kind(scoring, data)(MODEL)
    assert isinstance(score, float)
    assert score == pytest.approx(ACCURACY)


def test_any_scorer_of_scikit_learn():
    scorer = SupervisedScorer("f1_macro", (X_TEST, Y_TEST))
    expected = metrics.f1_score(Y_TEST, MODEL.predict(X_TEST), average="macro")
    assert scorer(MODEL) == pytest.approx(expected)


class Plain:
    """A model that owes scikit-learn nothing."""

    def predict(self, x):
        return MODEL.predict(x)


class PlainClassifier(Plain):
    classes_ = MODEL.classes_

    def predict_proba(self, x):
        return np.eye(3)[self.predict(x)] * 0.97 + 0.01


def test_plain_models_are_scored_by_name():
    assert SupervisedScorer("accuracy", (X_TEST, Y_TEST))(Plain()) == ACCURACY
    for name in ("r2", "f1_macro"):
        scorer = SupervisedScorer(name, (X_TEST, Y_TEST))
        assert scorer(Plain()) == pytest.approx(scorer(MODEL))
    loss = SupervisedScorer("neg_log_loss", (X_TEST, Y_TEST))(PlainClassifier())
    shares = PlainClassifier().predict_proba(X_TEST)
    assert loss == pytest.approx(-metrics.log_loss(Y_TEST, shares))


def test_what_a_scorer_says_of_itself():
    scorer = SupervisedScorer("accuracy", (X_TEST, Y_TEST), 0.25, (0, 1))
    assert (scorer.name, scorer.default, scorer.range) == ("accuracy", 0.25, (0, 1))
    assert str(scorer) == "accuracy (default=0.25, range=(0.0, 1.0))"
    assert scorer.test_data[0] is X_TEST
    assert SupervisedScorer(accuracy, (X_TEST, Y_TEST)).name == "accuracy"
    assert SupervisedScorer(MODEL, (X_TEST, Y_TEST)).name == "score of SVC"
    named = SupervisedScorer("r2", (X_TEST, Y_TEST), name="mine")
    assert (named.name, named.default) == ("mine", None)
    assert named.range == (-math.inf, math.inf)
    assert isinstance(named, Scorer)
    assert SupervisedScorer[str, object]("r2", (X_TEST, Y_TEST)).default is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scoring": "acuracy"}, "'acuracy' is none"),
        ({"scoring": 3}, "scoring must be"),
        ({"test_data": X_TEST}, "test_data must be"),
        ({"test_data": torch.ones(3)}, "test_data must be"),
        ({"default": -math.inf}, "default must be finite"),
        ({"default": math.nan}, "default must be finite"),
        ({"range": (1, 0)}, "ascending order"),
        ({"range": (math.nan, 0)}, "ascending order"),
    ],
)
@pytest.mark.parametrize("kind", [SupervisedScorer, ClasswiseSupervisedScorer])
def test_what_is_no_scorer(kind, options, message):
    usual = {"scoring": "accuracy", "test_data": (X_TEST, Y_TEST)}
    with pytest.raises(InputError, match=message):
        kind(**usual | options)


def test_scores_of_learners_are_not_for_other_models():
    scorer = SupervisedScorer("log_likelihood", (X_TEST, Y_TEST))
    with pytest.raises(InputError, match="not known to SVC"):
        scorer(MODEL)


# Functions of scores


@given(x=st.floats(allow_nan=False))
def test_sigmoid(x):
    assert 0 <= sigmoid(x) <= 1
    assert sigmoid(x) + sigmoid(-x) == pytest.approx(1)
    if abs(x) < 30:
        assert math.log(sigmoid(x) / sigmoid(-x)) == pytest.approx(x, abs=1e-9)


def test_a_composed_score_transforms_score_default_and_range():
    x, y = np.arange(5.0)[:, None], np.array([0.0, 1, 1, 3, 5])
    model = LinearRegression().fit(x, y)
    inner = SupervisedScorer("r2", (x, y), default=-1.0)
    outer = compose_score(inner, sigmoid, "squashed")
    assert outer(model) == pytest.approx(sigmoid(inner(model)))
    assert outer.default == pytest.approx(sigmoid(-1.0))
    assert outer.range == (0, 1)
    assert outer.name == "squashed"
    assert inner.default == -1
    twice = compose_score(outer, lambda s: -s, "negative")
    assert twice(model) == pytest.approx(-outer(model))
    assert twice.range == (-1, 0)
    assert compose_score(inner, lambda s: s * 0, "flat").range == (-math.inf, math.inf)


def test_a_default_to_be_computed_stays_so_when_composed():
    inner = SupervisedScorer("accuracy", (X_TEST, Y_TEST))
    assert compose_score(inner, sigmoid, "squashed").default is None


# One class and the others


class Threshold:
    def predict(self, x):
        return (x > 0.5).astype(int)


THREE = np.array([0.0, 0.5, 1.0]), np.array([0, 0, 1])


@pytest.mark.parametrize("data", [THREE, Dataset(*THREE)])
def test_classwise_closed_form(data):
    scorer = ClasswiseSupervisedScorer("accuracy", data)
    zero, one = scorer.for_label(0), scorer.for_label(1)
    assert zero(Threshold()) == pytest.approx(2 / 3 * math.exp(1 / 3), abs=1e-10)
    assert one(Threshold()) == pytest.approx(1 / 3 * math.exp(2 / 3), abs=1e-10)
    assert (scorer.label, scorer.default, scorer.range) == (None, 0.0, (0.0, 1.0))
    scorer.label = 1  # as with pyDVL
    assert scorer(Threshold()) == one(Threshold())
    assert zero.label == 0


def test_classwise_discounts_and_scaling():
    class Wrong:
        def predict(self, x):
            return np.array([0, 1, 1])[(2 * x).astype(int)]

    scorer = ClasswiseSupervisedScorer(
        accuracy,
        THREE,
        0.5,
        (0, 2),
        lambda a: a + 1,
        lambda a: 3 * a,
        rescale_scores=False,
        label=0,
    )
    assert scorer.compute_in_and_out_of_class_scores(
        Wrong(), rescale_scores=False
    ) == pytest.approx((1 / 2, 1))
    assert scorer.compute_in_and_out_of_class_scores(Wrong()) == pytest.approx((
        1 / 3,
        1 / 3,
    ))
    assert scorer(Wrong()) == pytest.approx(1.5 * 3)
    assert scorer.default == pytest.approx(0.5)


def test_classwise_with_tensors_and_a_missing_class():
    x, y = torch.tensor(X_TEST), torch.tensor(Y_TEST)
    scorer = ClasswiseSupervisedScorer("accuracy", (x, y), label=2)
    same = ClasswiseSupervisedScorer("accuracy", (X_TEST, Y_TEST), label=2)
    assert scorer(MODEL) == pytest.approx(same(MODEL))
    assert same.for_label(7)(MODEL) == 0
    everything = same.for_label(0)
    everything._y[:] = 0
    assert everything.compute_in_and_out_of_class_scores(MODEL)[1] == 0


def test_classwise_needs_a_label():
    with pytest.raises(InputError, match="for_label"):
        ClasswiseSupervisedScorer("accuracy", THREE)(Threshold())


@pytest.mark.parametrize(
    "scorer",
    [
        SupervisedScorer("accuracy", (X_TEST, Y_TEST)),
        ClasswiseSupervisedScorer("accuracy", (X_TEST, Y_TEST), label=1),
        compose_score(SupervisedScorer(MODEL, (X_TEST, Y_TEST)), sigmoid, "s"),
    ],
)
def test_scorers_reach_other_processes(scorer):
    assert pickle.loads(pickle.dumps(scorer))(MODEL) == scorer(MODEL)
