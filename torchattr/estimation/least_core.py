"""The least core: values that leave no coalition much better off by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchattr.errors import InputError

__all__ = ["least_core"]

_TOLERANCE = 1e-10  # of HiGHS, of the scale of the values; it takes no smaller one
_SLACK = 1e-9  # so that rounding does not make the least subsidy too small
_UNBOUNDED = -2.5  # below the least subsidy of any bounded problem of scale 1, -2


def least_core(
    coalitions: Tensor,
    values: Tensor,
    total: float,
    *,
    non_negative_subsidy: bool = False,
    options: Mapping[str, Any] | None = None,
) -> tuple[Tensor, float]:
    r"""The values of least norm in the least core of some coalitions.

    The least subsidy is the least :math:`e` for which there are values :math:`x` with

    .. math:: \sum_{i \in S} x_i + e \ge v(S), \qquad \sum_i x_i = v(N),

    a linear program, and the values are those of least :math:`\sum_i x_i^2` at that
    subsidy, a quadratic one. HiGHS solves the first, Lawson and Hanson's non-negative
    least squares the dual of the second. Both begin with few coalitions and add those
    that are worst off, so that most coalitions cost one inner product at a time.

    Args:
        coalitions: ``(C, n)`` booleans. The empty and the full one demand nothing;
            of several the same, the first counts.
        values: ``(C,)``: :math:`v` of each.
        total: :math:`v(N)`.
        non_negative_subsidy: Whether :math:`e \ge 0` is asked for as well.
        options: Of HiGHS, as :func:`scipy.optimize.linprog` takes them.

    Returns:
        The values ``(n,)`` in float64, and the subsidy; with an error of about 1e-9 of
        the largest value.

    Raises:
        InputError: If the coalitions are so few that they limit no subsidy, or HiGHS
            stops early by one of its options.

    Example:
        >>> from torchattr.sampling.coalitions_by_size import coalitions_of_sizes
        >>> pairs = coalitions_of_sizes(3, [2])
        >>> values, subsidy = least_core(pairs, torch.ones(3), total=1.0)
        >>> values, round(subsidy, 6)
        (tensor([0.3333, 0.3333, 0.3333], dtype=torch.float64), 0.333333)

    References:
        Yan and Procaccia (2021), *If you like Shapley then you'll love the core*;
        Lawson and Hanson (1974), *Solving least squares problems*, chapter 23.
    """
    n = coalitions.shape[1]
    numbers = values.detach().cpu().double().numpy()
    scale = max(float(np.abs(numbers).max(initial=0)), abs(total)) or 1.0
    demands = _demands(coalitions.cpu().numpy(), numbers / scale, total / scale)
    if n == 1:
        return torch.tensor([total], dtype=torch.float64), 0.0
    floor = 0.0 if non_negative_subsidy else None
    subsidy, rows = _least_subsidy(demands, floor, dict(options or {}))
    shares = _least_norm(demands, subsidy, rows) + total / scale / n
    return torch.from_numpy(shares * scale), subsidy * scale + 0.0  # (no minus zero)


class _Demands(NamedTuple):
    """What coalitions ask for beyond an equal share, which is where values start."""

    members: NDArray[np.float64]  # (C, n)
    asked: NDArray[np.float64]  # (C,)

    def unmet(self, shares: NDArray[np.float64], subsidy: float) -> NDArray[np.float64]:
        return self.asked - self.members @ shares - subsidy


def _demands(
    coalitions: NDArray[np.bool_], values: NDArray[np.float64], total: float
) -> _Demands:
    packed = np.packbits(coalitions, axis=1)
    first = np.unique(packed, axis=0, return_index=True)[1]
    first.sort()
    sizes = coalitions[first].sum(1)
    first = first[(sizes > 0) & (sizes < coalitions.shape[1])]
    members = coalitions[first].astype(np.float64)
    return _Demands(members, values[first] - members.mean(1) * total)


def _least_subsidy(
    demands: _Demands, floor: float | None, options: dict[str, Any]
) -> tuple[float, NDArray[np.int64]]:
    """The least subsidy, and the coalitions that were looked at."""
    from scipy.optimize import linprog  # (importing the package loads no scipy)

    n = demands.members.shape[1]
    settings = {
        "primal_feasibility_tolerance": _TOLERANCE,
        "dual_feasibility_tolerance": _TOLERANCE,
    } | options
    lowest = 2 * _UNBOUNDED if floor is None else floor
    shares, subsidy = np.zeros(n), lowest
    rows = _worst(demands.unmet(shares, subsidy), n)
    while True:
        solved = linprog(
            np.append(np.zeros(n), 1),
            A_ub=-np.column_stack([demands.members[rows], np.ones(len(rows))]),
            b_ub=-demands.asked[rows],
            A_eq=np.append(np.ones(n), 0)[None],
            b_eq=[0],
            bounds=[*[(None, None)] * n, (lowest, None)],
            method="highs",
            options=settings,
        )
        if solved.status != 0:
            raise InputError(
                f"HiGHS did not solve the least core: {solved.message} "
                f"Check solver_options={options}."
            )
        shares, subsidy = solved.x[:n], float(solved.x[n])
        worse = _added(demands.unmet(shares, subsidy), rows, n)
        if not len(worse):
            break
        rows = np.append(rows, worse)
    if subsidy < _UNBOUNDED:
        raise InputError(
            f"{len(demands.asked)} different coalitions of {n} players limit no "
            "subsidy: some players can be paid at the cost of others without end. "
            "Sample more coalitions, or ask for non_negative_subsidy=True."
        )
    return subsidy, rows


def _least_norm(
    demands: _Demands, subsidy: float, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The shares of least norm that sum to 0, by least distance programming."""
    from scipy.optimize import nnls

    n = demands.members.shape[1]
    while True:
        members = demands.members[rows]
        centred = members - members.mean(1, keepdims=True)
        asked = demands.asked[rows] - subsidy
        system = np.vstack([centred.T, asked - _SLACK])
        target = np.append(np.zeros(n), 1)
        multipliers, _ = nnls(system, target, maxiter=30 * (n + len(rows)))
        residual = system @ multipliers - target
        shares = -residual[:n] / residual[n]
        worse = _added(demands.unmet(shares, subsidy), rows, n)
        if not len(worse):
            break
        rows = np.append(rows, worse)
    # What binds is known now, so the slack can be taken back.
    binds = multipliers > 0
    exact: NDArray[np.float64] = np.linalg.lstsq(
        centred[binds], asked[binds], rcond=None
    )[0]
    fits = demands.unmet(exact, subsidy).max(initial=0) <= _SLACK
    return exact if fits else np.asarray(shares)


def _worst(unmet: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    return np.argsort(-unmet, kind="stable")[: 4 * n + 16]


def _added(
    unmet: NDArray[np.float64], rows: NDArray[np.int64], n: int
) -> NDArray[np.int64]:
    """Coalitions to look at as well: the worst off of those not looked at yet."""
    unmet[rows] = 0
    worst = _worst(unmet, n)
    return worst[unmet[worst] > 2 * _SLACK]
