"""Closed forms against the definitions, by brute force over all coalitions."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from math import comb

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree

from torchattr.errors import InputError
from torchattr.games.synthetic import (
    AirportGame,
    AsymmetricVotingGame,
    MinerGame,
    MinimumSpanningTreeGame,
    RandomGame,
    ShoesGame,
    SymmetricVotingGame,
)


def seeded(n, **options):
    return RandomGame(n, 20, generator=torch.Generator().manual_seed(n), **options)


GAMES = {
    "voting 2": SymmetricVotingGame(2),
    "voting 5": SymmetricVotingGame(5),
    "voting 8": SymmetricVotingGame(8),
    "weighted voting": AsymmetricVotingGame(weights=[5, 3, 3, 2, 1, 0, 1]),
    "weighted voting, half quota": AsymmetricVotingGame(
        weights=[4, 3, 2, 2], quota=5.5
    ),
    "weighted voting, no quota": AsymmetricVotingGame(weights=[4, 3, 0], quota=0),
    "weighted voting, dictator": AsymmetricVotingGame(weights=[9, 1, 1], quota=3),
    "shoes 1 1": ShoesGame(1, 1),
    "shoes 3 4": ShoesGame(3, 4),
    "shoes 5 2": ShoesGame(5, 2),
    "shoes 3 3": ShoesGame(3, 3),
    "airport": AirportGame(costs=[2.0, 1.0, 4.0, 4.0, 0.0, 7.5]),
    "airport, one plane": AirportGame(costs=[3.0]),
    "tree 1": MinimumSpanningTreeGame(1),
    "tree 2": MinimumSpanningTreeGame(2),
    "tree 3": MinimumSpanningTreeGame(3),
    "tree 8": MinimumSpanningTreeGame(8),
    "miner 3": MinerGame(3),
    "miner 4": MinerGame(4),
    "miner 7": MinerGame(7),
    "random 1": seeded(1),
    "random 7": seeded(7),
    "random 4, three outputs": seeded(4, n_outputs=3),
}
GAME = pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)


def value(game, players):
    coalition = torch.zeros(1, game.n_players, dtype=torch.bool)
    coalition[0, list(players)] = True
    return game(coalition)[0]


def brute_force(game, weight):
    """The definition of a semivalue, one coalition at a time."""
    worth = cache(lambda players: value(game, players))
    rows = []
    for player in range(game.n_players):
        others = [other for other in range(game.n_players) if other != player]
        rows.append(
            sum(
                weight(game.n_players, size)
                * (worth(tuple(sorted((*chosen, player)))) - worth(chosen))
                for size in range(game.n_players)
                for chosen in combinations(others, size)
            )
        )
    return torch.stack(rows)


@GAME
def test_shapley_values(game):
    truth = brute_force(game, lambda n, s: 1 / (n * comb(n - 1, s)))
    torch.testing.assert_close(game.shapley_values(), truth, atol=1e-12, rtol=0)


@GAME
def test_banzhaf_values(game):
    truth = brute_force(game, lambda n, _: 0.5 ** (n - 1))
    torch.testing.assert_close(game.banzhaf_values(), truth, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    "game",
    [SymmetricVotingGame(n) for n in (2, 3, 4, 5)]
    + [MinerGame(n) for n in (3, 4, 5, 6)]
    + [ShoesGame(*sides) for sides in ((1, 1), (2, 2), (1, 2), (3, 1), (2, 3))],
)
def test_least_core_values_solve_the_linear_programme(game):
    n = game.n_players
    proper = [c for size in range(1, n) for c in combinations(range(n), size)]
    members = np.array([[1.0 * (player in c) for player in range(n)] for c in proper])
    worth = np.array([float(value(game, c)) for c in proper])
    rows = np.hstack([-members, -np.ones((len(proper), 1))])
    total = float(value(game, range(n)))
    best = linprog(
        [0] * n + [1], rows, -worth, [[1] * n + [0]], [total], bounds=(None, None)
    )
    values, subsidy = game.least_core_values()
    assert subsidy == pytest.approx(best.fun, abs=1e-9)
    assert float(values.sum()) == pytest.approx(total)
    assert (members @ values.numpy() + subsidy >= worth - 1e-9).all()


def test_the_tree_game_is_the_cost_of_a_spanning_tree():
    n, rng = 6, np.random.default_rng(0)
    costs = np.zeros((n + 1, n + 1))
    costs[0, 1:] = n + 1
    for player in range(n):
        costs[1 + player, 1 + (player + 1) % n] = 1
    coalitions = rng.random((20, n)) < 0.6
    values = MinimumSpanningTreeGame(n)(torch.as_tensor(coalitions))
    for coalition, ours in zip(coalitions, values, strict=True):
        kept = np.flatnonzero(np.r_[True, coalition])
        tree = minimum_spanning_tree(csr_array(costs[np.ix_(kept, kept)]))
        assert tree.sum() == ours


def test_the_electoral_college_is_castros():
    game = AsymmetricVotingGame()
    assert game.n_players == 51
    assert int(game.weights.sum()) == 538
    assert game.quota == 269
    values = game.shapley_values()
    assert float(values.sum()) == pytest.approx(1, abs=1e-12)
    published = {0: 0.08831, 1: 0.07973, 2: 0.05096, 3: 0.04898, 16: 0.01827}
    published |= {34: 0.009053, 35: 0.00723, 50: 0.005412}
    for player, truth in published.items():
        assert float(values[player]) == pytest.approx(truth, abs=6e-6)


def test_the_airport_is_castros():
    game = AirportGame()
    values = game.shapley_values()
    assert game.n_players == 100
    assert float(values[0]) == pytest.approx(0.01, abs=1e-9)
    assert float(values[8]) == pytest.approx(0.020869565, abs=1e-9)
    assert float(values[99]) == pytest.approx(0.289369662, abs=1e-9)


@pytest.mark.parametrize(
    ("game", "shapley", "banzhaf"),
    [
        (ShoesGame(2, 1), [1 / 6, 2 / 3], [0.25, 0.75]),
        (ShoesGame(2, 4), [11 / 15, 2 / 15], [0.8125, 0.1875]),
        (SymmetricVotingGame(10), [0.1, 0.1], [0.24609375, 0.24609375]),
        (MinimumSpanningTreeGame(), [2.0, 2.0], [1.0, 1.0]),
    ],
)
def test_known_values_of_the_first_and_the_last_player(game, shapley, banzhaf):
    ends = torch.tensor([0, -1])
    assert game.shapley_values()[ends].tolist() == pytest.approx(shapley, abs=1e-12)
    assert game.banzhaf_values()[ends].tolist() == pytest.approx(banzhaf, abs=1e-12)


def test_large_games_have_finite_values():
    values = ShoesGame(300, 400).shapley_values()
    assert float(values.sum()) == pytest.approx(300, rel=1e-9)
    many = AsymmetricVotingGame(weights=[1, 2] * 60)
    assert float(many.shapley_values().sum()) == pytest.approx(1, abs=1e-9)


def test_random_games_follow_their_generator(device):
    def draw():
        generator = torch.Generator().manual_seed(3)
        return RandomGame(6, 9, n_outputs=2, generator=generator, device=device)

    game, again = draw(), draw()
    assert torch.equal(game.members, again.members)
    assert torch.equal(game.coefficients, again.coefficients)
    assert game(game.ends()).device.type == device.type
    assert game.members.any(1).all()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: SymmetricVotingGame(1),
        lambda: AsymmetricVotingGame(50),
        lambda: AsymmetricVotingGame(3, weights=[1, 2]),
        lambda: AsymmetricVotingGame(weights=[0.5, 1.0]),
        lambda: AsymmetricVotingGame(weights=[-1, 2]),
        lambda: AsymmetricVotingGame(weights=[]),
        lambda: AsymmetricVotingGame(weights=[1, 2], quota=3),
        lambda: ShoesGame(0, 1),
        lambda: AirportGame(50),
        lambda: AirportGame(2, costs=[1.0]),
        lambda: AirportGame(costs=[-1.0]),
        lambda: AirportGame(costs=[[1.0]]),
        lambda: MinimumSpanningTreeGame(0),
        lambda: MinerGame(2),
        lambda: RandomGame(3, 0),
        lambda: RandomGame(3, n_outputs=0),
    ],
)
def test_arguments_are_checked(wrong):
    with pytest.raises(InputError):
        wrong()
