"""Methods that compute all values at once."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, final

from torchattr.errors import InputError
from torchattr.valuation.methods.points import check_data
from torchattr.valuation.methods.valuation import Valuation
from torchattr.valuation.result import ValuationResult

if TYPE_CHECKING:
    from typing_extensions import Self

    from torchattr.valuation.dataset import Dataset

__all__ = ["OnePassValuation"]


class OnePassValuation(Valuation):
    """A method without rounds, so that there is nothing to go on from."""

    @abstractmethod
    def _valued(self, data: Dataset | None) -> ValuationResult:
        """The values of some points; what a subclass writes."""

    @final
    def fit(
        self, data: Dataset | None = None, continue_from: ValuationResult | None = None
    ) -> Self:
        """Compute the values.

        Args:
            data: The points to value; ``None`` where the utility is a
                :class:`~torchattr.games.Game`, or has data already.
            continue_from: Only ``None``.

        Returns:
            The method itself, with its :attr:`result`.

        Raises:
            InputError: If data is missing or no data set, or there is something to go
                on from.
        """
        if continue_from is not None:
            raise InputError(
                f"{type(self).__name__} computes all values at once and cannot go on "
                "from another result; call fit(data) alone"
            )
        check_data(data)
        self._result = self._valued(data)
        return self
