"""How many helpers a prediction rests on, where the count is known."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from tests.metrics.learners import classifier
from torchattr.errors import InputError
from torchattr.metrics import brittleness
from torchattr.training import TorchLearner


class Majority(TorchLearner):
    """A learner of a constant: the majority among its examples wins."""

    n_calls = 0

    def fit_many(self, data, coalitions):
        assert torch.is_grad_enabled()
        self.n_calls += 1
        return super().fit_many(data, coalitions)


def majority(outputs=2, loss=None):
    return Majority(
        lambda: nn.Linear(1, outputs).double(),
        loss or nn.CrossEntropyLoss(),
        partial(torch.optim.SGD, lr=1.0),
        epochs=10,
    )


# Seven of one class and four of the other: without four of the seven it turns. (Without
# three there is a tie, of which nothing is asked.)
X = torch.ones(11, 1, dtype=torch.float64)
Y = torch.tensor([1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0])
HELPERS = torch.arange(11.0).flip(0)


@pytest.mark.parametrize(
    ("learner", "targets"),
    [
        (majority(), Y),
        (majority(1, nn.BCEWithLogitsLoss()), Y[:, None].double()),
    ],
    ids=["classes", "log-odds"],
)
def test_counts_the_helpers_that_hold_the_majority(learner, targets):
    attributions = torch.stack([HELPERS, -HELPERS])
    test = X[:2], targets[:2]
    found = brittleness(
        learner, attributions, data=(X, targets), test=test, counts=[1, 2, 4, 6]
    )
    # Without the strongest four the others are 4 to 3; the weakest are those others.
    assert found.tolist() == [4, torch.inf]
    assert found.dtype == torch.float64
    coarse = brittleness(
        learner, attributions, data=(X, targets), test=test, counts=[2, 5]
    )
    assert coarse.tolist() == [5, torch.inf]


def test_all_retrainings_are_one_call():
    learner = majority()
    with torch.no_grad():
        brittleness(learner, HELPERS.expand(3, -1), data=(X, Y), test=(X[:3], Y[:3]))
    assert learner.n_calls == 2  # the model of all examples, and all others


def test_what_flips_is_the_prediction_right_or_wrong():
    wrong = torch.zeros(1, dtype=torch.long)
    found = brittleness(
        majority(), HELPERS[None], data=(X, Y), test=(X[:1], wrong), counts=[1, 4, 8]
    )
    assert found.tolist() == [4]


def test_each_example_is_asked_of_the_models_without_its_own_helpers():
    learner, data, test = classifier(n_train=8, n_test=3)
    attributions = torch.randn(3, 8, generator=torch.Generator().manual_seed(2))
    counts = [1, 4, 6]
    found = brittleness(learner, attributions, data=data, test=test, counts=counts)
    before = learner.fit(data)(test[0]).argmax(1)
    for j in range(3):
        order = attributions[j].argsort(descending=True)
        flips = []
        for count in counts:
            kept = torch.ones(8, dtype=torch.bool)
            kept[order[:count]] = False
            flips.append(learner.fit(data, kept)(test[0])[j].argmax() != before[j])
        expected = next((c for c, f in zip(counts, flips, strict=True) if f), torch.inf)
        assert found[j] == expected
    assert len(set(found.tolist())) > 1


def test_the_default_grid_doubles_up_to_half():
    learner = majority()
    arguments = {"data": (X, Y), "test": (X[:1], Y[:1])}
    assert brittleness(learner, HELPERS[None], **arguments).tolist() == [4]
    five = {"data": (X[:5], Y[6:]), "test": (X[:1], Y[:1])}  # 1, 0, 0, 0, 0
    found = brittleness(learner, -torch.arange(5.0)[None], **five)
    assert found.isinf().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attributions": HELPERS}, r"here \(1, 11\); got shape \(11,\)"),
        ({"attributions": HELPERS.expand(2, -1)}, r"\(1, 11\); got shape \(2, 11\)"),
        ({"attributions": torch.full((1, 11), torch.nan)}, "must be finite"),
        ({"counts": []}, "ascending whole numbers from 1 to 10"),
        ({"counts": [2, 1]}, r"ascending.*got \[2, 1\]"),
        ({"counts": [1, 11]}, "from 1 to 10"),
        ({"counts": [0, 1]}, "at least 1"),
        ({"counts": [0.5]}, "must be an integer"),
        ({"learner": nn.Linear(1, 2)}, "such as TorchLearner.*got Linear"),
        ({"test": None}, r"pass data=\(x, y\)"),
        (
            {
                "learner": majority(1, nn.MSELoss()),
                "data": (X, X),
                "test": (X[:1], X[:1]),
            },
            "needs a classifier",
        ),
    ],
)
def test_refuses(change, message):
    arguments = {
        "learner": majority(),
        "attributions": HELPERS[None],
        "data": (X, Y),
        "test": (X[:1], Y[:1]),
        **change,
    }
    learner, attributions = arguments.pop("learner"), arguments.pop("attributions")
    with pytest.raises(InputError, match=message):
        brittleness(learner, attributions, **arguments)
