"""What samplers, utilities and methods hand to each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sample"]


@dataclass(frozen=True, eq=False)
class Sample:
    """A coalition, and the index whose marginal contribution to it is asked for.

    Attributes:
        idx: The index that joins, or ``None`` where the sample is for no one of them.
        subset: Indices of the coalition, without ``idx``.

    Example:
        >>> Sample(3, np.array([0, 2]))
        Sample(idx=3, subset=array([0, 2]))
    """

    idx: int | None
    subset: NDArray[np.int64]
