"""Numbers as they are printed beside what is drawn."""

from __future__ import annotations

import numpy as np

__all__ = ["rounded"]


def rounded(value: float, width: float | None) -> str:
    """A value with its interval, to the two digits that the interval leaves.

    Args:
        value: The value.
        width: Half the width of its interval: 0 where it is exact, ``None`` or NaN
            where it is unknown.

    Returns:
        The sign, the value, and what is known of the interval.

    Example:
        >>> rounded(0.12345, 0.0067), rounded(2.0, 0.0), rounded(2.0, None)
        ('+0.1235 ± 0.0067', '+2 exact', '+2')
    """
    if width is None or not np.isfinite(width):
        text = f"{value:+.3g}"
    elif width == 0:
        text = f"{value:+.3g} exact"
    else:
        digits = max(0, 1 - int(np.floor(np.log10(width))))
        text = f"{value:+.{digits}f} ± {width:.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")  # as wide as the plus
