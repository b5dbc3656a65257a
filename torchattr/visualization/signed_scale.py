"""Captum's reading of attributions: one sign, scaled to [0, 1] (or [-1, 1] for all)."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from torchattr.errors import InputError
from torchattr.visualization.arrays import Floats

__all__ = ["Sign", "scaled_by_sign"]

Sign: TypeAlias = Literal["positive", "negative", "absolute_value", "all"]


def scaled_by_sign(values: Floats, sign: Sign, outlier_perc: float) -> Floats:
    r"""Part of the values with one sign, divided by a robust maximum and clipped.

    The maximum is the smallest size at which the sizes up to it make
    ``100 - outlier_perc`` percent of the sum of all sizes.

    Args:
        values: (H, W).
        sign: ``"positive"`` and ``"negative"`` drop the other sign,
            ``"absolute_value"`` merges both; these give [0, 1]. ``"all"`` keeps both,
            in [-1, 1].
        outlier_perc: Share of the total size, in percent, in pixels that are clipped.

    Returns:
        (H, W); zeros when nothing of that sign is there (captum fails).

    Raises:
        InputError: If ``sign`` is not one of the four, or ``outlier_perc`` is no
            percentage.
    """
    if not 0 <= outlier_perc <= 100:
        raise InputError(
            f"outlier_perc must lie between 0 and 100; got {outlier_perc}. "
            "0 scales by the largest value."
        )
    if sign == "positive":
        part = np.maximum(values, 0)
    elif sign == "negative":
        part = np.maximum(-values, 0)
    elif sign == "absolute_value":
        part = np.abs(values)
    elif sign == "all":
        part = values
    else:
        raise InputError(
            'sign must be "positive", "negative", "absolute_value" or "all"; '
            f"got {sign!r}."
        )
    sizes = np.sort(np.abs(part[part != 0]))
    if not len(sizes):
        return np.zeros_like(part)
    sums = np.cumsum(sizes)
    # Rounding may put the wanted share above the whole sum: then it is the last one.
    index = np.searchsorted(sums, sums[-1] * (1 - outlier_perc / 100))
    scaled: Floats = np.clip(part / sizes[min(int(index), len(sizes) - 1)], -1, 1)
    return scaled
