"""Group testing as a method of valuation."""

from __future__ import annotations

import numpy as np
import pytest

from torchattr.errors import InputError
from torchattr.games import Counted, FunctionGame
from torchattr.games.synthetic import ShoesGame
from torchattr.valuation.dataset import Dataset
from torchattr.valuation.methods.group_testing import GroupTestingShapleyValuation
from torchattr.valuation.utility import UtilityBase


class Length(UtilityBase):
    """Worth 2 for each point, and 1 for nothing."""

    def __call__(self, sample):
        return 1.0 if sample is None else 1.0 + 2 * len(sample.subset)


def test_values_of_a_game():
    game = ShoesGame(2, 3)
    result = GroupTestingShapleyValuation(game, 20_000, 0.1, seed=3).fit().result
    z = (result.values - game.shapley_values().numpy()) / result.stderr
    assert np.abs(z).max() < 5
    assert result.values.sum() == pytest.approx(2, abs=1e-12)
    np.testing.assert_allclose(np.sqrt(result.variances / result.counts), result.stderr)


def test_values_of_a_data_set():
    data = Dataset(np.eye(4), np.arange(4), data_names=list("abcd"))
    result = GroupTestingShapleyValuation(Length(), 50, 0.1, seed=0).fit(data).result
    assert result.names.tolist() == list("abcd")
    assert result.values.sum() == pytest.approx(8, abs=1e-12)


def test_the_same_group_costs_nothing_again():
    game = Counted(ShoesGame(1, 2))
    result = GroupTestingShapleyValuation(game, 5000, 0.1, seed=0).fit().result
    assert game.n_evaluations == result.n_evaluations == 8


def test_epsilon_and_batches_change_nothing():
    def values(**options):
        game = FunctionGame(lambda c: c.double().sum(1).sqrt(), 6)
        arguments = {"n_samples": 40, "epsilon": 0.1, "seed": 4} | options
        return GroupTestingShapleyValuation(game, **arguments).fit().result

    assert values() == values(epsilon=3.0) == values(batch_size=7)
    assert values() != values(seed=5)


@pytest.mark.parametrize("wrong", [{"epsilon": 0}, {"n_samples": 0}])
def test_impossible_demands_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        GroupTestingShapleyValuation(
            ShoesGame(1, 1), **{"epsilon": 0.1, "n_samples": 5} | wrong
        )
