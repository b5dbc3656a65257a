"""Values of players from pairs of coalitions."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

__all__ = ["PairFit"]


@dataclass(frozen=True)
class PairFit:
    """What pairs of coalitions say about the values of players.

    Attributes:
        values: ``(n, V)`` float64.
        standard_errors: ``(n, V)`` float64; 0 where the values are exact, NaN where the
            pairs are too few to tell.

    Example:
        >>> import torch
        >>> PairFit(torch.ones(2, 1), torch.zeros(2, 1)).values.shape
        torch.Size([2, 1])
    """

    values: Tensor
    standard_errors: Tensor
