"""The least core of utilities and games, from every source of coalitions."""

from __future__ import annotations

import numpy as np
import pytest

from torchattr.errors import InputError
from torchattr.games import AdditiveGame, Counted, FunctionGame
from torchattr.games.synthetic import MinerGame, ShoesGame
from torchattr.valuation.dataset import Dataset, GroupedDataset
from torchattr.valuation.methods.least_core_valuation import (
    ExactLeastCoreValuation,
    LeastCoreValuation,
    MonteCarloLeastCoreValuation,
)
from torchattr.valuation.result import Status
from torchattr.valuation.samplers import (
    DeterministicUniformSampler,
    FiniteNoIndexIteration,
    NoIndexIteration,
    UniformSampler,
)
from torchattr.valuation.utility import UtilityBase

GAMES = [MinerGame(3), MinerGame(4), ShoesGame(1, 1), ShoesGame(2, 1), ShoesGame(1, 2)]


class Carried(UtilityBase):
    """The miners' game, as a utility of a data set."""

    def __call__(self, sample):
        return 0.0 if sample is None else float(len(sample.subset) // 2)


def methods(game):
    return {
        "exact": ExactLeastCoreValuation(game),
        "random": MonteCarloLeastCoreValuation(game, 200, seed=1),
        "all": LeastCoreValuation(
            game, DeterministicUniformSampler(index_iteration=FiniteNoIndexIteration)
        ),
        "sampled": LeastCoreValuation(
            game, UniformSampler(index_iteration=NoIndexIteration, seed=2), 200
        ),
    }


@pytest.mark.parametrize(
    "game", GAMES, ids=lambda g: f"{type(g).__name__}{g.n_players}"
)
@pytest.mark.parametrize("method", ["exact", "random", "all", "sampled"])
def test_closed_forms(game, method):
    result = methods(game)[method].fit().result
    values, subsidy = game.least_core_values()
    np.testing.assert_allclose(result.values, values.numpy(), atol=1e-9)
    assert result.subsidy == pytest.approx(subsidy, abs=1e-9)
    assert result.status is Status.Converged
    assert (result.stderr == 0).all() == (method in {"exact", "all"})


def test_a_utility_of_a_data_set():
    data = Dataset(np.eye(5), np.arange(5), data_names=list("abcde"))
    result = ExactLeastCoreValuation(Carried()).fit(data).result
    np.testing.assert_allclose(result.values, 0.4)
    assert result.names.tolist() == list("abcde")
    assert result.subsidy == pytest.approx(0.4)
    assert result.n_evaluations == 32


def test_groups_with_gaps():
    data = Dataset(np.eye(6), np.arange(6))
    grouped = GroupedDataset.from_dataset(data, [5, 5, 3, 3, 9, 9])
    result = ExactLeastCoreValuation(Carried()).fit(grouped).result
    assert result.indices.tolist() == grouped.indices.tolist()
    np.testing.assert_allclose(result.values, 1 / 3)


def test_every_coalition_is_evaluated_once():
    game = Counted(MinerGame(4))
    result = MonteCarloLeastCoreValuation(game, 500, seed=0).fit().result
    assert game.n_evaluations == result.n_evaluations == 16


def test_the_default_number_of_samples():
    drawn = []
    game = FunctionGame(lambda c: drawn.append(len(c)) or c.sum(1) * 1.0, n_players=30)
    sampler = UniformSampler(index_iteration=NoIndexIteration, seed=0)
    LeastCoreValuation(game, sampler).fit()
    assert 29_900 < sum(drawn) <= 30_001


def test_the_same_seed_finds_the_same():
    def values(seed, n_samples=300):
        game = FunctionGame(lambda c: c.double().sum(1).sqrt() + c[:, 0] * 1.0, 8)
        method = MonteCarloLeastCoreValuation(game, n_samples, seed=seed)
        first, second = method.fit().result, method.fit().result
        assert first == second
        return first.values

    np.testing.assert_array_equal(values(1), values(1))
    assert not np.array_equal(values(1, 40), values(2, 40))


def test_samplers_of_single_indices_are_refused():
    with pytest.raises(InputError, match="NoIndexIteration"):
        LeastCoreValuation(MinerGame(3), UniformSampler(seed=0)).fit()


def test_too_few_samples():
    game = AdditiveGame([1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="Sample more"):
        MonteCarloLeastCoreValuation(game, 1, seed=3).fit()


def test_too_many_points_for_all_coalitions():
    with pytest.raises(InputError, match=r"2\*\*21"):
        ExactLeastCoreValuation(MinerGame(21)).fit()


def test_values_must_be_numbers():
    game = FunctionGame(lambda c: c.double(), 3)
    with pytest.raises(InputError, match="numbers"):
        ExactLeastCoreValuation(game).fit()


def test_options_of_the_solver():
    with pytest.raises(InputError, match="maxiter"):
        ExactLeastCoreValuation(
            FunctionGame(lambda c: (c.double().sum(1) * 7).sin(), 8),
            solver_options={"max_iters": 1},
        ).fit()
    with pytest.warns(UserWarning, match=r"solver.*HiGHS"):
        ExactLeastCoreValuation(MinerGame(3), solver_options={"solver": "SCS"})


def test_a_subsidy_that_is_not_negative():
    result = ExactLeastCoreValuation(ShoesGame(1, 1), non_negative_subsidy=True).fit()
    assert result.result.subsidy == 0
