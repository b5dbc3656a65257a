"""Scores of many models at once equal scikit-learn's of each one."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn import metrics
from sklearn.dummy import DummyClassifier, DummyRegressor
from torch import nn
from torch.nn import functional

from torchattr.errors import InputError
from torchattr.training.constant_predictor import constant_predictor_score
from torchattr.training.model_scores import as_model_score

K, M, C = 5, 40, 4


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def labels(high, *shape, seed=1):
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))


def score(name, loss=None, **options):
    return as_model_score(name, learner=SimpleNamespace(loss=loss), **options)


def each(function, outputs, targets):
    rows = [float(function(row.numpy(), targets.numpy())) for row in outputs]
    return torch.tensor(rows, dtype=torch.float64)


def close(one, other):
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


CLASSES = random(K, M, C), labels(C, M)
LOGITS = random(K, M, 1), labels(2, M).double()
VALUES = random(K, M, 2), random(M, 2, seed=3)


def test_accuracy_of_classes():
    outputs, targets = CLASSES
    expected = each(
        lambda o, y: metrics.accuracy_score(y, o.argmax(1)), outputs, targets
    )
    close(score("accuracy")(outputs, targets), expected)


@pytest.mark.parametrize("shape", [(K, M), (K, M, 1)])
@pytest.mark.parametrize("dtype", [torch.int64, torch.float32, torch.bool])
def test_accuracy_of_one_logit(shape, dtype):
    outputs, targets = LOGITS[0].reshape(shape), LOGITS[1].to(dtype)
    expected = each(
        lambda o, y: metrics.accuracy_score(y > 0.5, o.ravel() > 0), outputs, targets
    )
    close(score("accuracy")(outputs, targets), expected)
    close(score("accuracy")(outputs, targets[:, None]), expected)


@pytest.mark.parametrize("loss", [nn.BCELoss(), functional.binary_cross_entropy])
def test_outputs_under_bce_are_probabilities(loss):
    outputs, targets = LOGITS
    for name in ("accuracy", "log_likelihood", "f1"):
        close(
            score(name, partial(loss) if callable(loss) else loss)(
                outputs.sigmoid(), targets
            ),
            score(name)(outputs, targets),
        )


def test_certain_probabilities_have_a_finite_log_likelihood():
    outputs = torch.tensor([[[0.0], [1.0]]])
    scores = score("log_likelihood", nn.BCELoss())(outputs, torch.tensor([1.0, 1.0]))
    close(scores, torch.tensor([-50.0]).double())


def test_log_likelihood_of_classes():
    outputs, targets = CLASSES
    expected = each(
        lambda o, y: (
            -metrics.log_loss(
                y, torch.softmax(torch.tensor(o), 1).numpy(), labels=range(C)
            )
        ),
        outputs,
        targets,
    )
    close(score("log_likelihood")(outputs, targets), expected)
    logs = outputs.log_softmax(2)  # as a model that ends in LogSoftmax gives
    close(score("log_likelihood")(logs, targets), expected)


def test_log_likelihood_of_one_logit():
    outputs, targets = LOGITS
    expected = torch.stack([
        -functional.binary_cross_entropy_with_logits(o[:, 0], targets) for o in outputs
    ])
    close(score("log_likelihood")(outputs, targets), expected)


def test_log_likelihood_of_shares_is_minus_the_cross_entropy():
    outputs, shares = CLASSES[0], random(M, C, seed=4).softmax(1)
    expected = -torch.stack([functional.cross_entropy(o, shares) for o in outputs])
    close(score("log_likelihood")(outputs, shares), expected)


def test_one_hot_targets_are_classes():
    outputs, targets = CLASSES
    hot = functional.one_hot(targets, C).double()
    for name in ("accuracy", "log_likelihood", "f1"):
        close(score(name)(outputs, hot), score(name)(outputs, targets))


def test_several_yes_or_no_labels():
    outputs, targets = random(K, M, 3), labels(2, M, 3).double()
    expected = ((outputs > 0) == (targets > 0)).double().mean((1, 2))
    close(score("accuracy")(outputs, targets), expected)
    alone = functional.one_hot(labels(3, M), 3).double()
    expected = ((outputs > 0) == (alone > 0)).double().mean((1, 2))
    close(score("accuracy", nn.BCEWithLogitsLoss())(outputs, alone), expected)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weight", [None, [1.0, 2.0, 3.0, 4.0]])
def test_neg_loss_is_minus_the_users_loss(reduction, weight):
    weight = weight and torch.tensor(weight).double()
    loss = nn.CrossEntropyLoss(weight, reduction=reduction)
    outputs, targets = CLASSES
    expected = -torch.stack([loss(o, targets).mean() for o in outputs])
    close(score("neg_loss", loss)(outputs, targets), expected)
    alone = [[-loss(o[j : j + 1], targets[j : j + 1]).mean() for j in range(M)]
             for o in outputs]  # fmt: skip
    close(
        score("neg_loss", loss, per_example=True)(outputs, targets),
        torch.tensor(alone).double(),
    )


def looks_at_numbers(outputs, targets):
    loss = functional.cross_entropy(outputs, targets)
    return loss if loss.item() > 0 else loss * 0


@pytest.mark.parametrize("per_example", [False, True])
def test_neg_loss_of_a_loss_that_vmap_cannot_handle(per_example):
    outputs, targets = CLASSES
    close(
        score("neg_loss", looks_at_numbers, per_example=per_example)(outputs, targets),
        score("neg_loss", functional.cross_entropy, per_example=per_example)(
            outputs, targets
        ),
    )


@pytest.mark.parametrize("shape", [(M,), (M, 1), (M, 2)])
def test_r2(shape):
    outputs, targets = random(K, *shape), random(*shape, seed=3)
    expected = each(lambda o, y: metrics.r2_score(y, o), outputs, targets)
    close(score("r2")(outputs, targets), expected)


def test_r2_when_only_the_targets_lack_a_dimension():
    outputs, targets = random(K, M, 1), random(M, seed=3)
    close(score("r2")(outputs, targets), score("r2")(outputs[..., 0], targets))


def test_r2_of_constant_targets_is_refused():
    with pytest.raises(InputError, match="test targets that differ"):
        score("r2")(VALUES[0], torch.ones(M, 2))


def test_f1_of_the_positive_class():
    outputs, targets = LOGITS
    expected = each(lambda o, y: metrics.f1_score(y, o.ravel() > 0), outputs, targets)
    close(score("f1")(outputs, targets), expected)
    two = torch.cat([-outputs, outputs], 2)
    close(score("f1")(two, targets.long()), expected)


@pytest.mark.parametrize("n_labels", [C, 2])  # (some classes only predicted)
def test_f1_of_several_classes_is_macro(n_labels):
    outputs, targets = CLASSES[0], labels(n_labels, M)
    outputs = torch.cat([outputs, outputs[..., :1] - 1], 2)  # a class never predicted
    expected = each(
        lambda o, y: metrics.f1_score(y, o.argmax(1), average="macro"),
        outputs,
        targets,
    )
    close(score("f1")(outputs, targets), expected)


def test_f1_without_any_positive_is_zero():
    outputs = torch.full((1, M, 1), -1.0)
    assert score("f1")(outputs, torch.zeros(M)).tolist() == [0.0]


@pytest.mark.parametrize(
    ("name", "loss", "data"),
    [
        ("accuracy", None, CLASSES),
        ("accuracy", None, LOGITS),
        ("log_likelihood", None, CLASSES),
        ("log_likelihood", None, LOGITS),
        ("neg_loss", functional.cross_entropy, CLASSES),
        ("neg_loss", functional.mse_loss, VALUES),
        ("r2", None, VALUES),
        ("accuracy", None, (random(K, M, C, 3, 2), labels(C, M, 3, 2))),
        ("log_likelihood", None, (random(K, M, C, 3, 2), labels(C, M, 3, 2))),
    ],
)
def test_scores_of_examples_average_to_the_whole(name, loss, data):
    outputs, targets = data
    by_example = score(name, loss, per_example=True)(outputs, targets)
    assert by_example.shape == (K, M)
    assert by_example.dtype == torch.float64
    close(by_example.mean(1), score(name, loss)(outputs, targets))
    alone = score(name, loss, per_example=True)(outputs[2:3], targets)
    close(alone, by_example[2:3])


def test_accuracy_by_example_is_zero_or_one():
    hits = score("accuracy", per_example=True)(*CLASSES)
    assert set(hits.unique().tolist()) == {0.0, 1.0}


def test_a_segmentation_is_scored_over_its_pixels():
    outputs, targets = random(K, M, C, 3, 2), labels(C, M, 3, 2)
    pixels = outputs.movedim(2, -1).reshape(K, -1, C)
    for name in ("accuracy", "log_likelihood", "f1"):
        close(score(name)(outputs, targets), score(name)(pixels, targets.flatten()))


@pytest.mark.parametrize("name", ["balanced_accuracy", "neg_log_loss", "roc_auc_ovr"])
def test_scorers_of_scikit_learn_for_classes(name):
    outputs, targets = CLASSES
    truth = {
        "balanced_accuracy": lambda o, y: metrics.balanced_accuracy_score(
            y, o.argmax(1)
        ),
        "neg_log_loss": lambda o, y: -metrics.log_loss(y, _softmax(o)),
        "roc_auc_ovr": lambda o, y: metrics.roc_auc_score(
            y, _softmax(o), multi_class="ovr"
        ),
    }[name]
    close(score(name)(outputs, targets), each(truth, outputs, targets))


def _softmax(logits):
    return torch.softmax(torch.tensor(logits), 1).numpy()


def test_scorers_of_scikit_learn_for_one_logit():
    outputs, targets = LOGITS
    expected = each(lambda o, y: metrics.roc_auc_score(y, o.ravel()), outputs, targets)
    close(score("roc_auc")(outputs, targets), expected)


def test_scorers_of_scikit_learn_for_values():
    outputs, targets = VALUES
    expected = each(lambda o, y: -metrics.mean_absolute_error(y, o), outputs, targets)
    close(score("neg_mean_absolute_error")(outputs, targets), expected)


@pytest.mark.parametrize("data", [CLASSES, LOGITS, VALUES])
def test_a_function_of_the_users(data):
    x = object()

    def scorer(estimator, inputs, y):
        assert inputs is x
        assert isinstance(y, np.ndarray)
        return estimator.score(inputs, y) + float(estimator.predict(inputs).ndim)

    outputs, targets = data
    name = "r2" if data is VALUES else "accuracy"
    expected = score(name)(outputs, targets) + (1 if data is CLASSES else 2)
    close(score(scorer, inputs=x)(outputs, targets), expected)


def test_a_function_may_not_ask_for_other_inputs():
    def scorer(estimator, x, y):
        return estimator.predict(x[:1])[0]

    with pytest.raises(InputError, match="only for predictions of the test inputs"):
        score(scorer, inputs=torch.ones(M))(*CLASSES)


@pytest.mark.parametrize("name", ["f1", "balanced_accuracy", max])
def test_scores_without_parts_by_example(name):
    with pytest.raises(InputError, match="has no score for each test example"):
        score(name, per_example=True)


@pytest.mark.parametrize("wrong", ["acuracy", 3, None])
def test_what_is_no_scorer(wrong):
    with pytest.raises(InputError, match="scorer must be"):
        score(wrong)


def test_a_score_is_taken_as_it_is_unless_it_contradicts():
    known = score("accuracy")
    assert score(known) is known
    with pytest.raises(InputError, match="per_example"):
        score(known, per_example=True)


@pytest.mark.parametrize(
    ("name", "loss", "outputs", "targets"),
    [
        ("accuracy", None, random(K, M, C), random(M)),  # neither classes nor values
        ("accuracy", None, random(K, M, 1), random(M)),  # values
        ("accuracy", nn.MSELoss(), *LOGITS),  # a regression on 0 and 1
        ("accuracy", partial(functional.mse_loss, reduction="sum"), *LOGITS),
        ("log_likelihood", None, *VALUES),
        ("f1", None, *VALUES),
        ("r2", None, *CLASSES),
        ("balanced_accuracy", None, random(K, M, C), random(M)),
    ],
)
def test_scores_that_have_no_meaning_are_refused(name, loss, outputs, targets):
    with pytest.raises(InputError, match=r"\(M, C, \*d\)|as many targets"):
        score(name, loss)(outputs, targets)


@pytest.mark.parametrize("bad", [-100, C])
def test_targets_beyond_the_classes_are_refused(bad):
    outputs, targets = CLASSES[0], CLASSES[1].clone()
    targets[3] = bad
    for name in ("accuracy", "log_likelihood", "f1"):
        with pytest.raises(InputError, match="classes 0 to 3"):
            score(name)(outputs, targets)


def constant(name, out_shape, train, test, loss=None, **options):
    return constant_predictor_score(
        score(name, loss, **options), torch.zeros(out_shape).double(), train, test
    )


def test_the_constant_classifier_is_scikit_learns():
    train, test = labels(3, 30), labels(3, M, seed=2)
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((30, 1)), train.numpy())
    x = np.zeros((M, 1))
    for name in ("accuracy", "neg_log_loss", "f1"):
        sklearn_name = "f1_macro" if name == "f1" else name
        expected = metrics.get_scorer(sklearn_name)(dummy, x, test.numpy())
        assert constant(name, 3, train, test) == pytest.approx(expected, abs=1e-12)
    expected = metrics.get_scorer("neg_log_loss")(dummy, x, test.numpy())
    assert constant("log_likelihood", 3, train, test) == pytest.approx(expected)
    assert constant(
        "neg_loss", 3, train, test, functional.cross_entropy
    ) == pytest.approx(expected)


def test_an_absent_class_counts_as_half_an_example():
    train, test = torch.tensor([0, 0, 0, 1]), torch.tensor([2])
    expected = np.log(0.5 / 4.5)
    assert constant("log_likelihood", 3, train, test) == pytest.approx(expected)
    by_loss = constant("neg_loss", 3, train, test, nn.NLLLoss())  # (takes them as such)
    assert by_loss == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(), (1,)])
def test_the_constant_logit_has_the_log_odds(shape):
    train, test = torch.tensor([1.0, 1, 1, 0]), torch.tensor([1.0, 0])
    expected = (np.log(0.75) + np.log(0.25)) / 2
    assert constant("log_likelihood", shape, train, test) == pytest.approx(expected)
    for loss, outputs in [
        (nn.BCEWithLogitsLoss(), shape),
        (nn.BCELoss(), shape),
        (lambda o, y: functional.binary_cross_entropy_with_logits(o, y), shape),
    ]:
        y_train, y_test = (y.double().reshape(-1, *shape) for y in (train, test))
        value = constant("neg_loss", outputs, y_train, y_test, loss)
        assert value == pytest.approx(expected)
    certain = constant("log_likelihood", shape, torch.ones(4), torch.zeros(1))
    assert certain == pytest.approx(np.log(0.5 / 4.5))


def test_the_constant_regressor_is_scikit_learns():
    train, test = random(30, 2), random(M, 2, seed=2)
    dummy = DummyRegressor().fit(np.zeros((30, 1)), train.numpy())
    for name, loss in [("r2", None), ("neg_loss", functional.mse_loss)]:
        sklearn_name = "r2" if name == "r2" else "neg_mean_squared_error"
        expected = metrics.get_scorer(sklearn_name)(
            dummy, np.zeros((M, 1)), test.numpy()
        )
        value = constant(name, 2, train, test, loss)
        assert value == pytest.approx(expected, abs=1e-12)


def test_a_loss_of_the_users_chooses_the_constant_that_suits_it():
    train, test = torch.tensor([1.0, 1, 1, 0]).double(), torch.tensor([1.0]).double()

    def squares(outputs, targets):
        return (outputs - targets) ** 2

    value = constant("neg_loss", (), train, test, squares)
    assert value == pytest.approx(-(0.25**2))


def test_constants_by_example():
    train, test = labels(3, 30), labels(3, M, seed=2)
    by_example = constant("log_likelihood", 3, train, test, per_example=True)
    assert by_example.shape == (M,)
    assert by_example.mean() == pytest.approx(
        float(constant("log_likelihood", 3, train, test))
    )


def test_the_constant_of_a_segmentation():
    train, test = labels(3, 30, 2, 2), labels(3, M, 2, 2, seed=2)
    value = constant("log_likelihood", (3, 2, 2), train, test)
    flat = constant("log_likelihood", 3, train.flatten(), test.flatten())
    assert value == pytest.approx(float(flat))


def test_without_a_constant_a_default_is_asked_for():
    def two_outputs(outputs, targets):
        return ((outputs[:, 0] - targets) / outputs[:, 1]) ** 2

    with pytest.raises(InputError, match="pass default="):
        constant("neg_loss", 2, random(30), random(M), two_outputs)
