"""Training and scoring on a subset, which may fail."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from math import nan
from typing import TYPE_CHECKING, NamedTuple

import torch

from torchattr.valuation.types import Sample

if TYPE_CHECKING:
    from torchattr.valuation.utility.model_utility import ModelUtility

__all__ = ["Attempt", "attempt"]


class Attempt(NamedTuple):
    """What came of training and scoring on a subset.

    Attributes:
        value: The score; NaN after an error.
        error: What was raised, or ``None``.
    """

    value: float
    error: Exception | None

    @property
    def reason(self) -> str | None:
        """The error in words, which reach the user from any process."""
        if self.error is None:
            return None
        return f"{type(self.error).__name__}: {self.error}"


def attempt(utility: ModelUtility, sample: Sample) -> Attempt:
    """Train and score on a subset that is not empty.

    Args:
        utility: What is trained and scored.
        sample: The points.

    Returns:
        The score, or what was raised.

    Raises:
        Exception: What training or scoring raises, if the utility catches no errors.
    """
    shown = nullcontext() if utility.show_warnings else warnings.catch_warnings()
    with shown, torch.enable_grad():  # a game is called without gradients
        if not utility.show_warnings:
            warnings.simplefilter("ignore")
        try:
            return Attempt(float(utility.scorer(utility.trained_model(sample))), None)
        except Exception as error:
            if not utility.catch_errors:
                raise
            return Attempt(nan, error)
