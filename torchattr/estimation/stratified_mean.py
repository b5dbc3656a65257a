r"""The weighted mean of stratum means, and its standard error.

.. math:: \hat\phi = \sum_l w_l \bar x_l, \qquad
    \mathrm{se}^2 = \sum_l w_l^2 \frac{s_l^2}{c_l}

with :math:`c_l` independent replicates of variance :math:`s_l^2` in stratum :math:`l`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from torchattr.estimation.lone_replicates import lone_variances
from torchattr.estimation.running_cells import RunningCells

__all__ = ["stratified_mean", "stratified_standard_error"]

_PRIOR = 0.5


def stratified_mean(
    cells: RunningCells, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted mean over the strata of which something was seen.

    Args:
        cells: ``L * n`` cells, those of the first stratum first.
        weights: ``(L,)``, the share of each stratum.

    Returns:
        ``(n,)``, NaN where nothing was seen.

    Example:
        >>> cells = RunningCells.none(2)
        >>> cells.add(np.array([0, 0, 1]), np.array([1.0, 3.0, 6.0]))
        >>> stratified_mean(cells, np.array([0.75, 0.25]))
        array([3.])
    """
    counts, means, _ = _by_stratum(cells, len(weights))
    share = _shares(counts, weights)
    mean: NDArray[np.float64] = np.where(
        (share > 0).any(0), (share * means).sum(0), np.nan
    )
    return mean


def stratified_standard_error(
    cells: RunningCells,
    weights: NDArray[np.float64],
    *,
    certain: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    r"""Standard error of :func:`stratified_mean`, over the replicates in its cells.

    A stratum with a single replicate borrows its variance from other strata and other
    players; see :func:`~torchattr.estimation.lone_replicates.lone_variances`.

    Args:
        cells: ``L * n`` cells, those of the first stratum first.
        weights: ``(L,)``, the share of each stratum.
        certain: ``(L,)``: strata with one possible coalition, whose means are exact.

    Returns:
        ``(n,)``, NaN where there is but one replicate in all.

    Example:
        >>> cells = RunningCells.none(2)
        >>> cells.add(np.array([0, 0, 1]), np.array([1.0, 3.0, 6.0]))
        >>> stratified_standard_error(cells, np.array([0.5, 0.5])).round(4)
        array([0.866])

    References:
        Cochran (1977), *Sampling techniques*, section 5.3.
    """
    counts, means, squares = _by_stratum(cells, len(weights))
    drawn = counts.any(1)  # often a few of very many
    counts, means, squares = counts[drawn], means[drawn], squares[drawn]
    share = _shares(counts, weights[drawn])
    exact = np.zeros((len(counts), 1), np.bool_)
    if certain is not None:
        exact = certain[drawn, None]
    freedom = np.where(exact, 0, np.maximum(counts - 1, 0))
    own = np.where(exact, 0.0, share**2 * squares)
    lone = (counts == 1) & ~exact
    known = freedom.sum(0)
    pooled = own.sum(0) / np.maximum(known, 1)
    # Few draws that happen to be alike do not mean that there is no variance: as if
    # there had been another half, with the variance of other players in this stratum.
    typical = own.sum(1, keepdims=True) / np.maximum(freedom.sum(1, keepdims=True), 1)
    alike = (own == 0) & (freedom > 0)
    degrees = np.maximum(freedom + _PRIOR * alike, 1)
    spread = (own + _PRIOR * alike * typical) / (degrees * np.maximum(counts, 1))
    if lone.any():
        spread += lone_variances(
            share * means, lone, counts > 0, pooled, known.astype(np.float64)
        )
    return np.where((counts > 0).any(0), np.sqrt(spread.sum(0)), np.nan)


def _by_stratum(
    cells: RunningCells, n_strata: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    return (
        cells.counts.reshape(n_strata, -1),
        cells.means.reshape(n_strata, -1),
        cells.squares.reshape(n_strata, -1),
    )


def _shares(
    counts: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``(L, n)``: weights of the strata seen, which sum to one where there are any."""
    seen: NDArray[np.float64] = np.where(counts > 0, weights[:, None], 0.0)
    total = seen.sum(0)
    return seen / np.where(total > 0, total, 1.0)
