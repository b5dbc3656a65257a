"""Do the lowest values find the wrong labels?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

from torchattr.errors import InputError
from torchattr.metrics.correlation import average_ranks
from torchattr.metrics.point_values import PointValues, aligned

__all__ = ["mislabel_auroc"]

Mask: TypeAlias = "Tensor | npt.NDArray[np.generic] | Sequence[bool]"


def mislabel_auroc(values: PointValues, flipped: Mask) -> float:
    r"""Chance that a mislabelled point has a lower value than a correct one.

    .. math::
        \mathrm{AUROC} = P(\phi_f < \phi_c) + \tfrac12 P(\phi_f = \phi_c)

    for a random flipped point f and a random clean point c: the area under the ROC
    curve of the flag "its value is low". 0.5 is guessing, 1 separates both completely.
    Who inspects the points from the lowest value upwards sees a mean share
    :math:`p / 2 + (1 - p)\,\mathrm{AUROC}` of the flipped ones on the way, where p is
    the share of flipped points.

    Args:
        values: ``(n,)``: a tensor, an array or a result. Low means suspicious; pass
            ``-scores`` where a high score does.
        flipped: ``(n,)``, true for a point whose label is wrong. Beside a result,
            element i is that of data index i, however the result is sorted.

    Returns:
        From 0 to 1.

    Raises:
        InputError: If shapes do not agree, a value is not finite, or ``flipped`` is not
            a mask with at least one point of either kind.

    Example:
        >>> mislabel_auroc([-0.3, 0.2, 0.1, 0.1], [True, False, True, False])
        0.875
    """
    numbers, mask = aligned("values", values, "flipped", flipped)
    if numbers.ndim != 1 or mask.ndim != 1:
        raise InputError(
            "values and flipped must be (n,), one for each point; got shapes "
            f"{tuple(numbers.shape)} and {tuple(mask.shape)}. Sum a matrix over the "
            "test examples first."
        )
    wrong = mask == 1
    if not bool((wrong | (mask == 0)).all()):
        raise InputError(
            "flipped must be a mask of booleans, or of 0 and 1; got other numbers. "
            "From positions make one: mask = torch.zeros(n, dtype=torch.bool); "
            "mask[positions] = True."
        )
    n_wrong = int(wrong.sum())
    n_right = len(wrong) - n_wrong
    if not n_wrong or not n_right:
        raise InputError(
            "flipped must mark some points and leave some; got "
            f"{n_wrong} of {len(wrong)} marked."
        )
    wins = average_ranks(numbers)[~wrong].sum() - n_right * (n_right + 1) / 2
    return float(wins) / (n_wrong * n_right)
