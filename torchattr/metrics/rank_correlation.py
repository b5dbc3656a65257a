"""Do two valuations rank the points alike?"""

from __future__ import annotations

from torch import Tensor

from torchattr.errors import InputError
from torchattr.metrics.correlation import correlations
from torchattr.metrics.point_values import PointValues, aligned

__all__ = ["rank_correlation"]


def rank_correlation(a: PointValues, b: PointValues) -> Tensor:
    r"""Spearman's correlation of two valuations of the same points.

    .. math::
        \rho = \frac{\sum_i (r_i - \bar r)(s_i - \bar s)}
            {\sqrt{\sum_i (r_i - \bar r)^2 \sum_i (s_i - \bar s)^2}}

    with the ranks :math:`r, s` of the points in either, equal values sharing the mean
    of their ranks. For runs of one method with two seeds it says how far the ranking
    can be trusted; between what a valuation predicts and what retraining gives, how
    right it is.

    Args:
        a: ``(n,)``, or ``(m, n)`` for m valuations (of m test examples, say): a tensor,
            an array, or a result, which is joined by its data indices.
        b: Like ``a``, or one of both ``(n,)`` and compared with every row of the other.

    Returns:
        0-dimensional, or ``(m,)``: a correlation for each row, from -1 to 1; NaN where
        all values of a row are equal.

    Raises:
        InputError: If shapes or indices do not agree, or a value is not finite.

    Example:
        >>> rank_correlation([0.1, 0.5, 0.3], [[1.0, 30.0, 2.0], [3.0, 1.0, 2.0]])
        tensor([ 1., -1.], dtype=torch.float64)
    """
    first, second = aligned("a", a, "b", b)
    if min(first.ndim, second.ndim) > 1 and first.shape != second.shape:
        raise InputError(
            "a and b must have the same number of rows, or one of them a single row; "
            f"got shapes {tuple(first.shape)} and {tuple(second.shape)}."
        )
    return correlations(first, second, "spearman")
