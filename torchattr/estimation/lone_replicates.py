r"""Variances of strata with a single replicate, which have no spread of their own.

What is known of them is borrowed. Player :math:`i` contributes :math:`y_{il}` in
stratum :math:`l`; over the players, these follow what the same players contribute in
the other strata, :math:`p_{il} = \sum_{m \ne l} y_{im}`, on a line
:math:`y_{il} = a_l + b_l p_{il} + r_{il}`. What the line leaves over is mostly
noise, and its variance :math:`\sum_i r_{il}^2 / (n - 2)` is the stratum's. How much
noisier than others a player is, the same in all strata, comes from its residuals and
from the strata in which it has several replicates.

With few players there is no line: then a player borrows from its other strata, or, if
all have a single replicate, from the differences between neighbouring ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["lone_variances"]

_ENOUGH_PLAYERS = 5  # for a line, and three degrees of freedom beside it
# Degrees of freedom with which a player is taken to be like the others.
_PRIOR = 2.0

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def lone_variances(
    contributions: Array, lone: Mask, seen: Mask, pooled: Array, freedom: Array
) -> Array:
    """Variances of contributions that were seen once.

    Args:
        contributions: ``(L, n)``: what each stratum adds to each player's value.
        lone: ``(L, n)``: the cells in question.
        seen: ``(L, n)``: cells of which there is anything.
        pooled: ``(n,)``: variance over the strata with several replicates.
        freedom: ``(n,)``: its degrees of freedom.

    Returns:
        ``(L, n)``: the variances, 0 elsewhere, NaN where nothing can be said.

    Example:
        >>> one, none = np.ones((3, 1)), np.zeros(1)
        >>> y = np.array([[1.0], [2.0], [5.0]])
        >>> lone_variances(y, one > 0, one > 0, none, none).round(4)[:, 0]
        array([0.6667, 0.6667, 0.6667])

    References:
        Cochran (1977), *Sampling techniques*, sections 5A.12 and 8.11.
    """
    own = np.where(freedom > 0, pooled, _spread_of_neighbours(contributions, seen))
    variances = np.where(lone, own, 0.0)
    lines = lone.sum(1) >= _ENOUGH_PLAYERS
    if not lines.any():
        return variances
    mask = lone[lines]
    squares = _residuals(contributions, lines, mask) ** 2
    level = squares.sum(1) / (mask.sum(1) - 2)
    mean = squares.sum(1) / mask.sum(1)
    relative = squares / np.where(mean > 0, mean, 1.0)[:, None]
    telling = (mask & (mean > 0)[:, None]).sum(0)
    typical = pooled[freedom > 0].mean() if (freedom > 0).any() else 0.0
    degrees = freedom if typical > 0 else np.zeros_like(freedom)
    noisiness = (_PRIOR + degrees * pooled / (typical or 1.0) + relative.sum(0)) / (
        _PRIOR + degrees + telling
    )
    variances[lines] = np.where(mask, level[:, None] * noisiness, variances[lines])
    return variances


def _residuals(contributions: Array, lines: Mask, mask: Mask) -> Array:
    """``(lines, n)``: deviations from the line over the players, 0 outside the mask."""
    y = contributions[lines]
    p = contributions.sum(0) - y
    number = mask.sum(1, keepdims=True)
    y, p = (
        np.where(mask, x - np.where(mask, x, 0.0).sum(1, keepdims=True) / number, 0.0)
        for x in (y, p)
    )
    steep = (p * p).sum(1, keepdims=True)
    slope = (p * y).sum(1, keepdims=True) / np.where(steep > 0, steep, 1.0)
    residuals: Array = y - slope * p
    return residuals


def _spread_of_neighbours(contributions: Array, seen: Mask) -> Array:
    """``(n,)``: variance of single values over ``L`` strata, NaN for only one."""
    # A second difference has six times the variance of its values, a first twice.
    order = np.argsort(~seen, axis=0, kind="stable")
    x = np.where(
        np.take_along_axis(seen, order, 0),
        np.take_along_axis(contributions, order, 0),
        np.nan,
    )
    number = seen.sum(0)
    first = np.nan_to_num(np.diff(x, 1, axis=0) ** 2).sum(0) / 2
    second = np.nan_to_num(np.diff(x, 2, axis=0) ** 2).sum(0) / 6
    spread: Array = np.select(
        [number > 2, number == 2], [second / np.maximum(number - 2, 1), first], np.nan
    )
    return spread
