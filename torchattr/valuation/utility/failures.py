"""Coalitions on which no model could be trained."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, final

from torchattr.errors import InputError
from torchattr.valuation.types import Sample
from torchattr.valuation.utility.attempt import attempt

if TYPE_CHECKING:
    from torchattr.valuation.dataset import Dataset
    from torchattr.valuation.utility.model_utility import ModelUtility

__all__ = ["Failures"]


@final
class Failures:
    """How often training failed on subsets of one training set.

    A subset may lack a class, or be too small. But what fails on the whole training
    set as well is an error of the user's, and must not pass for a low value.

    Args:
        data: The training set.

    Attributes:
        count: Number of failures so far.
    """

    def __init__(self, data: Dataset) -> None:
        self.data = data
        self.count = 0
        self._whole_set_works = False

    def add(self, utility: ModelUtility, number: int, reason: str) -> int:
        """Count failures, once it is known that the whole training set works.

        Args:
            utility: What failed.
            number: How many subsets it failed on.
            reason: What was wrong with one of them.

        Returns:
            How many models had to be trained to know that.

        Raises:
            InputError: If training fails on the whole training set, from the model's
                own error.
        """
        n_trained = 0
        if not self._whole_set_works:
            error = attempt(utility, Sample(None, self.data.indices)).error
            if error is not None:
                raise InputError(
                    "no model could be trained and scored on the whole training set "
                    f"of {len(self.data)} points: {type(error).__name__}: {error}. A "
                    "subset on which that fails gets the scorer's default; the whole "
                    "set has to work."
                ) from error
            self._whole_set_works, n_trained = True, 1
        first = self.count == 0
        self.count += number
        if first and utility.show_warnings:
            warnings.warn(
                "no model could be trained and scored on a subset of the training set "
                f"({reason}). Such subsets get the scorer's default, "
                f"{utility.default:g}; the result's n_failures counts them.",
                RuntimeWarning,
                stacklevel=3,
            )
        return n_trained
