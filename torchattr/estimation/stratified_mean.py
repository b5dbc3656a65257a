r"""The weighted mean of stratum means, and its standard error.

.. math:: \hat\phi = \sum_l w_l \bar x_l, \qquad
    \mathrm{se}^2 = \sum_l w_l^2 \frac{s_l^2}{c_l}

with :math:`c_l` independent replicates of variance :math:`s_l^2` in stratum :math:`l`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from torchattr.estimation.running_cells import RunningCells

__all__ = ["stratified_mean", "stratified_standard_error"]


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

    A stratum with a single replicate borrows what the player's others have pooled, as
    the variance of the contribution :math:`w_l x_l`. If there is no other, the
    variance is taken from second differences between neighbouring strata, which a
    trend over the strata does not blow up.

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
        Cochran (1977), *Sampling techniques*, sections 5.3, 5A.12 and 8.11.
    """
    counts, means, squares = _by_stratum(cells, len(weights))
    share = _shares(counts, weights)
    exact = np.zeros((len(weights), 1), np.bool_)
    if certain is not None:
        exact = certain[:, None]
    freedom = np.where(exact, 0, np.maximum(counts - 1, 0))
    own = np.where(exact, 0.0, share**2 * squares)
    lone = (counts == 1) & ~exact
    known = freedom.sum(0)
    pooled = own.sum(0) / np.maximum(known, 1)
    error: NDArray[np.float64] = np.sqrt(
        (own / (np.maximum(freedom, 1) * np.maximum(counts, 1))).sum(0)
        + pooled * lone.sum(0)
    )
    guessed = lone.any(0) & (known == 0)
    if guessed.any():
        spread = _spread_of_neighbours(means[:, guessed], counts[:, guessed] > 0)
        alone = (share[:, guessed] ** 2 * lone[:, guessed]).sum(0)
        error[guessed] = np.sqrt(spread * alone)
    error[~(counts > 0).any(0)] = np.nan
    return error


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


def _spread_of_neighbours(
    means: NDArray[np.float64], seen: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """``(n,)``: variance of single values in ``(L, n)`` strata, NaN for only one."""
    # A second difference has six times the variance of its values, a first twice.
    order = np.argsort(~seen, axis=0, kind="stable")
    x = np.where(
        np.take_along_axis(seen, order, 0), np.take_along_axis(means, order, 0), np.nan
    )
    number = seen.sum(0)
    first = np.nan_to_num(np.diff(x, 1, axis=0) ** 2).sum(0) / 2
    second = np.nan_to_num(np.diff(x, 2, axis=0) ** 2).sum(0) / 6
    spread: NDArray[np.float64] = np.select(
        [number > 2, number == 2], [second / np.maximum(number - 2, 1), first], np.nan
    )
    return spread
