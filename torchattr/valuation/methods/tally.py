"""Samples become values: a block is evaluated at once, and folded in round by round."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from torchattr.errors import InputError
from torchattr.estimation.marginal_means import MarginalMeans
from torchattr.estimation.with_and_without import WithAndWithout
from torchattr.valuation.result import ValuationResult

__all__ = ["Tally", "scalars", "sizes_of"]


class Tally(ABC):
    """Running means over the rounds of a sampler.

    Attributes:
        means: The means so far.
    """

    means: MarginalMeans | WithAndWithout

    @abstractmethod
    def evaluate(
        self, start: int, count: int, keep: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Draw rounds and evaluate them; they are then folded in part by part.

        Args:
            start: The first round.
            count: Number of rounds.
            keep: ``(n,)``: points whose contributions are not asked for.

        Returns:
            The round of each row of the block, never falling.
        """

    @abstractmethod
    def fold(self, rows: slice, keep: NDArray[np.bool_]) -> None:
        """Fold rows of the last block in.

        Args:
            rows: Which.
            keep: ``(n,)``: points whose means stay as they are.
        """

    @abstractmethod
    def restore(self, result: ValuationResult) -> None:
        """Go on from where a run ended.

        Args:
            result: What it found, in the order of the points.
        """


def scalars(values: Tensor) -> NDArray[np.float64]:
    """Values of coalitions as one float64 each.

    Args:
        values: ``(C,)``, on any device.

    Returns:
        ``(C,)``.

    Raises:
        InputError: If a coalition has several values.
    """
    if values.ndim != 1:
        raise InputError(
            "a valuation takes one number for each coalition; the game gives values of "
            f"shape {tuple(values.shape[1:])}. Value one of them at a time, or use "
            "DataShapley(..., per_example=True)."
        )
    numbers: NDArray[np.float64] = values.double().cpu().numpy()
    return numbers


def sizes_of(coalitions: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Numbers of members, by sums of bytes: a fortieth of what PyTorch's sum takes.

    Args:
        coalitions: ``(C, n)``.

    Returns:
        ``(C,)``.
    """
    narrow = np.uint16 if coalitions.shape[1] < 2**16 else np.int64
    sizes: NDArray[np.int64]
    sizes = coalitions.view(np.uint8).sum(1, dtype=narrow).astype(np.int64)
    return sizes
