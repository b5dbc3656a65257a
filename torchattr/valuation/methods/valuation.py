"""What all valuation methods have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, final

from torchattr.errors import InputError

if TYPE_CHECKING:
    from typing_extensions import Self

    from torchattr.valuation.dataset import Dataset
    from torchattr.valuation.result import ValuationResult

__all__ = ["Valuation"]


class Valuation(ABC):
    """A method that gives a value to each point of a data set.

    A subclass writes :meth:`fit`, which leaves its answer in ``_result`` and returns
    ``self``.
    """

    _result: ValuationResult | None = None

    @abstractmethod
    def fit(
        self, data: Dataset | None = None, continue_from: ValuationResult | None = None
    ) -> Self:
        """Compute the values.

        Args:
            data: The points to value; ``None`` where the utility is a
                :class:`~torchattr.games.Game`, which has its own players.
            continue_from: A result of the same method on the same data, to go on from.
                It stays as it is.

        Returns:
            The method itself.
        """

    @property
    @final
    def is_fitted(self) -> bool:
        """Whether there is a result."""
        return self._result is not None

    @property
    @final
    def result(self) -> ValuationResult:
        """The values, with their standard errors.

        Raises:
            InputError: If the method was not fitted.
        """
        if self._result is None:
            raise InputError(
                f"{type(self).__name__} has no result yet; call fit(data) first"
            )
        return self._result

    @final
    def values(self, *, sort: bool = False) -> ValuationResult:
        """The result, sorted by value if asked for.

        Args:
            sort: Whether the lowest value comes first.

        Returns:
            The result, or a sorted one beside it.
        """
        return self.result.sort() if sort else self.result
