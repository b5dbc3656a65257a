"""Scorers: how good a trained model is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf, isfinite, isnan
from types import GenericAlias

from torchattr.errors import InputError

__all__ = ["Scorer", "checked_default", "checked_range"]


class Scorer(ABC):
    """A number for a trained model; a subclass writes ``__call__``.

    Attributes:
        default: The score of no model at all, which an empty coalition gets, and one
            on which no model can be trained. Where it is ``None``, it is the score of
            the predictor that ignores its inputs: scikit-learn's
            ``DummyClassifier(strategy="prior")`` or ``DummyRegressor()``, fitted on
            the whole training set.
        name: What it is called in messages and plots.
        range: The least and the greatest score there can be.

    Example:
        >>> class Size(Scorer):
        ...     name = "size"
        ...     default = 0.0
        ...
        ...     def __call__(self, model):
        ...         return float(len(model))
        >>> Size()([1, 2, 3])
        3.0
    """

    default: float | None = None
    name: str = ""
    range: tuple[float, float] = (-inf, inf)

    def __class_getitem__(cls, kinds: object) -> GenericAlias:
        """Let ``Scorer[Model]`` be written, as pyDVL's can."""
        return GenericAlias(cls, kinds)

    @abstractmethod
    def __call__(self, model: object) -> float:
        """The score.

        Args:
            model: A trained model.

        Returns:
            Its score.
        """

    def __str__(self) -> str:
        """Name, default and range, as pyDVL prints them."""
        return f"{self.name} (default={self.default}, range={self.range})"


def checked_default(default: float | None) -> float | None:
    """A default that may be the value of a coalition.

    Args:
        default: What the user gave.

    Returns:
        A float, or ``None``.

    Raises:
        InputError: If it is not finite, as no value can be computed with it.
    """
    if default is None:
        return None
    if not isfinite(default):
        raise InputError(
            f"default must be finite, got {default}; pass a number, or None for the "
            "score of the constant predictor"
        )
    return float(default)


def checked_range(limits: tuple[float, float]) -> tuple[float, float]:
    """The least and the greatest score.

    Args:
        limits: What the user gave.

    Returns:
        Two floats.

    Raises:
        InputError: If they are not two numbers in ascending order.
    """
    low, high = (float(limit) for limit in limits)
    if isnan(low) or isnan(high) or low > high:
        raise InputError(f"range must be two numbers in ascending order, got {limits}")
    return low, high
