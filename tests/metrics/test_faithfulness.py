"""Faithfulness of games whose additive part is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.metrics.learners import classifier
from tests.metrics.results import SortedResult
from torchattr.errors import InputError
from torchattr.games import AblationGame, AdditiveGame, Counted, FunctionGame
from torchattr.metrics import faithfulness, linear_datamodeling_score
from torchattr.training import RetrainingGame

WORTH = torch.tensor([4.0, -1.0, 3.0, 0.0, 2.0], dtype=torch.float64)


def squares(n=5):
    return FunctionGame(lambda coalitions: coalitions.double().sum(1) ** 2, n)


@pytest.mark.parametrize("correlation", ["pearson", "spearman"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_what_is_additive_is_described_exactly(shape, correlation):
    generator = torch.Generator().manual_seed(0)
    worth = torch.randn(5, *shape, generator=generator).double()
    game = AdditiveGame(worth, offset=7.0)
    found = faithfulness(game, 3 * worth.movedim(0, -1), correlation=correlation)
    torch.testing.assert_close(found, torch.ones(shape).double(), atol=1e-12, rtol=0)


def test_is_the_correlation_on_the_coalitions_that_are_drawn():
    asked = []

    def value(coalitions):
        asked.append(coalitions)
        return coalitions.double().prod(1) + coalitions.double() @ WORTH

    found = faithfulness(
        FunctionGame(value, 5),
        WORTH,
        n_coalitions=40,
        generator=torch.Generator().manual_seed(3),
    )
    (coalitions,) = asked
    assert coalitions.shape == (40, 5)
    stay = coalitions.numpy()
    expected = np.corrcoef(stay.prod(1) + stay @ WORTH.numpy(), stay @ WORTH.numpy())
    assert found.item() == pytest.approx(expected[0, 1], abs=1e-12)


def test_each_value_is_read_from_its_own_row():
    game = AdditiveGame(torch.stack([WORTH, WORTH.flip(0)], dim=1))
    found = faithfulness(game, torch.stack([WORTH, WORTH]))
    assert found[0] == pytest.approx(1)
    assert found[1] < 0.9


def test_one_of_many_coalitions_in_one_call_and_the_same_each_time():
    game = Counted(squares())
    found = faithfulness(game, WORTH, n_coalitions=50)
    assert (game.n_calls, game.n_evaluations) == (1, 50)
    assert faithfulness(game, WORTH, n_coalitions=50) == found
    other = torch.Generator().manual_seed(0)
    assert faithfulness(game, WORTH, n_coalitions=50, generator=other) != found


def test_does_not_touch_the_global_stream():
    before = torch.get_rng_state()
    faithfulness(squares(), WORTH)
    assert torch.equal(before, torch.get_rng_state())


def test_share_is_how_many_stay():
    sizes = []

    def size(coalitions):
        sizes.append(coalitions.double().mean())
        return coalitions.sum(1)

    faithfulness(FunctionGame(size, 100), torch.ones(100), share=0.95)
    assert sizes[0] == pytest.approx(0.95, abs=0.01)


def test_values_of_pixels_may_keep_their_shape():
    x = torch.randn(2, 1, 2, 3, generator=torch.Generator().manual_seed(0)).double()
    weight = torch.arange(6.0).double().reshape(1, 2, 3)
    game = AblationGame(lambda z: (z * weight).sum((1, 2, 3)), x)
    assert faithfulness(game, x * weight).tolist() == pytest.approx([1, 1])


def test_a_sorted_result_keeps_its_points():
    game = AdditiveGame(WORTH)
    result = SortedResult(WORTH.numpy()).sorted()
    assert faithfulness(game, result).item() == pytest.approx(1)


def test_a_constant_says_nothing():
    assert faithfulness(AdditiveGame(WORTH), torch.zeros(5)).isnan()
    assert faithfulness(AdditiveGame(0 * WORTH), WORTH).isnan()


def test_of_data_is_the_linear_datamodeling_score():
    learner, data, test = classifier()
    coalitions = []

    def retrained(asked):
        coalitions.append(asked)
        return game(asked)

    game = RetrainingGame(learner, data, test, "neg_loss", per_example=True)
    attributions = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
    options = {"n_coalitions": 20, "correlation": "spearman"}
    found = faithfulness(FunctionGame(retrained, 8), attributions, **options)
    kept = coalitions[0]
    lds = linear_datamodeling_score(attributions, kept, game(kept))
    assert torch.equal(found, lds)
    again = faithfulness(learner, attributions, data=data, test=test, **options)
    assert torch.equal(again, found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attribution": torch.zeros(4)}, "one for each of the 5 players"),
        ({"attribution": torch.zeros(2, 5)}, r"each of the 5 players.*\(2, 5\)"),
        ({"attribution": [0, 1, 2, 3, torch.inf]}, "must be finite"),
        ({"n_coalitions": 0}, "n_coalitions must be at least 1"),
        ({"share": 1}, "share must be between 0 and 1"),
        ({"correlation": "kendall"}, '"pearson" or "spearman"; got .kendall'),
        ({"data": 3}, "Leave them out"),
        ({"game": 3}, "must be a Game"),
    ],
)
def test_refuses(change, message):
    arguments = {"game": AdditiveGame(WORTH), "attribution": WORTH, **change}
    with pytest.raises(InputError, match=message):
        faithfulness(arguments.pop("game"), arguments.pop("attribution"), **arguments)


def test_refuses_values_with_the_players_first():
    game = AdditiveGame(torch.stack([WORTH, WORTH], dim=1))
    with pytest.raises(InputError, match=r"\(2, 5\); got shape \(5, 2\)"):
        faithfulness(game, game.values)
