"""Random subsets: right sizes, right probabilities, never with their player."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.sampling.random_subsets import (
    bernoulli_subsets,
    subsets_of_sizes,
    uniform_subsets,
    words_for_bits,
    words_for_keys,
)
from torchattr.sampling.random_words import RandomWords

ROWS = 20_000


def words(count, width, seed=0):
    return RandomWords(seed, "test").rows(0, count, width)


def chi_square_of(subsets, expected):
    """Of the frequencies of subsets against a dictionary of probabilities."""
    codes = (subsets.long() << torch.arange(subsets.shape[1])).sum(1).numpy()
    counts = dict(zip(*np.unique(codes, return_counts=True), strict=True))
    assert set(counts) <= set(expected)
    return sum(
        (counts.get(code, 0) - len(codes) * p) ** 2 / (len(codes) * p)
        for code, p in expected.items()
    ), len(expected) - 1


def assert_distributed(subsets, expected):
    chi_square, freedom = chi_square_of(subsets, expected)
    assert abs(chi_square - freedom) < 5 * (2 * freedom) ** 0.5


@pytest.mark.parametrize("player", [-1, 0, 2, 4])
def test_uniform_subsets_are_uniform(player):
    players = torch.full((ROWS,), player)
    subsets = uniform_subsets(words(ROWS, words_for_bits(5)), players, 5)
    possible = [code for code in range(32) if player < 0 or not code >> player & 1]
    assert_distributed(subsets, dict.fromkeys(possible, 1 / len(possible)))


@pytest.mark.parametrize("n", [1, 63, 64, 65, 130])
def test_every_player_beyond_a_word_is_in_half_of_the_subsets(n):
    subsets = uniform_subsets(
        words(4000, words_for_bits(n)), torch.full((4000,), -1), n
    )
    assert subsets.shape == (4000, n)
    share = subsets.double().mean(0)
    assert bool(((share - 0.5).abs() < 5 * 0.5 / 4000**0.5).all())


@pytest.mark.parametrize("player", [-1, 3])
def test_bernoulli_subsets_have_their_probability(player):
    probability = np.full(ROWS, 0.3)
    players = torch.full((ROWS,), player)
    subsets = bernoulli_subsets(words(ROWS, words_for_keys(4)), players, 4, probability)
    assert_distributed(
        subsets,
        {
            code: 0.3**k * 0.7 ** ((4 if player < 0 else 3) - k)
            for code in range(16)
            if player < 0 or not code >> player & 1
            for k in [code.bit_count()]
        },
    )


def test_nobody_and_everybody_are_exact_even_for_extreme_words():
    extreme = np.array([[0, 2**64 - 1]] * 2, dtype=np.uint64)
    subsets = bernoulli_subsets(extreme, torch.tensor([-1, 0]), 4, np.array([0.0, 1.0]))
    assert subsets.int().tolist() == [[0, 0, 0, 0], [0, 1, 1, 1]]


@given(data=st.data(), n=st.integers(1, 70), seed=st.integers(0, 1000))
def test_sizes_are_exact_and_the_player_stays_outside(data, n, seed):
    players = torch.tensor(data.draw(st.lists(st.integers(-1, n - 1), min_size=1)))
    largest = np.where(players.numpy() < 0, n, n - 1)
    sizes = np.array([data.draw(st.integers(0, int(m))) for m in largest])
    random = words(len(players), words_for_keys(n), seed)
    # Few different words: most keys are equal.
    for drawn in (random, random % np.uint64(3), random | np.uint64(2**64 - 2)):
        subsets = subsets_of_sizes(drawn, players, n, sizes)
        assert subsets.sum(1).tolist() == sizes.tolist()
        chosen = players.clamp(min=0)[:, None]
        assert not bool((subsets.gather(1, chosen)[:, 0] & (players >= 0)).any())


@pytest.mark.parametrize(("player", "size"), [(-1, 2), (0, 2), (4, 3), (2, 1)])
def test_all_subsets_of_a_size_are_equally_likely(player, size):
    players = torch.full((ROWS,), player)
    drawn = words(ROWS, words_for_keys(5), seed=1)
    subsets = subsets_of_sizes(drawn, players, 5, np.full(ROWS, size))
    possible = [
        code
        for code in range(32)
        if code.bit_count() == size and (player < 0 or not code >> player & 1)
    ]
    assert len(possible) == comb(5 if player < 0 else 4, size)
    assert_distributed(subsets, dict.fromkeys(possible, 1 / len(possible)))


def test_the_largest_size_is_everybody_else():
    players = torch.tensor([-1, 0, 4])
    drawn = words(3, words_for_keys(5))
    subsets = subsets_of_sizes(drawn, players, 5, np.array([5, 4, 4]))
    assert torch.equal(subsets, torch.arange(5) != players[:, None])
