"""From standard errors to intervals, and to where they leave the sign open."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from torchattr.errors import InputError
from torchattr.visualization.arrays import Array, Floats, as_floats

__all__ = ["half_widths", "sign_uncertain"]


def half_widths(
    standard_errors: Array,
    *,
    confidence: float = 0.95,
    degrees_of_freedom: float | None = None,
) -> Floats:
    r"""Half the width of a two-sided interval, :math:`t_{(1 + c) / 2, \nu}\,s`.

    Args:
        standard_errors: Not negative; 0 where a value is exact, NaN where its spread is
            unknown (a single replicate).
        confidence: The level :math:`c`, between 0 and 1.
        degrees_of_freedom: The :math:`\nu` of Student's t: independent replicates
            minus one for a mean. ``None`` is the normal limit.

    Returns:
        Half widths, NaN where the standard error is.

    Raises:
        InputError: If a standard error is negative, or one of the options is out of
            its range.

    Example:
        >>> import numpy as np
        >>> half_widths(np.array([1.0]), degrees_of_freedom=4).round(3)
        array([2.776])
    """
    errors = as_floats("standard_errors", standard_errors, finite=False)
    if (errors < 0).any():
        raise InputError(
            f"standard_errors must not be negative; got {np.nanmin(errors):.3g}. "
            "Pass standard errors (not values, nor lower ends of intervals)."
        )
    if not 0 < confidence < 1:
        raise InputError(
            f"confidence must lie between 0 and 1; got {confidence}. Use 0.95 for 95%."
        )
    if degrees_of_freedom is not None and not degrees_of_freedom > 0:
        raise InputError(
            f"degrees_of_freedom must be positive; got {degrees_of_freedom}. It is the "
            "number of independent replicates minus one: draw at least two."
        )
    degrees = np.inf if degrees_of_freedom is None else degrees_of_freedom
    quantile: Floats = stdtrit(degrees, (1 + confidence) / 2)
    return quantile * errors


def sign_uncertain(values: Floats, widths: Floats) -> npt.NDArray[np.bool_]:
    """Where the interval around a value has both signs.

    Args:
        values: Estimates.
        widths: Half widths of their intervals: NaN (unknown) counts as infinite, and 0
            leaves nothing uncertain, not even of a value of 0.

    Returns:
        A mask like ``values``.
    """
    uncertain: npt.NDArray[np.bool_] = ~(np.abs(values) > widths) & (widths != 0)
    return uncertain
