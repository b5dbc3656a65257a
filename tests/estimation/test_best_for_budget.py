"""The best estimator for a budget: never more evaluations, exact where affordable."""

from __future__ import annotations

import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.estimation.best_for_budget import best_for_budget
from torchattr.games.additive_game import AdditiveGame
from torchattr.games.counted import Counted
from torchattr.games.synthetic import RandomGame

module = sys.modules[best_for_budget.__module__]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@given(n=st.integers(1, 12), budget=st.integers(2, 150), seed=st.integers(0, 99))
def test_the_budget_is_kept_and_the_total_is_shared(n, budget, seed):
    game = RandomGame(n, n_outputs=2, generator=seeded(seed))
    counted = Counted(game)
    estimate = best_for_budget(counted, budget, generator=seeded(seed))
    assert counted.n_evaluations == estimate.n_evaluations <= budget
    assert estimate.n_evaluations >= min(budget - 1, 2**n)
    total = game.shapley_values().sum(0)
    assert torch.allclose(estimate.values.sum(0), total, rtol=0, atol=1e-10)


@pytest.mark.parametrize("budget", [64, 65, 1000])
def test_affordable_games_are_exact(budget):
    game = RandomGame(6, generator=seeded())
    estimate = best_for_budget(game, budget)
    assert torch.allclose(estimate.values, game.shapley_values(), rtol=0, atol=1e-12)
    assert bool((estimate.standard_errors == 0).all())


@pytest.mark.parametrize("budget", [2, 3])
def test_the_ends_alone_are_split_equally(budget):
    estimate = best_for_budget(AdditiveGame(torch.tensor([0.0, 1.0, 5.0])), budget)
    assert estimate.values.tolist() == [2, 2, 2]
    assert bool(estimate.standard_errors.isnan().all())


def test_one_evaluation_is_too_few():
    with pytest.raises(InputError, match="budget"):
        best_for_budget(AdditiveGame(torch.ones(3)), 1)


def test_a_generator_decides_and_the_global_one_is_left_alone():
    game = RandomGame(12, generator=seeded())
    state = torch.get_rng_state()
    first = best_for_budget(game, 60, generator=seeded(3))
    again = best_for_budget(game, 60, generator=seeded(3))
    other = best_for_budget(game, 60, generator=seeded(4))
    assert torch.equal(first.values, again.values)
    assert not torch.equal(first.values, other.values)
    assert torch.equal(state, torch.get_rng_state())


def test_a_large_budget_goes_on_from_the_gaussian_process(monkeypatch):
    monkeypatch.setattr(module, "_MOST_CORRELATED_PAIRS", 200)
    game = RandomGame(14, generator=seeded())
    before = best_for_budget(game, 402, generator=seeded())
    beyond = best_for_budget(game, 1602, generator=seeded())
    truth = game.shapley_values()
    assert (beyond.values - truth).norm() < (before.values - truth).norm()
    total = truth.sum(0)
    assert torch.allclose(beyond.values.sum(0), total, rtol=0, atol=1e-10)
