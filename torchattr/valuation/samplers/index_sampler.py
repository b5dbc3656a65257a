"""What all samplers of valuation methods have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from torchattr.errors import InputError
from torchattr.sampling.marginals import Marginals
from torchattr.sampling.rounds import Rounds
from torchattr.valuation.samplers.generated_rounds import GeneratedRounds
from torchattr.valuation.types import Sample

__all__ = ["HasIndices", "IndexSampler", "LogWeight"]

#: One number for one size, an array for an array of sizes.
LogWeight: TypeAlias = Any


class HasIndices(Protocol):
    """A data set, as far as samplers know it."""

    @property
    def indices(self) -> NDArray[np.int64]:
        """The indices of its points, or of its groups."""


class IndexSampler(ABC):
    r"""A source of samples: an index, and a subset of the others that it joins.

    To write your own, subclass :class:`PowersetSampler` or
    :class:`PermutationSamplerBase` (or this class), and give it :meth:`generate`,
    :meth:`log_weight` and :meth:`sample_limit`. Any sampler serves any semivalue: each
    marginal contribution counts :math:`p_{|S|} / P(S)` times, where :math:`p` are the
    weights of the semivalue and :math:`\log P` is :meth:`log_weight`.

    What a sampler draws depends on its seed and the number of the draw only, so that
    fitting again, another batch size or another number of jobs gives the same values.
    A seed of ``None`` is drawn once, when the sampler is made.

    Args:
        batch_size: Samples in each batch of :meth:`generate_batches`. Methods of
            valuation evaluate as many at once as the utility takes, whatever it is.

    Example:
        >>> from torchattr.valuation.samplers import UniformSampler
        >>> sampler = UniformSampler(batch_size=4, seed=0)
        >>> batch = next(sampler.generate_batches(np.arange(3)))
        >>> [sample.idx for sample in batch], sampler.n_samples
        ([0, 1, 2, 0], 4)
    """

    def __init__(self, batch_size: int = 1) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size!r}")
        self._batch_size = int(batch_size)
        self._n_samples = 0
        self._interrupted = False
        self._len: int | None = None
        self._rounds: Rounds = GeneratedRounds(self)

    @abstractmethod
    def generate(self, indices: NDArray[np.int64]) -> Iterator[Sample]:
        """The samples, one by one.

        Args:
            indices: What to sample from: any distinct integers.

        Returns:
            An iterator, endless if :meth:`sample_limit` is ``None``.
        """

    @abstractmethod
    def log_weight(self, n: int, subset_len: ArrayLike) -> LogWeight:
        """Logarithm of the probability that an index is given one subset of some size.

        Args:
            n: Number of indices.
            subset_len: Size of the subset, or an array of sizes.

        Returns:
            The logarithm, of the shape of ``subset_len``; minus infinity for a size
            that never comes.
        """

    @abstractmethod
    def sample_limit(self, indices: NDArray[np.int64]) -> int | None:
        """How many samples :meth:`generate` yields; ``None`` if it never ends.

        Args:
            indices: What to sample from.

        Returns:
            The number.
        """

    def generate_batches(self, indices: NDArray[np.int64]) -> Iterator[list[Sample]]:
        """The samples in lists of ``batch_size``, until the end or :meth:`interrupt`.

        Args:
            indices: What to sample from.

        Returns:
            An iterator over lists of samples; the last may be shorter.
        """
        indices = np.asarray(indices)
        self._len = self.sample_limit(indices)
        self._n_samples = 0
        self._interrupted = False
        samples = self.generate(indices) if len(indices) else iter(())
        return self._batches(iter(samples))

    def from_data(self, data: HasIndices) -> Iterator[list[Sample]]:
        """:meth:`generate_batches` of the indices of a data set."""
        return self.generate_batches(data.indices)

    def interrupt(self) -> None:
        """End the batches after the present one."""
        self._interrupted = True

    @property
    def interrupted(self) -> bool:
        """Whether :meth:`interrupt` was called since the batches began."""
        return self._interrupted

    @property
    def batch_size(self) -> int:
        """Samples in each batch."""
        return self._batch_size

    @property
    def n_samples(self) -> int:
        """Samples dispatched since the batches, or the fit, began."""
        return self._n_samples

    def __len__(self) -> int:
        if self._len is None:
            raise TypeError(
                f"{type(self).__name__} has no length: either it never ends, or it has "
                "not been given indices yet. Call sample_limit(indices) to see which."
            )
        return self._len

    def __bool__(self) -> bool:
        return True  # a sampler without a length is one nevertheless

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    # What methods of valuation use

    @property
    def rounds(self) -> Rounds:
        """The samples in rounds, of which any can be drawn by itself."""
        return self._rounds

    def marginals(self, n: int, start: int, count: int) -> Marginals:
        """Rounds ``start`` to ``start + count - 1``, as tensors.

        A round is a permutation (of antithetic ones, a pair), one sample of each index,
        all samples of one index where there are many, or one subset of the whole set.

        Args:
            n: Number of indices; they are ``0, ..., n - 1`` here.
            start: The first round.
            count: Number of rounds; fewer, or none, at the end of a finite sampler.

        Returns:
            The marginal contributions, the same that :meth:`generate` yields.
        """
        return self._rounds.marginals(n, start, count)

    def rounds_per_check(self, n: int) -> int:
        """After how many rounds a stopping criterion is asked.

        It is asked after about ``n`` evaluations, since asking costs as much as a few.
        Subsets of the whole set value everybody at once: there it is asked sixteen
        times as often.

        Args:
            n: Number of indices.

        Returns:
            The number of rounds, at least one.
        """
        everybody = self._rounds.updates_per_round(n) >= 1
        evaluations = n // 16 if everybody else n
        return max(1, -(-evaluations // max(1, self._rounds.rows_per_round(n))))

    def stratum_weights(self, n: int) -> Tensor | None:
        """Share of each stratum in a value; ``None`` where replicates count alike."""
        return self._rounds.stratum_weights(n)

    @property
    def is_exhaustive(self) -> bool:
        """Whether a run to the end meets every sample there is, once, and is exact."""
        return self._rounds.is_exhaustive()

    def record_rounds(self, n: int, n_rounds: int) -> None:
        """Tell how far a fit has come, for :attr:`n_samples` and ``len``.

        Args:
            n: Number of indices.
            n_rounds: Rounds used so far.
        """
        self._len = self.sample_limit(np.arange(n))
        n_samples = self._rounds.samples_per_round(n) * n_rounds
        self._n_samples = n_samples if self._len is None else min(n_samples, self._len)

    def _draw_from(self, rounds: Rounds, owner: type[IndexSampler]) -> None:
        """Draw from rounds, unless a subclass of their owner has its own generate."""
        if type(self).generate is owner.generate:
            self._rounds = rounds

    def _batches(self, samples: Iterator[Sample]) -> Iterator[list[Sample]]:
        while batch := list(islice(samples, self._batch_size)):
            self._n_samples += len(batch)
            yield batch
            if self._interrupted:
                return
