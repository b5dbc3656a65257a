"""Leave-one-out values of training examples."""

from __future__ import annotations

import pytest
import torch

from tests.valuation.toy_learner import DATA, SCALES, N, toy, trained
from torchattr.estimation.exact import exact
from torchattr.games.grouped import Grouped
from torchattr.games.semivalues import leave_one_out
from torchattr.valuation.data_loo import DataLOO

MEAN = SCALES.mean()


@pytest.mark.parametrize("per_example", [False, True])
@pytest.mark.parametrize("per_eval", [1, 4, None])
def test_values_are_exact(per_example, per_eval):
    method, game, learner = toy(DataLOO, per_example=per_example)
    values, errors = method.attribute(
        DATA, perturbations_per_eval=per_eval, return_standard_error=True
    )
    truth = exact(game, leave_one_out).values
    expected = SCALES[:, None] * truth if per_example else MEAN * truth
    torch.testing.assert_close(values, expected, atol=1e-10, rtol=0)
    assert errors.shape == values.shape
    assert not errors.any()
    assert learner.n_trained == N + 1


def test_members_carry_the_value_of_their_group():
    method, game, learner = toy(DataLOO)
    owners = torch.tensor([1, 1, 0, 2, 0, 1])
    values = method.attribute(DATA, feature_mask=owners)
    truth = exact(Grouped(game, owners), leave_one_out).values[owners]
    torch.testing.assert_close(values, MEAN * truth, atol=1e-10, rtol=0)
    assert learner.n_trained == 4


def test_it_is_what_training_without_an_example_costs():
    learner, (x, y), (x_test, y_test) = trained()
    values = DataLOO(learner, test=(x_test, y_test), scorer="neg_loss").attribute((
        x,
        y,
    ))

    def score(stay):
        model = learner.fit((x, y), stay)
        return -torch.nn.functional.cross_entropy(model(x_test), y_test).item()

    everyone = torch.ones(len(x), dtype=torch.bool)
    for player in (0, 5):
        without = everyone.clone()
        without[player] = False
        expected = score(everyone) - score(without)
        assert values[player].item() == pytest.approx(expected, abs=1e-7)


def test_the_bar_and_the_log(tmp_path, capsys):
    path = tmp_path / "values.log"
    for n_trained in (N + 1, 0):
        method, _, learner = toy(DataLOO)
        method.attribute(DATA, log=path, show_progress=True)
        assert learner.n_trained == n_trained
        assert "7/7" in capsys.readouterr().err
