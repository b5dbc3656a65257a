"""Subsets of the other classes, and samples inside a class."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, count, islice
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torchattr.errors import InputError
from torchattr.valuation.dataset import Dataset
from torchattr.valuation.samplers.index_sampler import IndexSampler, LogWeight
from torchattr.valuation.samplers.powerset_sampler import PowersetSampler
from torchattr.valuation.types import ClasswiseSample, Sample

__all__ = ["ClasswiseSampler"]


@final
class ClasswiseSampler(IndexSampler):
    """One class after the other: a subset of the others, then samples inside it.

    At the next turn of a class both parts go on where they were, so that permutations
    inside it are new each time.

    Args:
        in_class: Samples inside the class; mostly a :class:`PermutationSampler`.
        out_of_class: Subsets of the other classes: a powerset sampler with
            :class:`NoIndexIteration` or :class:`FiniteNoIndexIteration`.
        max_in_class_samples: Samples inside the class for each subset outside it.
            ``None`` takes all, of a finite sampler.
        min_elements_per_label: Elements that a subset outside must have of each other
            class, or else it is skipped.
        batch_size: Samples in each batch.

    Raises:
        InputError: If the subsets outside are for single indices.

    Example:
        >>> from torchattr.valuation.samplers import LOOSampler, MSRSampler
        >>> data = Dataset(np.arange(4.0)[:, None], np.array([0, 0, 1, 1]))
        >>> sampler = ClasswiseSampler(LOOSampler(), MSRSampler(seed=2))
        >>> sample = next(sampler.samples_from_data(data))
        >>> sample.label, sample.idx, sample.subset, sample.ooc_subset
        (0, 0, array([1]), array([3]))

    References:
        Schoch, Xu and Ji (2022), *CS-Shapley: class-wise Shapley values for data
        valuation in classification*.
    """

    def __init__(
        self,
        in_class: IndexSampler,
        out_of_class: PowersetSampler,
        *,
        max_in_class_samples: int | None = None,
        min_elements_per_label: int = 1,
        batch_size: int = 1,
    ) -> None:
        super().__init__(batch_size)
        if (
            not isinstance(out_of_class, PowersetSampler)
            or out_of_class.index_iteration.is_proper()
        ):
            raise InputError(
                "out_of_class must be a powerset sampler of whole subsets; got "
                f"{out_of_class!r}. Give it index_iteration=NoIndexIteration."
            )
        if max_in_class_samples is not None and max_in_class_samples < 1:
            raise InputError(
                f"max_in_class_samples must be at least 1, got {max_in_class_samples!r}"
            )
        self.in_class = in_class
        self.out_of_class = out_of_class
        self.max_in_class_samples = max_in_class_samples
        self.min_elements_per_label = min_elements_per_label

    def samples_from_data(self, data: Dataset) -> Iterator[ClasswiseSample]:
        """The samples of a labelled data set.

        Args:
            data: The data set.

        Returns:
            An iterator over samples.

        Raises:
            InputError: If there are fewer than two classes, one has too few elements,
                or nothing ends the samples inside a class.
        """
        labels = np.asarray(data.data().y)
        classes, sizes = np.unique(labels, return_counts=True)
        fewest = max(self.min_elements_per_label, 1)
        if (
            labels.shape != (len(data.indices),)
            or len(classes) < 2
            or sizes.min() < fewest
        ):
            raise InputError(
                "class-wise samples need one label for each point, and two classes or "
                f"more with {fewest} points each or more; got labels of shape "
                f"{labels.shape} for {len(data.indices)} indices, and {len(classes)} "
                f"classes of which the smallest has {sizes.min(initial=len(labels))}. "
                "Merge classes, or lower min_elements_per_label."
            )
        if self.max_in_class_samples is None and self._inside_is_endless():
            raise InputError(
                f"{self.in_class!r} never ends: set max_in_class_samples to the number "
                "of samples inside a class for each subset outside it"
            )
        return self._turns(data.indices, labels, classes)

    def batches_from_data(self, data: Dataset) -> Iterator[list[Sample]]:
        """The samples in lists of ``batch_size``, until the end or an interruption.

        Args:
            data: The data set.

        Returns:
            An iterator over lists of samples; the last may be shorter.
        """
        samples = self.samples_from_data(data)
        self._n_samples = 0
        self._interrupted = False
        return self._batches(samples)

    def generate(self, indices: NDArray[np.int64]) -> Iterator[Sample]:
        """Not possible: indices have no labels."""
        raise InputError(
            "class-wise samples depend on labels: use samples_from_data(data) or "
            "batches_from_data(data)"
        )

    def log_weight(self, n: int, subset_len: ArrayLike) -> LogWeight:
        """That of the sampler inside a class of ``n`` points."""
        return self.in_class.log_weight(n, subset_len)

    def sample_limit(self, indices: NDArray[np.int64]) -> int | None:
        """``None`` where subsets outside never end; else it depends on labels."""
        if self.out_of_class.sample_limit(indices) is None:
            return None
        raise InputError("how many class-wise samples there are depends on labels")

    def _inside_is_endless(self) -> bool:
        return self.in_class.sample_limit(np.arange(2)) is None

    def _turns(
        self, indices: NDArray[np.int64], labels: NDArray[Any], classes: NDArray[Any]
    ) -> Iterator[ClasswiseSample]:
        """Class after class, until no class has another subset outside it."""
        outside = {label: self._outside(labels, label) for label in classes.tolist()}
        inside = {
            label: self._inside(indices[labels == label]) for label in classes.tolist()
        }
        while outside:
            for label in list(outside):
                subset = next(outside[label], None)
                if subset is None:
                    del outside[label]
                    continue
                for sample in next(inside[label]):
                    yield ClasswiseSample(
                        sample.idx, sample.subset, label, indices[subset]
                    )

    def _outside(
        self, labels: NDArray[Any], label: object
    ) -> Iterator[NDArray[np.int64]]:
        """Positions of other classes, with enough of each."""
        positions = np.flatnonzero(labels != label)
        codes = np.unique(labels[positions], return_inverse=True)[1]
        code_at = np.zeros(len(labels), dtype=np.int64)
        code_at[positions] = codes
        batches = self.out_of_class.generate_batches(positions)
        for sample in chain.from_iterable(batches):
            present = np.bincount(code_at[sample.subset], minlength=codes.max() + 1)
            if present.min() >= self.min_elements_per_label:
                yield sample.subset

    def _inside(self, members: NDArray[np.int64]) -> Iterator[Iterator[Sample]]:
        """For each turn of a class, its samples inside it."""
        again = (self.in_class.generate(members) for _ in count())
        if self.max_in_class_samples is None:
            return again
        endless = chain.from_iterable(again)
        return (islice(endless, self.max_in_class_samples) for _ in count())
