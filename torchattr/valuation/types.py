"""What samplers, utilities and methods hand to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torchattr.errors import InputError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "BaggingModel",
    "BaseModel",
    "ClasswiseSample",
    "Sample",
    "SkorchSupervisedModel",
    "SupervisedModel",
]


@dataclass(frozen=True, eq=False)
class Sample:
    """A coalition, and the index whose marginal contribution to it is asked for.

    Samples are equal if their indices and subsets are, in the order given: a
    permutation is a sample too.

    Attributes:
        idx: The index that joins, or ``None`` where the sample is for no one of them.
        subset: Indices of the coalition, without ``idx``.

    Example:
        >>> Sample(3, np.array([0, 2]))
        Sample(idx=3, subset=array([0, 2]))
        >>> Sample(3, np.array([0, 2])).with_idx_in_subset().subset
        array([0, 2, 3])
    """

    idx: int | None
    subset: NDArray[np.int64]

    def __post_init__(self) -> None:
        _keep_indices(self, "subset")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sample):
            return NotImplemented
        return self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())

    def _content(self) -> tuple[object, ...]:
        return tuple(
            part.tobytes() if isinstance(part, np.ndarray) else part
            for part in self.__dict__.values()
        )

    def with_idx(self, idx: int | None) -> Self:
        """The same subset for another index.

        Args:
            idx: The index that joins.

        Returns:
            A new sample, or this one if it has that index.
        """
        return self if idx == self.idx else replace(self, idx=idx)

    def with_subset(self, subset: ArrayLike) -> Self:
        """Another subset for the same index.

        Args:
            subset: Indices of the coalition.

        Returns:
            A new sample.
        """
        return replace(self, subset=subset)  # type: ignore[arg-type]  # made an array

    def with_idx_in_subset(self) -> Self:
        """The coalition after the index joined it, which comes last.

        Returns:
            A new sample, or this one if its index is in the subset or there is none.
        """
        if self.idx is None or self.idx in self.subset:
            return self
        return self.with_subset(np.append(self.subset, self.idx))


@dataclass(frozen=True, eq=False)
class ClasswiseSample(Sample):
    """A coalition inside one class, beside one outside it.

    Attributes:
        label: The class.
        ooc_subset: Indices of the coalition out of the class.

    Example:
        >>> outside = np.array([5])
        >>> sample = ClasswiseSample(3, np.array([0]), label=1, ooc_subset=outside)
        >>> sample.label, sample.ooc_subset
        (1, array([5]))
    """

    label: int = 0
    ooc_subset: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(0, dtype=np.int64)
    )

    def __post_init__(self) -> None:
        _keep_indices(self, "subset")
        _keep_indices(self, "ooc_subset")


def _keep_indices(sample: Sample, name: str) -> None:
    """Make a field a one-dimensional array of integers."""
    given = np.asarray(getattr(sample, name))
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise InputError(
            f"{name} must be indices in one dimension, got the shape {given.shape} of "
            f"{given.dtype}"
        )
    object.__setattr__(sample, name, given.astype(np.int64, copy=False))


@runtime_checkable
class BaseModel(Protocol):
    """What can be fitted, as scikit-learn's estimators can."""

    def fit(self, x: object, y: object, /) -> object:
        """Fit the model to inputs and targets."""


@runtime_checkable
class SupervisedModel(BaseModel, Protocol):
    """What can be fitted, predicts, and says how well."""

    def predict(self, x: object, /) -> object:
        """Predictions for inputs."""

    def score(self, x: object, y: object, /) -> float:
        """How good the predictions for inputs are."""


@runtime_checkable
class SkorchSupervisedModel(SupervisedModel, Protocol):
    """What a network wrapped by skorch is: its targets live on the CPU for scoring."""

    def initialize(self) -> object:
        """Make the network and its optimizer anew."""

    def partial_fit(self, x: object, y: object, /) -> object:
        """Go on training."""


@runtime_checkable
class BaggingModel(SupervisedModel, Protocol):
    """An ensemble whose members say which points they were fitted to.

    Attributes:
        estimators_: The members.
    """

    estimators_: Sequence[SupervisedModel]

    @property
    def estimators_samples_(self) -> Sequence[NDArray[np.int64]]:
        """The positions of the points that each member was fitted to."""
