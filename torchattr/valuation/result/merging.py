"""Two runs of one method as one run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError
from torchattr.valuation.result.columns import Columns

__all__ = ["merged"]


def merged(left: Columns, right: Columns) -> Columns:
    r"""What one run over both sets of contributions would have found.

    Sample variances are pooled over contributions, standard errors over replicates:
    with :math:`\delta` the difference of the means and :math:`r_1, r_2` the sizes,
    :math:`M_2 = (r_1 - 1) s_1^2 + (r_2 - 1) s_2^2 + \delta^2 r_1 r_2 / (r_1 + r_2)`.

    Args:
        left: The first run.
        right: The second.

    Returns:
        Rows for the union of the indices, the left ones first.

    Raises:
        InputError: If an index has two names.

    References:
        Chan, Golub and LeVeque (1983), *Algorithms for computing the sample variance*.
    """
    if not len(left) or not len(right):
        return left if len(left) else right
    rows = left.rows_of(right.indices)
    shared, new = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
    both = _pooled(left.take(rows[shared]), right.take(shared))
    joined = {
        name: np.concatenate([getattr(left, name), getattr(right, name)[new]])
        for name in ("indices", "values", "variances", "counts", "stderr", "replicates")
    }
    for name, column in both.items():
        joined[name][rows[shared]] = column
    return Columns(**joined, given_names=_joined_names(left, right, rows))


def _pooled(left: Columns, right: Columns) -> dict[str, NDArray[Any]]:
    """The columns of two runs over the same indices in the same order."""
    counts = left.counts + right.counts
    replicates = left.replicates + right.replicates
    in_both = (left.replicates > 0) & (right.replicates > 0)
    # Where one run saw nothing the other's row is the answer, to the last bit.
    columns: dict[str, NDArray[Any]] = {
        name: np.where(right.counts > 0, getattr(right, name), getattr(left, name))
        for name in ("values", "variances", "stderr")
    }
    here, there = (
        left.take(np.flatnonzero(in_both)),
        right.take(np.flatnonzero(in_both)),
    )
    shift = there.values - here.values
    share = there.replicates / replicates[in_both]
    columns["values"][in_both] = here.values + shift * share
    columns["variances"][in_both] = _pooled_variance(
        here.variances, here.counts, there.variances, there.counts, shift
    )
    columns["stderr"][in_both] = np.sqrt(
        _pooled_variance(
            here.stderr**2 * here.replicates,
            here.replicates,
            there.stderr**2 * there.replicates,
            there.replicates,
            shift,
        )
        / replicates[in_both]
    )
    return columns | {"counts": counts, "replicates": replicates}


def _pooled_variance(
    left: NDArray[np.float64],
    n_left: NDArray[np.int64],
    right: NDArray[np.float64],
    n_right: NDArray[np.int64],
    shift: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Unbiased variance of two samples together, each of at least one."""
    total = n_left + n_right
    # A sample of one has no variance (NaN), and no part in the sum.
    squares = np.where(n_left > 1, (n_left - 1) * left, 0.0)
    squares += np.where(n_right > 1, (n_right - 1) * right, 0.0)
    return (squares + shift**2 * (n_left * n_right / total)) / (total - 1)


def _joined_names(
    left: Columns, right: Columns, rows: NDArray[np.int64]
) -> NDArray[Any] | None:
    if left.given_names is None and right.given_names is None:
        return None
    shared = rows >= 0
    mine, theirs = left.names[rows[shared]], right.names[shared]
    differ = mine.astype(str) != theirs.astype(str)
    if differ.any():
        first = int(differ.argmax())
        raise InputError(
            f"index {right.indices[shared][first]} is named {mine[first]!s} in one "
            f"result and {theirs[first]!s} in the other: they are not of the same data"
        )
    # Integers beside strings become strings.
    return np.concatenate([left.names, right.names[~shared]])
