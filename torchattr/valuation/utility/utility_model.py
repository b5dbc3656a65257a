"""Models of a utility: what subsets are probably worth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Protocol, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import Self

from torchattr.errors import InputError
from torchattr.games.counts import as_count
from torchattr.valuation.types import Sample

__all__ = ["IndicatorUtilityModel", "UtilityModel"]


class UtilityModel(ABC):
    """Learns from subsets and their utilities, and predicts those of other subsets.

    Example:
        >>> class Mean(UtilityModel):
        ...     def fit(self, samples):
        ...         self.mean = np.mean(list(samples.values()))
        ...         return self
        ...
        ...     def predict(self, samples):
        ...         return np.full(len(samples), self.mean)
        >>> known = {Sample(None, np.array([i])): float(i) for i in range(3)}
        >>> Mean().fit(known).predict([Sample(None, np.arange(3))])
        array([1.])
    """

    @abstractmethod
    def fit(self, samples: dict[Sample, float]) -> Self:
        """Learn, from nothing, whatever was learned before.

        Args:
            samples: Subsets (in ``sample.subset``), and what they are worth.

        Returns:
            The model itself.
        """

    @abstractmethod
    def predict(self, samples: Collection[Sample]) -> ArrayLike:
        """What subsets are probably worth.

        Args:
            samples: The subsets.

        Returns:
            ``(len(samples),)`` numbers.
        """


class _Regressor(Protocol):
    def fit(self, x: NDArray[np.float64], y: NDArray[np.float64], /) -> object: ...

    def predict(self, x: NDArray[np.float64], /) -> ArrayLike: ...


@final
class IndicatorUtilityModel(UtilityModel):
    """A regression on which points are in the subset, 1 or 0 for each.

    Args:
        predictor: Anything that fits and predicts as scikit-learn's regressors do. A
            linear one makes the utility additive.
        n_data: Number of points; their indices are ``0, ..., n_data - 1``.

    Raises:
        InputError: If ``n_data`` is not positive; when called, if an index is not below
            it.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> model = IndicatorUtilityModel(LinearRegression(fit_intercept=False), 2)
        >>> known = {Sample(None, np.array([i])): 1.0 + i for i in range(2)}
        >>> model.fit(known).predict([Sample(None, np.array([0, 1]))]).round(6)
        array([3.])
    """

    def __init__(self, predictor: _Regressor, n_data: int) -> None:
        self.predictor = predictor
        self.n_data = as_count("n_data", n_data)

    def fit(self, samples: Mapping[Sample, float]) -> Self:
        """See :meth:`UtilityModel.fit`."""
        self.predictor.fit(self._indicators(samples), np.array(list(samples.values())))
        return self

    def predict(self, samples: Collection[Sample]) -> NDArray[np.float64]:
        """See :meth:`UtilityModel.predict`."""
        predicted = self.predictor.predict(self._indicators(samples))
        return np.asarray(predicted, np.float64).reshape(len(samples))

    def _indicators(self, samples: Collection[Sample]) -> NDArray[np.float64]:
        members = [np.asarray(sample.subset, np.int64) for sample in samples]
        rows = np.repeat(np.arange(len(members)), [len(part) for part in members])
        columns = np.concatenate([np.empty(0, np.int64), *members])
        if len(columns) and not (columns.min() >= 0 and columns.max() < self.n_data):
            raise InputError(
                f"an IndicatorUtilityModel of n_data={self.n_data} points knows the "
                f"indices 0 to {self.n_data - 1}, got {columns.max()}; number the "
                "points (or groups) from 0"
            )
        indicators = np.zeros((len(members), self.n_data))
        indicators[rows, columns] = 1
        return indicators
