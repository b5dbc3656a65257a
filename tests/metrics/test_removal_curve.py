"""Removal curves of games whose curves are known."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from tests.metrics.results import SortedResult
from torchattr.errors import InputError
from torchattr.games import AdditiveGame, Counted, FunctionGame
from torchattr.metrics import RemovalCurve, removal_curve
from torchattr.training import RetrainingGame, TorchLearner

WORTH = torch.tensor([4.0, -1.0, 3.0, 0.0, 2.0], dtype=torch.float64)
EACH = [0, 0.2, 0.4, 0.6, 0.8, 1]


@pytest.mark.parametrize(
    ("first", "scores"),
    [("lowest", [8, 9, 9, 7, 4, 0]), ("highest", [8, 4, 1, -1, -1, 0])],
)
@pytest.mark.parametrize("kind", ["tensor", "array", "list", "sorted result"])
def test_of_an_additive_game(kind, first, scores):
    values = {
        "tensor": WORTH,
        "array": WORTH.numpy(),
        "list": WORTH.tolist(),
        "sorted result": SortedResult(WORTH.numpy()).sorted(reverse=True),
    }[kind]
    curve = removal_curve(AdditiveGame(WORTH), values, first=first, fractions=EACH)
    assert curve.fractions.tolist() == pytest.approx(EACH)
    assert curve.scores.tolist() == pytest.approx(scores)
    trapezoids = (sum(scores) - (scores[0] + scores[-1]) / 2) / 5
    assert curve.area.item() == pytest.approx(trapezoids)


def test_all_retrainings_are_one_call():
    game = Counted(AdditiveGame(torch.ones(40)))
    curve = removal_curve(game, torch.arange(40))
    assert (game.n_evaluations, game.n_calls) == (20, 1)
    assert curve.fractions.tolist() == pytest.approx(np.arange(20) / 20)
    assert curve.scores.tolist() == list(range(40, 0, -2))


def test_fractions_are_those_of_whole_points():
    curve = removal_curve(AdditiveGame(torch.ones(3)), [1, 2, 3], fractions=[0.3, 0.5])
    assert curve.fractions.tolist() == pytest.approx([1 / 3, 2 / 3])
    assert curve.scores.tolist() == [2, 1]


def test_of_equal_values_the_earlier_goes_first():
    game = AdditiveGame(torch.tensor([1.0, 2.0, 4.0]))
    for first in ("lowest", "highest"):
        curve = removal_curve(game, torch.zeros(3), first=first, fractions=[0.34])
        assert curve.scores.tolist() == [6.0]


def test_each_output_has_a_curve():
    game = AdditiveGame(torch.stack([WORTH, -WORTH], dim=1))
    curve = removal_curve(game, WORTH, fractions=EACH)
    assert curve.scores.shape == (6, 2)
    assert curve.area.tolist() == pytest.approx([6.6, -6.6])


def test_whole_numbers_have_an_area():
    game = FunctionGame(lambda coalitions: coalitions.sum(1), 4)
    curve = removal_curve(game, torch.arange(4), fractions=[0, 1])
    assert curve.area.item() == 2


def two_points_and_a_liar():
    x = torch.tensor([[-1.0], [1.0], [1.0]])
    learner = TorchLearner(
        torch.nn.Linear(1, 2),
        torch.nn.CrossEntropyLoss(),
        partial(torch.optim.SGD, lr=1.0),
        epochs=20,
    )
    return learner, (x, torch.tensor([0, 1, 0])), (x[:2], torch.tensor([0, 1]))


def test_a_learner_is_retrained():
    learner, data, test = two_points_and_a_liar()
    arguments = {"fractions": [1 / 3, 2 / 3]}
    values = [0.5, 0.6, -0.1]
    curve = removal_curve(learner, values, data=data, test=test, **arguments)
    assert curve.scores[0] == 1  # without the liar all is well
    game = RetrainingGame(learner, data, test, "accuracy")
    assert torch.equal(curve.scores, removal_curve(game, values, **arguments).scores)
    scored = removal_curve(
        learner, values, data=data, test=test, scorer="log_likelihood", **arguments
    )
    assert (scored.scores < 0).all()


def test_refuses_what_does_not_belong_to_a_learner_or_a_game():
    learner, data, test = two_points_and_a_liar()
    with pytest.raises(InputError, match=r"pass data=\(x, y\) and test=\(x, y\)"):
        removal_curve(learner, [1, 2, 3], data=data)
    with pytest.raises(InputError, match="Leave them out"):
        removal_curve(AdditiveGame(WORTH), WORTH, test=test)
    with pytest.raises(InputError, match=r"must be a Game.*got Linear"):
        removal_curve(learner.model, [1, 2, 3], data=data, test=test)


def test_unpacks():
    fractions, scores = RemovalCurve(torch.zeros(1), torch.ones(1))
    assert (fractions.item(), scores.item()) == (0, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"first": "random"}, 'first must be "lowest" or "highest"'),
        ({"values": torch.ones(4)}, r"one for each of the 5 players.*\(4,\)"),
        ({"values": torch.ones(5, 5)}, r"one for each of the 5 players"),
        ({"values": [0, 1, 2, 3, torch.nan]}, "1 NaN"),
        (
            {"values": SortedResult(WORTH.numpy(), range(1, 6))},
            "data indices are 0 to 4",
        ),
        ({"fractions": [0.5, 1.5]}, "from 0 to 1.*from 0.5 to 1.5"),
        ({"fractions": [0.5, 0.1]}, "must not decrease"),
        ({"fractions": torch.zeros(2, 2)}, r"shape \(2, 2\)"),
    ],
)
def test_refuses(change, message):
    arguments = {"values": WORTH, **change}
    with pytest.raises(InputError, match=message):
        removal_curve(AdditiveGame(WORTH), **arguments)
