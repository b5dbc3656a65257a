"""Utilities: what a set of training points is worth."""

from __future__ import annotations

import copy as copying
from abc import ABC, abstractmethod
from types import GenericAlias
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import Self

from torchattr.valuation.types import Sample

if TYPE_CHECKING:
    from torchattr.valuation.dataset import Dataset

__all__ = ["UtilityBase"]


class UtilityBase(ABC):
    """A number for each set of training points; a subclass writes ``__call__``.

    Attributes:
        in_workers: Whether calls may be made in other processes, on copies of the
            utility. A subclass that remembers its calls sets it to ``False``.

    Example:
        >>> import numpy as np
        >>> class Size(UtilityBase):
        ...     def __call__(self, sample):
        ...         return 0.0 if sample is None else float(len(sample.subset))
        >>> Size()(Sample(None, np.array([0, 2])))
        2.0
    """

    in_workers: ClassVar[bool] = True

    _training_data: Dataset | None = None

    def __class_getitem__(cls, kinds: object) -> GenericAlias:
        """Let ``UtilityBase[Sample]`` be written, as pyDVL's can."""
        return GenericAlias(cls, kinds)

    @abstractmethod
    def __call__(self, sample: Sample | None) -> float:
        """What the points of a sample are worth.

        Args:
            sample: The points, in ``sample.subset``; ``None`` is none.

        Returns:
            The utility, a constant for ``None`` and for an empty subset.
        """

    @property
    def training_data(self) -> Dataset | None:
        """The points that subsets are of; ``None`` before they are known."""
        return self._training_data

    def with_dataset(self, data: Dataset, copy: bool = True) -> Self:  # ruff: ignore[boolean-type-hint-positional-argument, boolean-default-value-positional-argument] (pyDVL's argument)
        """The same utility of subsets of a data set.

        Args:
            data: The training points.
            copy: Whether to leave this utility as it is.

        Returns:
            A shallow copy that has the data, or this utility.
        """
        utility = copying.copy(self) if copy else self
        utility._training_data = data
        return utility
