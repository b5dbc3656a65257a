"""Owen strategies: with which probabilities the others join."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError
from torchattr.sampling.random_words import RandomWords, Seed, entropy_of

__all__ = ["GridOwenStrategy", "OwenStrategy", "StrategyUpTo", "UniformOwenStrategy"]


class OwenStrategy(ABC):
    """With which probabilities the others join, from 0 to some largest one.

    Args:
        n_samples_outer: Number of probabilities for each visit to an index.

    Example:
        >>> class Halfway(OwenStrategy):  # the midpoint rule
        ...     def outer(self, q_stop, start, count, entropy):
        ...         middle = (np.arange(self.n_samples_outer) + 0.5) * q_stop
        ...         return np.tile(middle / self.n_samples_outer, (count, 1))
        ...     def weights(self):
        ...         return np.full(self.n_samples_outer, 1 / self.n_samples_outer)
        >>> Halfway(2)(1.0)
        array([0.25, 0.75])
    """

    def __init__(self, n_samples_outer: int) -> None:
        if n_samples_outer < 1:
            raise InputError(
                f"n_samples_outer must be at least 1, got {n_samples_outer!r}"
            )
        self.n_samples_outer = int(n_samples_outer)
        self._n_calls = 0

    def __call__(self, q_stop: float) -> NDArray[np.float64]:
        """The probabilities of the next visit, up to ``q_stop``."""
        self._n_calls += 1
        return self.outer(q_stop, self._n_calls - 1, 1, 0).ravel()

    @abstractmethod
    def outer(
        self, q_stop: float, start: int, count: int, entropy: int
    ) -> NDArray[np.float64]:
        """The probabilities of some visits in a row.

        Args:
            q_stop: The largest probability.
            start: Number of the first visit.
            count: Number of visits.
            entropy: The sampler's seed, for a strategy that has none of its own.

        Returns:
            ``(count, n_samples_outer)``.
        """

    @abstractmethod
    def weights(self) -> NDArray[np.float64] | None:
        """Share of each probability in the integral; ``None`` if they are random."""


@final
class UniformOwenStrategy(OwenStrategy):
    """Probabilities that are uniformly random, new for each visit.

    Args:
        n_samples_outer: Number of probabilities for each visit to an index.
        seed: Seed of the probabilities; ``None`` is that of the sampler.

    Example:
        >>> UniformOwenStrategy(3, seed=0)(0.5).shape
        (3,)
    """

    def __init__(self, n_samples_outer: int = 1, seed: Seed = None) -> None:
        super().__init__(n_samples_outer)
        self._entropy = None if seed is None else entropy_of(seed)

    def outer(
        self, q_stop: float, start: int, count: int, entropy: int
    ) -> NDArray[np.float64]:
        """See :meth:`OwenStrategy.outer`."""
        own = entropy if self._entropy is None else self._entropy
        words = RandomWords(own, "joining probabilities")
        return q_stop * words.uniform(start, count, self.n_samples_outer)

    def weights(self) -> None:
        """None."""


@final
class GridOwenStrategy(OwenStrategy):
    r"""Equally spaced probabilities, both ends included.

    They integrate by the trapezoidal rule: the ends count half. (With equal weights,
    the error of the integral would be of the order of one over their number in place of
    its square.) A single probability is in the middle.

    Args:
        n_samples_outer: Number of probabilities.

    Example:
        >>> strategy = GridOwenStrategy(3)
        >>> strategy(1.0).tolist(), strategy.weights().tolist()
        ([0.0, 0.5, 1.0], [0.25, 0.5, 0.25])
    """

    def outer(
        self, q_stop: float, start: int, count: int, entropy: int
    ) -> NDArray[np.float64]:
        """See :meth:`OwenStrategy.outer`."""
        grid = np.linspace(0, q_stop, self.n_samples_outer)
        if self.n_samples_outer == 1:
            grid = np.array([q_stop / 2])
        return np.tile(grid, (count, 1))

    def weights(self) -> NDArray[np.float64]:
        """Those of the trapezoidal rule."""
        weights = np.ones(self.n_samples_outer)
        if self.n_samples_outer > 1:
            weights[[0, -1]] = 0.5
        shares: NDArray[np.float64] = weights / weights.sum()
        return shares


@final
class StrategyUpTo:
    """A strategy with all that its probabilities depend on, but the visit.

    Args:
        strategy: The strategy.
        q_stop: The largest probability.
        entropy: The sampler's seed.
    """

    def __init__(self, strategy: OwenStrategy, q_stop: float, entropy: int) -> None:
        self._strategy = strategy
        self._q_stop = q_stop
        self._entropy = entropy
        self.n_outer = strategy.n_samples_outer

    def outer(self, start: int, count: int) -> NDArray[np.float64]:
        """``(count, n_outer)``: the probabilities of some visits in a row."""
        return self._strategy.outer(self._q_stop, start, count, self._entropy)

    def weights(self) -> NDArray[np.float64] | None:
        """See :meth:`OwenStrategy.weights`."""
        return self._strategy.weights()
