"""Colours that keep their meaning in every figure: red adds, blue takes away.

Both hues and the white between them come from ColorBrewer's RdBu, which readers with
any of the common colour deficiencies can tell apart. The darkest tenth at either end
is left out: next to black lines and beneath a shaded image those two look the same.
What is pointed out is orange, from the same maker's Dark2.
"""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

__all__ = ["INK", "MARKED", "NEGATIVE", "POSITIVE", "diverging"]

POSITIVE = "#c43b3c"
NEGATIVE = "#3a7cb8"
INK = "#3d3d3d"
MARKED = "#d95f02"


def diverging() -> LinearSegmentedColormap:
    """Blue (negative) through white (zero) to red (positive).

    Returns:
        A colour map, symmetric in lightness; centre it with equal limits.

    Example:
        >>> from torchattr.visualization.palette import diverging
        >>> red, _, blue, _ = diverging()(1.0)
        >>> bool(red > blue)
        True
    """
    shades = mpl.colormaps["RdBu_r"](np.linspace(0.07, 0.93, 257))
    return LinearSegmentedColormap.from_list("torchattr_diverging", shades, N=257)
