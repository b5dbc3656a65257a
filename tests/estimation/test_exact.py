"""Exact values: closed forms, laws, and one evaluation of each coalition."""

from __future__ import annotations

import sys
from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.estimation.exact import evaluate_all, exact
from torchattr.games.additive_game import AdditiveGame
from torchattr.games.counted import Counted
from torchattr.games.function_game import FunctionGame
from torchattr.games.semivalues import (
    banzhaf,
    beta_shapley,
    leave_one_out,
    shapley,
    weighted_banzhaf,
)
from torchattr.games.synthetic import (
    AirportGame,
    AsymmetricVotingGame,
    MinerGame,
    MinimumSpanningTreeGame,
    RandomGame,
    ShoesGame,
    SymmetricVotingGame,
)

exact_module = sys.modules[
    exact.__module__
]  # its name is the function's in the package


SEMIVALUES = {
    "shapley": shapley,
    "banzhaf": banzhaf,
    "weighted banzhaf": weighted_banzhaf(0.2),
    "beta": beta_shapley(4, 1),
    "leave one out": leave_one_out,
}
SEMIVALUE = pytest.mark.parametrize("semivalue", SEMIVALUES.values(), ids=SEMIVALUES)
SIZES = st.integers(1, 7)
SEEDS = st.integers(0, 10_000)


def random_game(n, seed, **options):
    generator = torch.Generator().manual_seed(seed)
    return RandomGame(n, 12, generator=generator, **options)


def close(actual, expected):
    torch.testing.assert_close(actual, expected, atol=1e-10, rtol=0)


def small_blocks(monkeypatch, n_low):
    monkeypatch.setattr(exact_module, "_MOST_LOW_PLAYERS", n_low)


@pytest.mark.parametrize(
    "game",
    [
        SymmetricVotingGame(9),
        AsymmetricVotingGame(weights=[5, 4, 3, 3, 2, 1]),
        ShoesGame(4, 3),
        AirportGame(costs=[3.0, 1.0, 2.0, 2.0]),
        MinimumSpanningTreeGame(10),
        MinerGame(7),
        random_game(1, 0),
        random_game(11, 0),
        random_game(6, 0, n_outputs=4),
    ],
    ids=lambda game: f"{type(game).__name__} {game.n_players}",
)
def test_closed_forms(game):
    close(exact(game).values, game.shapley_values())
    close(exact(game, banzhaf).values, game.banzhaf_values())


@SEMIVALUE
@pytest.mark.parametrize("n_low", [1, 2, 5, 16])
def test_every_semivalue_is_its_definition_for_any_block(semivalue, n_low, monkeypatch):
    small_blocks(monkeypatch, n_low)
    n, game = 5, random_game(5, 1, n_outputs=2)
    weights, truth = semivalue(n), []
    for player in range(n):
        others = [other for other in range(n) if other != player]
        total = torch.zeros(2, dtype=torch.float64)
        for size in range(n):
            for chosen in combinations(others, size):
                pair = torch.zeros(2, n, dtype=torch.bool)
                pair[:, list(chosen)] = True
                pair[1, player] = True
                total += weights[size] * game(pair).diff(dim=0)[0]
        truth.append(total)
    close(exact(game, semivalue).values, torch.stack(truth))


@pytest.mark.parametrize("n_low", [1, 3, 16])
def test_each_coalition_is_evaluated_once(n_low, monkeypatch):
    small_blocks(monkeypatch, n_low)
    seen = []
    game = Counted(FunctionGame(lambda c: seen.append(c) or c.sum(1), 6))
    estimate = exact(game)
    assert game.n_evaluations == estimate.n_evaluations == 64
    assert len(torch.cat(seen).unique(dim=0)) == 64
    assert len(seen[0]) == 1  # the size of a value is learnt from one coalition


def test_blocks_shrink_with_the_size_of_a_value(monkeypatch):
    monkeypatch.setattr(exact_module, "_BLOCK_BYTES", 24 * 100 * 9)
    game = AdditiveGame(torch.rand(6, 100, dtype=torch.float64))
    assert [len(coalitions) for coalitions, _ in evaluate_all(game)] == [8] * 8
    close(exact(game).values, game.values)


@SEMIVALUE
def test_additive_games_and_their_offset(semivalue, device):
    values = torch.rand(7, 2, 3, dtype=torch.float64, device=device)
    estimate = exact(AdditiveGame(values, offset=1e6), semivalue)
    torch.testing.assert_close(estimate.values, values, atol=1e-8, rtol=0)
    assert estimate.values.device == values.device


def test_an_exact_estimate_has_no_error():
    estimate = exact(MinerGame(4))
    assert estimate.standard_errors.tolist() == [0.0] * 4
    assert estimate.n_draws == 0
    lower, upper = estimate.interval()
    assert torch.equal(lower, upper)


def test_a_constant_game_is_worth_nothing_exactly():
    game = FunctionGame(lambda c: torch.full((len(c),), 0.1), 5)
    assert exact(game).values.tolist() == [0.0] * 5


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.int64, torch.float16, torch.float32]
)
def test_values_of_any_type_are_summed_in_float64(dtype):
    game = FunctionGame(lambda c: (c.sum(1) > 2).to(dtype), 4)
    assert exact(game).values.tolist() == [0.25] * 4


def test_values_of_the_game_are_not_overwritten(monkeypatch):
    small_blocks(monkeypatch, 1)
    table = torch.rand(8, dtype=torch.float64)
    before = table.clone()
    powers = torch.tensor([1, 2, 4])
    game = FunctionGame(lambda c: table[(c * powers).sum(1)[0] :][: len(c)], 3)
    exact(game)
    assert torch.equal(table, before)


def test_too_many_players_are_refused_with_the_count():
    game = Counted(AdditiveGame(torch.ones(5)))
    with pytest.raises(InputError, match=r"2\*\*5 = 32"):
        exact(game, max_evaluations=31)
    assert game.n_evaluations == 0
    assert exact(game, max_evaluations=32).n_evaluations == 32


@given(n=SIZES, seed=SEEDS)
def test_efficiency(n, seed):
    game = random_game(n, seed, n_outputs=2)
    empty, full = game(game.ends())
    close(exact(game).values.sum(0), full - empty)


@given(n=SIZES, seed=SEEDS, semivalue=st.sampled_from(list(SEMIVALUES.values())))
def test_linearity(n, seed, semivalue):
    left, right = random_game(n, seed), random_game(n, seed + 1)
    both = FunctionGame(lambda c: 2 * left(c) - 3 * right(c), n)
    parts = [exact(game, semivalue).values for game in (left, right)]
    close(exact(both, semivalue).values, 2 * parts[0] - 3 * parts[1])


@given(n=SIZES, seed=SEEDS, semivalue=st.sampled_from(list(SEMIVALUES.values())))
def test_null_players(n, seed, semivalue):
    inner = random_game(n, seed)
    wider = FunctionGame(lambda c: inner(c[:, 1:].contiguous()), n + 1)
    values = exact(wider, semivalue).values
    assert abs(float(values[0])) < 1e-10


@given(n=SIZES, seed=SEEDS, semivalue=st.sampled_from(list(SEMIVALUES.values())))
def test_the_names_of_players_do_not_matter(n, seed, semivalue):
    game = random_game(n, seed)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    renamed = FunctionGame(lambda c: game(c[:, order]), n)
    close(exact(renamed, semivalue).values[order], exact(game, semivalue).values)


@given(
    n=st.integers(2, 7),
    seed=SEEDS,
    semivalue=st.sampled_from(list(SEMIVALUES.values())),
)
def test_symmetric_players(n, seed, semivalue):
    inner = random_game(n, seed)
    swap = torch.tensor([1, 0, *range(2, n)])
    game = FunctionGame(lambda c: inner(c) + inner(c[:, swap]), n)
    values = exact(game, semivalue).values
    close(values[0], values[1])
