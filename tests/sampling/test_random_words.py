"""Random words: any part of a stream is found by its numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.sampling.random_words import RandomWords, entropy_of


@given(start=st.integers(0, 300), count=st.integers(0, 50), seed=st.integers(0, 2**70))
def test_a_part_of_the_stream_is_what_the_whole_has_there(start, count, seed):
    words = RandomWords(seed, "test")
    whole = words.between(0, 350)
    assert np.array_equal(words.between(start, start + count), whole[start:][:count])


def test_words_are_the_raw_ones_of_the_bit_generator():
    words = RandomWords(3, "test")
    expected = np.random.PCG64DXSM()
    expected.state = words._origin
    assert np.array_equal(words.between(0, 100), expected.random_raw(100))


def test_a_stream_goes_on_where_an_integer_of_32_bits_ends():
    words = RandomWords(3, "test")
    far = 2**40
    assert np.array_equal(
        words.between(far, far + 9)[4:], words.between(far + 4, far + 9)
    )


def test_purposes_and_seeds_make_other_streams():
    streams = {
        RandomWords(seed, purpose).between(0, 1)[0]
        for seed in (0, 1, 2**64)
        for purpose in ("one", "other")
    }
    assert len(streams) == 6


def test_uniform_numbers_are_uniform():
    numbers = RandomWords(0, "test").uniform(0, 5000, 4)
    assert numbers.shape == (5000, 4)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = np.histogram(numbers, bins=20, range=(0, 1))[0]
    chi_square = ((counts - 1000) ** 2 / 1000).sum()
    assert chi_square < 19 + 5 * (2 * 19) ** 0.5


def test_integers_stand_for_themselves():
    assert entropy_of(5) == entropy_of(np.int64(5)) == 5


def test_a_generator_gives_each_owner_its_own_entropy():
    one, same = np.random.default_rng(1), np.random.default_rng(1)
    first, second = entropy_of(one), entropy_of(one)
    assert first == entropy_of(same) != second
    assert first > 2**64


def test_a_seed_sequence_repeats_itself_and_none_does_not():
    sequence = np.random.SeedSequence(1)
    assert entropy_of(sequence) == entropy_of(np.random.SeedSequence(1))
    assert entropy_of(None) != entropy_of(None)


@pytest.mark.parametrize("seed", [-1, 1.5, "seed", [1]])
def test_other_seeds_are_refused(seed):
    with pytest.raises(InputError, match="seed must be"):
        entropy_of(seed)
