"""One point of a result."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ValueItem"]


@dataclass(frozen=True)
class ValueItem:
    """Everything a result says about one point. Items are ordered by their values.

    Attributes:
        idx: Index of the point in the data.
        name: Its name.
        value: What it is worth.
        variance: Sample variance of its marginal contributions.
        count: How many contributions the value is a mean of.
        stderr: Standard error of the value.

    Example:
        >>> from torchattr.valuation.result import ValuationResult
        >>> best = max(ValuationResult(values=[0.5, 2.0], data_names=["a", "b"]))
        >>> best.idx, best.name, best.value
        (1, 'b', 2.0)
    """

    idx: int
    name: int | str
    value: float
    variance: float
    count: int
    stderr: float

    def __lt__(self, other: ValueItem) -> bool:
        return self.value < other.value
