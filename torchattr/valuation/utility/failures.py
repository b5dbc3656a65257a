"""Coalitions on which no model could be trained."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchattr.errors import InputError

if TYPE_CHECKING:
    from torchattr.valuation.dataset import Dataset

__all__ = ["Failures"]


@dataclass
class Failures:
    """How often training failed on one training set, and whether that is tolerable.

    A subset may lack a class, or be too small. But what fails on the whole training
    set as well is an error of the user's, and must not pass for a low value.

    Attributes:
        data: The training set.
        default: The value that failing subsets get.
        show_warnings: Whether the first failure is warned about.
        count: Number of failures so far.
        whole_set_works: Whether training on the whole set is known to work.
    """

    data: Dataset
    default: float
    show_warnings: bool = True
    count: int = 0
    whole_set_works: bool = False

    def add(self, number: int, reason: str) -> None:
        """Count failures, and warn about the first.

        Args:
            number: How many there are.
            reason: What was wrong with one of them.
        """
        first = self.count == 0
        self.count += number
        if first and self.show_warnings:
            warnings.warn(
                "no model could be trained and scored on a subset of the training set "
                f"({reason}). Such subsets get the scorer's default, {self.default:g}; "
                "the result's n_failures counts them.",
                RuntimeWarning,
                stacklevel=2,
            )

    def refuse(self, error: Exception) -> InputError:
        """What to raise when the whole training set fails.

        Args:
            error: The user's own error.

        Returns:
            An error to be raised from it.
        """
        return InputError(
            "no model could be trained and scored on the whole training set of "
            f"{len(self.data)} points: {type(error).__name__}: {error}. A subset on "
            "which that fails gets the scorer's default; the whole set has to work."
        )
