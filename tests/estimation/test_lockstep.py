"""All permutations take a step together, and those that end gain nothing more."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.estimation.lockstep import permutation_gains
from torchattr.estimation.truncation import (
    FixedTruncation,
    NoTruncation,
    RelativeTruncation,
    TruncationPolicy,
)
from torchattr.games.additive_game import AdditiveGame
from torchattr.games.cached import Cached
from torchattr.games.counted import Counted
from torchattr.games.function_game import FunctionGame
from torchattr.games.synthetic import RandomGame


class Never(TruncationPolicy):
    """Asks, and lets all go on."""

    def truncated(self, walk, total, n):
        assert walk.shape[1] < n + 1
        return torch.zeros(len(walk), dtype=torch.bool)


def orders(walks, n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randperm(n, generator=generator) for _ in range(walks)])


def walked(game, order, truncation):
    """One permutation, as the definition says."""
    n = game.n_players
    total = game(game.ends())[1].double()
    stays = torch.zeros(1, n, dtype=torch.bool)
    walk, gains = [game(stays)[0].double()], []
    for t, player in enumerate(order.tolist(), start=1):
        stays[0, player] = True
        walk.append(game(stays)[0].double())
        gains.append(walk[-1] - walk[-2])
        means = torch.stack([value.mean() for value in walk])
        if t < n and truncation.truncated(means[None], total.mean(), n)[0]:
            break
    zeros = [torch.zeros_like(walk[0])] * (n - len(gains))
    return torch.stack([*gains, *zeros])


POLICIES = [
    NoTruncation(),
    Never(),
    FixedTruncation(0.5),
    RelativeTruncation(0.2),
    RelativeTruncation(0.5, 0.5),
]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
@given(n=st.integers(1, 6), walks=st.integers(1, 5), seed=st.integers(0, 9))
def test_gains_are_those_of_single_walks(policy, n, walks, seed):
    game = RandomGame(n, generator=torch.Generator().manual_seed(seed))
    asked = orders(walks, n, seed)
    expected = torch.stack([walked(game, order, policy) for order in asked])
    torch.testing.assert_close(permutation_gains(game, asked, policy), expected)


@pytest.mark.parametrize("policy", [None, *POLICIES])
def test_several_outputs(policy):
    game = AdditiveGame(torch.rand(5, 2, 3, generator=torch.Generator().manual_seed(0)))
    asked = orders(3, 5)
    gains = permutation_gains(game, asked, policy)
    assert gains.shape == (3, 5, 2, 3)
    expected = [walked(game, order, policy or NoTruncation()) for order in asked]
    torch.testing.assert_close(gains, torch.stack(expected))


def test_the_policy_sees_the_mean_over_outputs():
    values = torch.tensor([[0.0, 2.0], [1.0, 1.0], [1.0, -1.0]])
    seen = []

    class Looks(TruncationPolicy):
        def truncated(self, walk, total, n):
            seen.append((walk.tolist(), total.item()))
            return torch.zeros(len(walk), dtype=torch.bool)

    permutation_gains(AdditiveGame(values), torch.tensor([[0, 1, 2]]), Looks())
    assert seen == [([[0.0, 1.0]], 2.0), ([[0.0, 1.0, 2.0]], 2.0)]


def test_steps_have_one_size_and_what_ended_is_not_evaluated():
    sizes = []

    def values(coalitions):
        sizes.append(coalitions.sum(1).tolist())
        return coalitions.any(1).double() * (1 + coalitions[:, 0])

    game = Cached(FunctionGame(values, 4))
    asked = torch.tensor([[0, 1, 2, 3], [1, 0, 2, 3], [3, 2, 1, 0]])
    gains = permutation_gains(game, asked, RelativeTruncation(0.01))
    assert sizes == [[0, 4], [1, 1, 1], [2, 2], [3]]
    assert gains.tolist() == [[2, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 1]]


def test_what_permutations_share_is_evaluated_once():
    inner = Counted(AdditiveGame(torch.ones(6)))
    permutation_gains(Cached(inner), orders(1, 6).repeat(7, 1), Never())
    assert inner.n_evaluations == 7


@pytest.mark.parametrize("walks", [1, 3, 40])
def test_a_few_long_permutations_look_ahead_and_find_the_same(walks):
    n = 400
    inner = Counted(AdditiveGame(torch.linspace(0.5, 1.5, n).double()))
    asked = orders(walks, n)
    gains = permutation_gains(inner, asked, RelativeTruncation(0.3))
    alone = [
        permutation_gains(inner.game, order[None], RelativeTruncation(0.3))[0]
        for order in asked
    ]
    torch.testing.assert_close(gains, torch.stack(alone), rtol=0, atol=1e-10)
    needed = 2 + int((gains > 0).sum())
    assert needed <= inner.n_evaluations <= needed + 25  # n / 16 at most
    steps = int((gains > 0).any(0).sum())
    assert inner.n_calls <= 2 + steps // max(25 // walks, 1) + (25 // walks)
