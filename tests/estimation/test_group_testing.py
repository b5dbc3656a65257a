"""Group testing: its numbers, its law of groups, and unbiased values."""

from __future__ import annotations

import sys

import pytest
import torch

from torchattr.errors import InputError
from torchattr.estimation.group_testing import (
    compute_n_samples,
    group_size_probabilities,
    group_testing,
)
from torchattr.games import AdditiveGame, Cached, Counted, FunctionGame
from torchattr.games.synthetic import MinerGame, ShoesGame


def test_sizes_of_groups():
    torch.testing.assert_close(
        group_size_probabilities(4), torch.tensor([4, 3, 4]).double() / 11
    )
    assert float(group_size_probabilities(100).sum()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((0.1, 0.1, 4), 112813),
        ((0.1, 0.05, 4), 129147),
        ((0.01, 0.1, 4), 11239327),
        ((0.5, 0.1, 100), 765470),
        ((0.1, 0.1, 2), 19285),
        ((0.1, 1e-9, 4), 546882),
    ],
)
def test_how_many_groups(arguments, expected):
    assert compute_n_samples(*arguments) == expected


def test_how_many_groups_for_small_errors_does_not_cancel():
    ratio = compute_n_samples(1e-6, 0.1, 10) / compute_n_samples(1e-5, 0.1, 10)
    assert ratio == pytest.approx(100, rel=1e-4)
    steps = [compute_n_samples(e, 0.1, 4) for e in (0.0079999, 0.0080001)]
    assert steps[0] / steps[1] == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("wrong", [(0, 0.1, 4), (0.1, 1, 4), (0.1, 0.1, 1)])
def test_impossible_demands_are_refused(wrong):
    with pytest.raises(InputError, match="epsilon"):
        compute_n_samples(*wrong)


def test_groups_have_the_sizes_they_should():
    counted = []
    game = FunctionGame(lambda c: counted.append(c) or c.sum(1).double(), 5)
    group_testing(game, 20_000, entropy=2)
    sizes = torch.cat(counted[1:]).sum(1)
    shares = sizes.bincount(minlength=6)[1:5] / len(sizes)
    expected = group_size_probabilities(5)
    z = (shares - expected) / (expected * (1 - expected) / len(sizes)).sqrt()
    assert float(z.abs().max()) < 5


@pytest.mark.parametrize("game", [ShoesGame(2, 4), MinerGame(5)])
def test_values_are_unbiased_with_calibrated_errors(game):
    estimate = group_testing(Cached(game), 20_000, entropy=5)
    z = (estimate.values - game.shapley_values()) / estimate.standard_errors
    assert float(z.abs().max()) < 5
    runs = [group_testing(Cached(game), 200, entropy=seed) for seed in range(150)]
    spread = torch.stack([run.values for run in runs]).std(0)
    reported = torch.stack([run.standard_errors for run in runs]).square().mean(0)
    ratio = reported.sqrt() / spread
    assert float(ratio.min()) > 0.85
    assert float(ratio.max()) < 1.2


def test_values_add_up_whatever_nothing_is_worth():
    game = FunctionGame(lambda c: 7.0 + (c.double() @ torch.arange(4.0).double()), 4)
    estimate = group_testing(game, 10, entropy=0)
    assert float(estimate.values.sum()) == pytest.approx(6, abs=1e-12)


def test_two_players_are_told_apart_exactly():
    estimate = group_testing(AdditiveGame(torch.tensor([1.0, 3.0])), 5, entropy=0)
    torch.testing.assert_close(estimate.values, torch.tensor([1.0, 3.0]).double())
    assert group_testing(AdditiveGame(torch.ones(1)), 5, 0).values.tolist() == [1]


def test_group_t_depends_on_the_seed_and_t_only(monkeypatch):
    game = ShoesGame(2, 3)
    together = group_testing(game, 100, entropy=9)
    module = sys.modules[group_testing.__module__]
    monkeypatch.setattr(module, "_BLOCK_BYTES", 8 * 5 * 7)
    parts = group_testing(game, 100, entropy=9)
    torch.testing.assert_close(parts.values, together.values)
    torch.testing.assert_close(parts.standard_errors, together.standard_errors)
    other = group_testing(game, 100, entropy=10)
    assert not torch.allclose(other.values, together.values)


def test_what_it_costs():
    game = Counted(ShoesGame(2, 3))
    assert group_testing(game, 100, entropy=9).n_evaluations == 102
    assert game.n_evaluations == 102
