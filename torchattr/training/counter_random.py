"""Random numbers that depend on what they are for, not on what was drawn before.

Dropout must fall on the same units of a model whether it trains alone or beside
hundreds, in a full minibatch or a padded one. So a number is a hash of its key (seed,
coalition, epoch and step), of the number of the call within the step, and of the
coordinates of its element (Salmon et al., 2011, call this counter-based).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from torchattr.training.shuffles import scrambled

__all__ = ["CounterRandom", "coalition_keys", "mixed", "step_keys"]

CALLS = 16  # keys that are made for each step; further calls derive theirs from these


def _signed(number: int) -> int:
    """The same 64 bits, as int64 reads them."""
    return number - 2**64 if number >= 2**63 else number


_GOLDEN = _signed(0x9E3779B97F4A7C15)


def mixed(x: Tensor) -> Tensor:
    """SplitMix64's finaliser of each int64, whose products wrap."""
    x = (x ^ ((x >> 30) & (2**34 - 1))) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ ((x >> 27) & (2**37 - 1))) * _signed(0x94D049BB133111EB)
    return x ^ ((x >> 31) & (2**33 - 1))


def coalition_keys(coalitions: Tensor, seed: int) -> Tensor:
    """A hash of the seed and of the members of each coalition.

    Args:
        coalitions: ``(K, n)`` booleans.
        seed: Any integer.

    Returns:
        ``(K,)`` int64.
    """
    n = coalitions.shape[1]
    codes = mixed(torch.arange(1, n + 1, device=coalitions.device) * _GOLDEN)
    total = (coalitions * codes).sum(1)  # wraps, which keeps every bit uniform
    return mixed(total + _signed(scrambled(seed)))


def step_keys(keys: Tensor, epoch: int, n_steps: int) -> Tensor:
    """Keys of the steps of an epoch.

    Args:
        keys: ``(K,)`` what :func:`coalition_keys` returned.
        epoch: Number of the epoch.
        n_steps: Steps of an epoch.

    Returns:
        ``(K, n_steps, CALLS, 4)`` int32, for :class:`CounterRandom`.
    """
    counters = torch.arange(n_steps * CALLS * 2, device=keys.device)
    steps = mixed(keys + _signed(scrambled(epoch)))[:, None]
    words = mixed(steps + (counters + 1) * _GOLDEN)
    return words.view(torch.int32).reshape(len(keys), n_steps, CALLS, 4)


class CounterRandom:
    """The random functions of one step of one model.

    Under ``torch.func.vmap`` the keys are those of each model, and so are the numbers.

    Args:
        keys: ``(CALLS, 4)`` int32, from :func:`step_keys`.

    Attributes:
        n_calls: Random functions called so far.

    Example:
        >>> keys = step_keys(coalition_keys(torch.ones(1, 3, dtype=bool), 0), 0, 1)
        >>> wide = CounterRandom(keys[0, 0]).bits((4, 2))
        >>> bool((CounterRandom(keys[0, 0]).bits((3, 2)) == wide[:3]).all())
        True
    """

    def __init__(self, keys: Tensor) -> None:
        self.keys = keys
        self.n_calls = 0

    def bits(self, shape: Sequence[int]) -> Tensor:
        """Uniform 32-bit numbers; those of an element depend on its coordinates alone.

        Args:
            shape: Of the answer.

        Returns:
            int32, from all of its range.
        """
        key = self.keys[self.n_calls % CALLS] * (2 * (self.n_calls // CALLS) + 1)
        self.n_calls += 1
        rows, columns = _coordinates(tuple(shape), self.keys.device)
        # A product with an odd factor is uniform where the other factor is. Hashing
        # rows and columns apart leaves four operations for each element.
        k0, k1, k2, k3 = key[0], key[1] | 1, key[2], key[3] | 1
        first = (rows[0] + k0) * (rows[1] + k1)
        second = (rows[2] + k2) * (rows[3] + k3)
        first = (first ^ (first >> 15))[..., None]
        second = ((second ^ (second >> 15)) << 1)[..., None]
        result: Tensor = (first + columns[0]) * (second + columns[1])
        return result.reshape(tuple(shape))

    def uniform(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Uniform numbers between 0 and 1, neither of them among them.

        Args:
            shape: Of the answer.
            dtype: A type of floating point.

        Returns:
            Numbers in steps of :math:`2^{-32}`, or of the type's precision.
        """
        unit = (self.bits(shape).double() + (2.0**31 + 0.5)) * 2.0**-32
        tiny = torch.finfo(dtype).eps / 2
        return unit.to(dtype).clamp(max=1 - tiny)

    def normal(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Normal numbers of mean 0 and variance 1.

        Args:
            shape: Of the answer.
            dtype: A type of floating point.

        Returns:
            Quantiles of uniform numbers.
        """
        unit = (self.bits(shape).double() + (2.0**31 + 0.5)) * 2.0**-32
        return (math.sqrt(2) * torch.erfinv(2 * unit - 1)).to(dtype)

    def kept(self, shape: Sequence[int], p: float) -> Tensor:
        """Booleans that are false with probability ``p``."""
        bits = self.bits(shape)
        threshold = round(p * 2**32) - 2**31
        if threshold >= 2**31:
            return torch.zeros_like(bits, dtype=torch.bool)
        return bits >= threshold


@functools.lru_cache(maxsize=256)
def _coordinates(
    shape: tuple[int, ...], device: torch.device
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Hashes of all coordinates but the last, and of the last.

    A coordinate enters by a sum of products, not by its place in memory, so that an
    element keeps its numbers when a dimension gets longer.

    Returns:
        Four tensors of the leading shape, and two as long as the last dimension.
    """
    *leading, last = shape or (1,)
    counter = torch.zeros((), dtype=torch.int64, device=device)
    for i, size in enumerate(leading):
        steps = torch.arange(1, size + 1, device=device)
        counter = counter[..., None] + mixed(steps * _signed(scrambled(i)))
    rows = _words(mixed(counter)), _words(mixed(counter + _GOLDEN))
    columns = _words(mixed(torch.arange(1, last + 1, device=device) * _GOLDEN))
    return (
        (rows[0][0], rows[0][1] << 1, rows[1][0], rows[1][1] << 1),
        (columns[0], columns[1] | 1),
    )


def _words(x: Tensor) -> tuple[Tensor, Tensor]:
    low, high = x.contiguous()[..., None].view(torch.int32).unbind(-1)
    return low.contiguous(), high.contiguous()
