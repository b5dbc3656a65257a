"""The least core as linear and quadratic programs, against closed forms and laws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.estimation.least_core import least_core
from torchattr.games.synthetic import MinerGame, ShoesGame
from torchattr.sampling.coalitions_by_size import coalitions_of_sizes

GAMES = [
    *(MinerGame(n) for n in (3, 4, 5, 8, 9)),
    *(ShoesGame(*s) for s in ((1, 1), (2, 1), (1, 2), (2, 2), (2, 4), (4, 3))),
]


def everything(n):
    return coalitions_of_sizes(n, range(n + 1))


@pytest.mark.parametrize(
    "game", GAMES, ids=lambda g: f"{type(g).__name__}{g.n_players}"
)
def test_closed_forms(game):
    coalitions = everything(game.n_players)
    values, subsidy = least_core(coalitions, game(coalitions), float(game(
        game.ends())[1]))  # fmt: skip
    expected, least = game.least_core_values()
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-9)
    assert subsidy == pytest.approx(least, abs=1e-9)


def random_game(n, seed, *, scale=1.0):
    values = torch.rand(2**n, generator=torch.Generator().manual_seed(seed))
    return everything(n), scale * values.double()


@given(n=st.integers(2, 7), seed=st.integers(0, 1000))
def test_values_are_optimal(n, seed):
    """By the conditions of Karush, Kuhn and Tucker, found by a second solver."""
    from scipy.optimize import linprog, nnls

    coalitions, worth = random_game(n, seed)
    total = float(worth[-1])
    values, subsidy = least_core(coalitions, worth, total)
    members, asked = coalitions[1:-1].double().numpy(), worth[1:-1].numpy()
    shares = values.numpy()
    assert shares.sum() == pytest.approx(total, abs=1e-9)
    assert (members @ shares + subsidy >= asked - 1e-8).all()
    # The dual: coalitions weighted such that every player is covered alike.
    dual = linprog(
        total * members[:, 0] - asked,
        A_eq=np.vstack([np.diff(members.T, axis=0), np.ones(len(asked))]),
        b_eq=np.append(np.zeros(n - 1), 1),
    )
    assert subsidy == pytest.approx(-dual.fun, abs=1e-7)
    # The least norm: the values are a sum of what binds, and a constant.
    binds = members[members @ shares + subsidy <= asked + 1e-7].T
    ones = np.ones((n, 1))
    _, gap = nnls(np.hstack([binds, ones, -ones]), shares)
    assert gap < 1e-6


def test_scale_does_not_matter():
    coalitions, worth = random_game(5, 1)
    values, subsidy = least_core(coalitions, worth, float(worth[-1]))
    for scale in (1e-6, 1e6):
        scaled = least_core(coalitions, scale * worth, scale * float(worth[-1]))
        torch.testing.assert_close(scaled[0] / scale, values)
        assert scaled[1] / scale == pytest.approx(subsidy)


def test_few_constraints_of_many_are_enough():
    generator = torch.Generator().manual_seed(0)
    n = 40
    coalitions = torch.rand(20_000, n, generator=generator) < 0.5
    weights = torch.rand(n, generator=generator).double()
    worth = (coalitions.double() @ weights / weights.sum()).sqrt()
    worth += 0.02 * torch.rand(len(worth), generator=generator)
    values, subsidy = least_core(coalitions, worth, 1.0)
    short = worth - coalitions.double() @ values - subsidy
    assert float(short.max()) < 1e-8
    assert float(values.sum()) == pytest.approx(1)
    fewer = least_core(coalitions[:10_000], worth[:10_000], 1.0)[1]
    assert fewer <= subsidy + 1e-9


def test_subsidies_can_be_kept_from_being_negative():
    coalitions = everything(2)
    worth = ShoesGame(1, 1)(coalitions)
    values, subsidy = least_core(coalitions, worth, 1.0, non_negative_subsidy=True)
    assert subsidy == 0
    torch.testing.assert_close(values, torch.full((2,), 0.5).double())


def test_one_player_takes_all():
    values, subsidy = least_core(everything(1), torch.tensor([0.0, 3.0]), 3.0)
    assert (values.tolist(), subsidy) == ([3.0], 0.0)


def test_nothing_is_worth_anything():
    coalitions = everything(3)
    values, subsidy = least_core(coalitions, torch.zeros(8), 0.0)
    assert (values.tolist(), subsidy) == ([0.0] * 3, 0.0)


def test_too_few_coalitions_are_refused():
    coalitions = torch.tensor([[True, False, False], [True, True, False]])
    with pytest.raises(InputError, match="Sample more coalitions"):
        least_core(coalitions, torch.tensor([0.5, 0.7]), 1.0)
    values, subsidy = least_core(
        coalitions, torch.tensor([0.5, 0.7]), 1.0, non_negative_subsidy=True
    )
    assert subsidy == 0
    assert float(values[0]) >= 0.5 - 1e-9


def test_a_solver_that_is_stopped_says_so():
    coalitions, worth = random_game(8, 0)
    with pytest.raises(InputError, match="maxiter"):
        least_core(coalitions, worth, float(worth[-1]), options={"maxiter": 1})
