"""Criteria that look at the sampler in place of the result."""

from __future__ import annotations

from typing import Protocol, final

from torchattr.games.counts import as_count
from torchattr.valuation.result import Status, ValuationResult
from torchattr.valuation.stopping.criterion import StoppingCriterion, never

__all__ = ["MaxSamples", "NoStopping"]


class CountedSampler(Protocol):
    """A sampler that says how many samples it has given."""

    @property
    def n_samples(self) -> int: ...


class FiniteSampler(CountedSampler, Protocol):
    """A sampler that may say how many samples it will give in all."""

    def __len__(self) -> int: ...


@final
class MaxSamples(StoppingCriterion):
    """Stop when a sampler has given so many samples.

    Args:
        sampler: The sampler of the valuation.
        n_samples: Number of samples.

    Raises:
        InputError: If the number is not a positive integer.

    Example:
        >>> from types import SimpleNamespace
        >>> sampler = SimpleNamespace(n_samples=20)
        >>> bool(MaxSamples(sampler, 20)(ValuationResult(values=[1.0])))
        True
    """

    def __init__(self, sampler: CountedSampler, n_samples: int) -> None:
        super().__init__()
        self.sampler = sampler
        self.n_samples = as_count("n_samples", n_samples)

    def _check(self, result: ValuationResult) -> Status:
        given = self.sampler.n_samples
        return Status.Converged if given >= self.n_samples else Status.Pending

    def completion(self) -> float:
        """The share of the samples that were given."""
        return min(1.0, self.sampler.n_samples / self.n_samples)

    def __repr__(self) -> str:
        return f"MaxSamples({type(self.sampler).__name__}, {self.n_samples})"


@final
class NoStopping(StoppingCriterion):
    """Never stop: the run ends when its sampler does.

    Args:
        sampler: A finite sampler, whose progress is shown as completion.

    Example:
        >>> bool(NoStopping()(ValuationResult(values=[1.0], counts=[10**6])))
        False
    """

    def __init__(self, sampler: FiniteSampler | None = None) -> None:
        super().__init__(updates_needed=never)
        self.sampler = sampler

    def _check(self, result: ValuationResult) -> Status:
        return Status.Pending

    def completion(self) -> float:
        """The share of a finite sampler's samples that were given, else 0."""
        if self.sampler is None:
            return 0.0
        try:
            limit = len(self.sampler)
        except TypeError:  # what samplers without end raise
            return 0.0
        return min(1.0, self.sampler.n_samples / limit) if limit else 0.0
