"""Random words that are numbered, so that any part of a stream is drawn by itself."""

from __future__ import annotations

import zlib
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError

__all__ = ["RandomWords", "Seed", "entropy_of"]

#: What a sampler takes as its seed; ``None`` asks the operating system.
Seed: TypeAlias = int | np.integer | np.random.Generator | np.random.SeedSequence | None

_ENTROPY_WORDS = 4


def entropy_of(seed: Seed) -> int:
    """One number that stands for a seed for as long as its owner lives.

    Args:
        seed: An integer of any size that is not negative, a NumPy ``Generator`` (from
            which 128 bits are drawn, so that two owners get two streams), a NumPy
            ``SeedSequence``, or ``None`` for entropy of the operating system.

    Returns:
        The number; of an integer, itself.

    Raises:
        InputError: If the seed is negative or of another type.

    Example:
        >>> entropy_of(7), entropy_of(np.random.SeedSequence(7)) == entropy_of(7)
        (7, False)
    """
    if seed is None:
        return entropy_of(np.random.SeedSequence())
    if isinstance(seed, np.random.Generator):
        words = seed.integers(0, 2**32, size=_ENTROPY_WORDS).tolist()
    elif isinstance(seed, np.random.SeedSequence):
        words = seed.generate_state(_ENTROPY_WORDS).tolist()
    elif isinstance(seed, int | np.integer) and int(seed) >= 0:
        return int(seed)
    else:
        raise InputError(
            "seed must be an integer that is not negative, a numpy Generator, a numpy "
            f"SeedSequence or None; got {seed!r}. Pass an int to repeat a run."
        )
    return sum(word << 32 * place for place, word in enumerate(words))


class RandomWords:
    """Independent uniform 64-bit words, numbered from 0.

    Word ``k`` depends on the entropy, the purpose and ``k`` only: how many are asked
    for at once, in what order, or what was drawn before changes nothing. Finding the
    place takes a few microseconds, wherever it is; a word takes 4 ns.

    Args:
        entropy: The seed, as :func:`entropy_of` gives it.
        purpose: Streams of the same entropy for different purposes are independent.

    Example:
        >>> words = RandomWords(7, "subsets")
        >>> bool((words.between(3, 5) == words.between(0, 5)[3:]).all())
        True

    References:
        O'Neill (2014), *PCG: a family of simple fast space-efficient statistically
        good algorithms for random number generation*.
    """

    def __init__(self, entropy: int, purpose: str) -> None:
        key = (zlib.crc32(purpose.encode()),)
        self._bits = np.random.PCG64DXSM(np.random.SeedSequence(entropy, spawn_key=key))
        self._origin = self._bits.state

    def between(self, start: int, stop: int) -> NDArray[np.uint64]:
        """The words with numbers from ``start`` to ``stop - 1``."""
        self._bits.state = self._origin
        self._bits.advance(start)
        # The raw words, in half the time that random_raw takes.
        return np.random.Generator(self._bits).integers(
            0, 2**64, size=stop - start, dtype=np.uint64
        )

    def rows(self, start: int, count: int, width: int) -> NDArray[np.uint64]:
        """``(count, width)``: rows ``start`` and following of a table of words."""
        words = self.between(start * width, (start + count) * width)
        return words.reshape(count, width)

    def uniform(self, start: int, count: int, width: int) -> NDArray[np.float64]:
        """``(count, width)`` numbers in [0, 1), from those rows."""
        return (self.rows(start, count, width) >> np.uint64(11)).astype(
            float
        ) * 2.0**-53
