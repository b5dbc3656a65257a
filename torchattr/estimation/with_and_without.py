"""Values of players as mean with them minus mean without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError
from torchattr.estimation.running_cells import RunningCells
from torchattr.games.counts import as_count

__all__ = ["WithAndWithout"]

# A spread below this share of the squares it was subtracted from is rounding.
_ROUNDING = 1e-14


@final
class WithAndWithout:
    r"""Difference of two means over coalitions of the whole powerset.

    .. math:: \hat\phi_i = \overline{v}_{S \ni i} - \overline{v}_{S \not\ni i},
        \qquad \mathrm{se}^2 = \frac{s_{\ni i}^2}{c_{\ni i}}
        + \frac{s_{\not\ni i}^2}{c_{\not\ni i}}

    One coalition says something about every player: *maximum sample reuse*. Where
    replicates hold each player in half of their coalitions (a coalition and its
    complement, say), the standard error is that of the mean of their differences.

    Args:
        n_players: Number of players.

    Raises:
        InputError: If ``n_players`` is not a positive integer.

    Attributes:
        members: One cell for each player: values of the coalitions with it.
        others: Values of those without it.
        halves: Differences of the replicates that hold each player in half of theirs.

    Example:
        >>> means = WithAndWithout(2)
        >>> means.add(np.array([[True, False], [False, True]]), np.array([3.0, 1.0]))
        >>> means.values
        array([ 2., -2.])

    References:
        Wang and Jia (2023), *Data Banzhaf*.
    """

    def __init__(self, n_players: int) -> None:
        self.n_players = as_count("n_players", n_players)
        self.members = RunningCells.none(self.n_players)
        self.others = RunningCells.none(self.n_players)
        self.halves = RunningCells.none(self.n_players)

    def add(
        self,
        coalitions: NDArray[np.bool_],
        values: NDArray[np.float64],
        *,
        scales: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
        keep: NDArray[np.bool_] | None = None,
        size: int = 1,
    ) -> None:
        """Fold coalitions in.

        Args:
            coalitions: ``(C, n)``.
            values: ``(C,)``.
            scales: Two of ``(C,)``: the importance of each coalition to its members and
                to the others; ``None`` is 1.
            keep: ``(n,)``: players whose means stay as they are.
            size: Coalitions in a row that are a replicate. If they are more than one,
                each player is in half of them. Where only some parts of a run are
                such, all coalitions count as independent.
        """
        if len(values) == 0:
            return
        joined = coalitions.astype(np.float64)
        halved = size > 1 and bool(
            self.halves.counts.any()
            or not (self.members.counts + self.others.counts).any()
        )
        if scales is None:
            rows = _centred(values)
            inside = rows[1] @ joined
            outside = rows[1].sum(1, keepdims=True) - inside
            parts = (rows[0], inside), (rows[0], outside)
        else:
            mine, theirs = _centred(values * scales[0]), _centred(values * scales[1])
            outside = theirs[1].sum(1, keepdims=True) - theirs[1] @ joined
            parts = (mine[0], mine[1] @ joined), (theirs[0], outside)
        for cells, (origin, sums) in zip(
            (self.members, self.others), parts, strict=True
        ):
            cells.merge(_cells(origin, sums), keep)
        if halved:
            signed = _signed(coalitions, values, scales)
            self.halves.merge(_differences(signed, size), keep)
        else:
            self.halves = RunningCells.none(self.n_players)

    def merged(self, other: WithAndWithout) -> WithAndWithout:
        """The means of two parts of a run, for instance of two workers.

        Args:
            other: Means over other coalitions of the same players.

        Returns:
            The means over both; the parts stay as they are.

        Raises:
            InputError: If the numbers of players differ.
        """
        if other.n_players != self.n_players:
            raise InputError(
                "merged means must agree in players; got "
                f"{self.n_players} and {other.n_players}"
            )
        both = WithAndWithout(self.n_players)
        both.members, both.others = self.members.copy(), self.others.copy()
        both.halves = self.halves.copy()
        both.members.merge(other.members)
        both.others.merge(other.others)
        both.halves.merge(other.halves)
        return both

    @property
    def counts(self) -> NDArray[np.int64]:
        """``(n,)``: differences that could be formed, the smaller of the two counts."""
        return np.minimum(self.members.counts.copy(), self.others.counts)

    @property
    def n_replicates(self) -> NDArray[np.int64]:
        """``(n,)``: the same as the counts, but for replicates of several."""
        number: NDArray[np.int64] = self.halves.counts
        return np.where(number > 0, number, self.counts)

    @property
    def values(self) -> NDArray[np.float64]:
        """``(n,)``: the values, NaN for players always in, or always out."""
        difference = self.members.means - self.others.means
        known: NDArray[np.float64] = np.where(self.counts > 0, difference, np.nan)
        return known

    @property
    def standard_errors(self) -> NDArray[np.float64]:
        """``(n,)``: standard errors, NaN where one of the counts is below two."""
        variance = sum(
            cells.variances / np.maximum(cells.counts, 1)
            for cells in (self.members, self.others)
        )
        halves = self.halves.counts
        paired = self.halves.variances / np.maximum(halves, 1)
        error: NDArray[np.float64] = np.sqrt(np.where(halves > 0, paired, variance))
        return error

    @property
    def variances(self) -> NDArray[np.float64]:
        """``(n,)``: variance of one difference, the squared standard error by count."""
        variance: NDArray[np.float64] = self.standard_errors**2 * self.counts
        return variance

    def state(self) -> dict[str, NDArray[Any]]:
        """What going on needs.

        Returns:
            Arrays for :meth:`restore`.
        """
        state = {
            "counts_with": self.members.counts.copy(),
            "means_with": self.members.means.copy(),
            "squares_with": self.members.squares.copy(),
            "counts_without": self.others.counts.copy(),
            "means_without": self.others.means.copy(),
            "squares_without": self.others.squares.copy(),
        }
        if self.halves.counts.any():
            state |= {
                "counts_halves": self.halves.counts.copy(),
                "means_halves": self.halves.means.copy(),
                "squares_halves": self.halves.squares.copy(),
            }
        return state

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from where another run ended; its arrays stay as they are.

        Args:
            state: What :meth:`state` gave.

        Raises:
            InputError: If it is not the state of as many players.
        """
        names = list(WithAndWithout(self.n_players).state())
        lengths = {len(state.get(name, ())) for name in names}
        if lengths != {self.n_players}:
            raise InputError(
                "going on needs the means with and without each of "
                f"{self.n_players} players, which results of MSR keep; "
                f"this one has arrays of {sorted(lengths)} players"
            )
        arrays = [state[name].copy() for name in names]
        self.members, self.others = RunningCells(*arrays[:3]), RunningCells(*arrays[3:])
        self.halves = RunningCells.none(self.n_players)
        if "counts_halves" in state:
            halves = ("counts_halves", "means_halves", "squares_halves")
            self.halves = RunningCells(*(state[name].copy() for name in halves))


def _signed(
    coalitions: NDArray[np.bool_],
    values: NDArray[np.float64],
    scales: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
) -> NDArray[np.float64]:
    """``(C, n)``: the value of each coalition to members, and less it to the others."""
    mine, theirs = (values, values) if scales is None else (s * values for s in scales)
    signed: NDArray[np.float64] = np.where(coalitions, mine[:, None], -theirs[:, None])
    return signed


def _differences(signed: NDArray[np.float64], size: int) -> RunningCells:
    """Cells of means with less means without, of replicates of some size."""
    differences = signed.reshape(-1, size, signed.shape[1]).sum(1) / (size / 2)
    mean = differences.mean(0)
    counts = np.full(len(mean), len(differences))
    return RunningCells(counts, mean, ((differences - mean) ** 2).sum(0))


def _centred(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """An origin near the values, and 1, x, x^2 about it for each, in three rows."""
    origin = float(np.median(values) if len(values) > 2 else values[0])
    x = values - origin
    return origin, np.stack([np.ones_like(x), x, x**2])


def _cells(origin: float, sums: NDArray[np.float64]) -> RunningCells:
    """Cells from sums of 1, x, x^2 about an origin."""
    counts, total, squares = sums
    mean = total / np.maximum(counts, 1)
    spread = squares - mean * total
    spread[spread <= _ROUNDING * squares] = 0.0
    return RunningCells(counts.astype(np.int64), origin + mean, spread)
