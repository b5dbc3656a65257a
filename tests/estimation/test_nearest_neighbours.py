"""Closed forms of nearest-neighbour games, against the definition over all subsets."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch

from torchattr.errors import InputError
from torchattr.estimation.exponential_sums import reciprocals_as_exponentials
from torchattr.estimation.nearest_neighbours import squared_error_shapley, vote_shapley
from torchattr.estimation.weighted_nearest_neighbours import weighted_neighbour_shapley
from torchattr.games.nearest_neighbours_game import NearestNeighboursGame

SIZES = [1, 2, 3, 5, 8]
NEIGHBOURS = [1, 2, 5, 9]


def answer(members, votes, weights, k):
    """What the K nearest members say: players are numbered by distance."""
    nearest = sorted(members)[:k]
    total = sum(weights[j] for j in nearest)
    if not total:
        return 0.0
    said = sum(weights[j] * votes[j] for j in nearest)
    return len(nearest) / k * said / total


def by_definition(votes, k, weights=None, target=None):
    n = len(votes)
    weights = [1.0] * n if weights is None else weights

    def value(members):
        said = answer(members, votes, weights, k)
        return said if target is None else -((said - target) ** 2)

    return torch.tensor(
        [
            math.fsum(
                (value({*s, i}) - value(s)) / (n * math.comb(n - 1, size))
                for size in range(n)
                for s in combinations(sorted({*range(n)} - {i}), size)
            )
            for i in range(n)
        ],
        dtype=torch.float64,
    )


@pytest.fixture
def random():
    generator = torch.Generator().manual_seed(3)
    return lambda n: torch.randn(n, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("k", NEIGHBOURS)
@pytest.mark.parametrize("n", SIZES)
class TestAgainstTheDefinition:
    def test_votes(self, n, k, random):
        votes = random(n)
        expected = by_definition(votes.tolist(), k)
        torch.testing.assert_close(vote_shapley(votes, k), expected)

    def test_squared_error(self, n, k, random):
        answers, target = random(n), random(1)
        expected = by_definition(answers.tolist(), k, target=target.item())
        found = squared_error_shapley(answers[None], target, k)[0]
        torch.testing.assert_close(found, expected)

    def test_weighted_votes(self, n, k, random):
        votes, weights = random(n), random(n).exp()
        expected = by_definition(votes.tolist(), k, weights.tolist())
        found = weighted_neighbour_shapley(weights[None], votes[None], k)[0]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)

    def test_weighted_squared_error(self, n, k, random):
        votes, weights, target = random(n), random(n).exp(), random(1)
        expected = by_definition(
            votes.tolist(), k, weights.tolist(), target=target.item()
        )
        found = weighted_neighbour_shapley(
            weights[None], votes[None], k, targets=target
        )
        torch.testing.assert_close(found[0], expected, rtol=0, atol=1e-10)

    def test_game(self, n, k, random):
        votes, weights, target = random(n), random(n).exp(), random(1)
        order = random(n).argsort()
        game = NearestNeighboursGame(
            order[None], votes[None], k, weights=weights[None], targets=target
        )
        rank = order.argsort()
        coalitions = torch.rand(20, n) < 0.5
        expected = [
            -(
                (
                    answer(rank[row].tolist(), votes.tolist(), weights.tolist(), k)
                    - target.item()
                )
                ** 2
            )
            for row in coalitions
        ]
        expected = torch.tensor(expected, dtype=torch.float64)
        torch.testing.assert_close(game(coalitions), expected)


def test_more_neighbours_than_players_is_an_additive_game():
    votes = torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(vote_shapley(votes, 5), votes / 5)


@pytest.mark.parametrize(
    "weights",
    [
        [1.0, 1e-6, 1e6, 1.0, 1e-3, 2.0],
        [0.0, 2.0, 0.0, 1.0, 0.0, 3.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [1e-300, 1e-300, 1.0, 1e-150, 1e-150, 1e-150],
    ],
    ids=["wide", "some zero", "all zero", "beyond floats"],
)
def test_extreme_weights(weights, random):
    votes, target = random(6), random(1)
    for k in (1, 2, 4):
        heard = [w if w >= 1e-200 else 0.0 for w in weights]
        rows = torch.tensor([weights], dtype=torch.float64), votes[None]
        torch.testing.assert_close(
            weighted_neighbour_shapley(*rows, k)[0],
            by_definition(votes.tolist(), k, heard),
            rtol=0,
            atol=1e-11,
        )
        torch.testing.assert_close(
            weighted_neighbour_shapley(*rows, k, targets=target)[0],
            by_definition(votes.tolist(), k, heard, target=target.item()),
            rtol=0,
            atol=1e-10,
        )


def test_an_infinite_weight_drowns_the_others(random):
    votes = random(6)
    weights = torch.tensor([[torch.inf, torch.inf, 3.0, 1.0, 2.0, 0.5]]).double()
    expected = by_definition(votes.tolist(), 3, [1e30, 1e30, 3.0, 1.0, 2.0, 0.5])
    found = weighted_neighbour_shapley(weights, votes[None], 3)[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("k", "constant"),
    [(1, 1e-9), (2, 3.0), (7, 1e-9), (20, 3.0), (39, 1e-9), (40, 3.0), (41, 1e-9)],
)
def test_equal_weights_are_none(k, constant):
    generator = torch.Generator().manual_seed(k)
    votes = torch.randn(2, 40, generator=generator, dtype=torch.float64)
    weights = torch.full_like(votes, constant)
    torch.testing.assert_close(
        weighted_neighbour_shapley(weights, votes, k),
        vote_shapley(votes, k),
        rtol=0,
        atol=1e-11,
    )
    targets = votes[:, 3]
    torch.testing.assert_close(
        weighted_neighbour_shapley(weights, votes, k, targets=targets),
        squared_error_shapley(votes, targets, k),
        rtol=0,
        atol=1e-10,
    )


def test_values_add_up_with_many_players(random):
    n, k = 2000, 7
    votes, weights, target = random(n), random(n).exp(), random(1)
    top = slice(0, k)
    said = (weights[top] * votes[top]).sum() / weights[top].sum()
    found = weighted_neighbour_shapley(weights[None], votes[None], k).sum()
    torch.testing.assert_close(found, said, rtol=0, atol=1e-10)
    found = weighted_neighbour_shapley(weights[None], votes[None], k, targets=target)
    expected = target.square() - (said - target).square()
    torch.testing.assert_close(found.sum(1), expected, rtol=0, atol=1e-10)
    found = squared_error_shapley(votes[None], target, k).sum(1)
    expected = target.square() - (votes[top].mean() - target).square()
    torch.testing.assert_close(found, expected)


def test_rows_do_not_depend_on_what_is_computed_with_them(random):
    weights, votes = random(600).exp().reshape(3, 200), random(600).reshape(3, 200)
    together = weighted_neighbour_shapley(weights, votes, 4)
    alone = [weighted_neighbour_shapley(weights[m : m + 1], votes[m : m + 1], 4)
             for m in range(3)]  # fmt: skip
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-12)


def test_too_many_sets_are_refused():
    weights = torch.ones(1, 4000, dtype=torch.float64)
    with pytest.raises(InputError, match="fewer neighbours"):
        weighted_neighbour_shapley(weights, weights, 2000)


def test_no_test_examples_and_no_players():
    for shape in ((0, 5), (2, 0)):
        empty = torch.zeros(shape, dtype=torch.float64)
        assert weighted_neighbour_shapley(empty, empty, 3).shape == shape


@pytest.mark.parametrize("high", [1.0, 10.0, 1e8, 1e30])
def test_reciprocals(high):
    rates, weights = reciprocals_as_exponentials(high)
    x = torch.logspace(0, math.log10(high), 2000, dtype=torch.float64)
    found = weights @ torch.outer(rates, -x).exp()
    assert float((found * torch.stack([x, x**2]) - 1).abs().max()) < 1e-12


def test_game_refuses_shapes_that_do_not_fit():
    with pytest.raises(InputError, match=r"\(M, n\)"):
        NearestNeighboursGame(torch.zeros(2, 3, dtype=torch.long), torch.ones(2, 4), 1)
