"""Values of players as means of their marginal contributions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError
from torchattr.estimation.running_cells import RunningCells
from torchattr.estimation.stratified_mean import (
    stratified_mean,
    stratified_standard_error,
)
from torchattr.games.counts import as_count

__all__ = ["MarginalMeans"]

_STRATA = ("strata_counts", "strata_means", "strata_squares")
# A stratum that joined one end only, so many times, has no other coalition to join.
_ENOUGH_TO_BE_CERTAIN = 4


@final
class MarginalMeans:
    r"""Running means of marginal contributions, player by player.

    The value of a player is the mean over independent replicates of the mean
    contribution in each, :math:`\hat\phi_i = \sum_l w_l \frac{1}{R_l} \sum_r
    \bar x_{ilr}`, with one stratum :math:`l` of weight 1 unless there are more.
    Contributions are already scaled: the weight of a semivalue over the probability of
    the coalition joined.

    Args:
        n_players: Number of players.
        weights: ``(L,)``: share of each stratum in the value; ``None`` is one stratum.

    Raises:
        InputError: If ``n_players`` is not a positive integer.

    Attributes:
        marginals: One cell for each player: all contributions.
        replicates: One cell for each stratum and player: means of replicates.

    Example:
        >>> means = MarginalMeans(2)
        >>> means.add(np.array([0, 1, 0, 0]), np.array([1.0, 5.0, 3.0, 4.0]),
        ...           replicates=np.array([0, 0, 0, 1]))
        >>> means.values, means.counts, means.n_replicates
        (array([3., 5.]), array([3, 1]), array([2, 1]))
    """

    def __init__(
        self, n_players: int, weights: NDArray[np.float64] | None = None
    ) -> None:
        self.n_players = as_count("n_players", n_players)
        self.weights = np.ones(1) if weights is None else np.asarray(weights, float)
        self.marginals = RunningCells.none(self.n_players)
        self.replicates = RunningCells.none(self.n_players * len(self.weights))
        # Which ends of the range of sizes a stratum has joined: the empty coalition,
        # the coalition of all others, anything else.
        self._joined = np.zeros((3, len(self.weights)), np.bool_)

    def add(
        self,
        players: NDArray[np.int64],
        contributions: NDArray[np.float64],
        *,
        replicates: NDArray[np.int64],
        strata: NDArray[np.int64] | None = None,
        sizes: NDArray[np.int64] | None = None,
    ) -> None:
        """Fold contributions in; a replicate must come whole.

        Args:
            players: ``(C,)``: who joined.
            contributions: ``(C,)``: the scaled marginal contributions.
            replicates: ``(C,)``: number of the independent block of each.
            strata: ``(C,)``; ``None`` where there is only one.
            sizes: ``(C,)``: sizes of the coalitions joined. There is one coalition of
                none and one of all others, so a stratum of one of these is known after
                one sample.
        """
        if len(players) == 0:
            return
        self.marginals.add(players, contributions)
        cells = players if strata is None else strata * self.n_players + players
        if sizes is not None:
            self._note_sizes(
                np.zeros_like(players) if strata is None else strata, sizes
            )
        blocks, means = _means_by_block(replicates, cells, contributions)
        self.replicates.add(blocks, means)

    def merged(self, other: MarginalMeans) -> MarginalMeans:
        """The means of two parts of a run, for instance of two workers.

        Args:
            other: Means over other replicates of the same players and strata.

        Returns:
            The means over both; the parts stay as they are.

        Raises:
            InputError: If the players or the weights differ.
        """
        if other.n_players != self.n_players or not np.array_equal(
            other.weights, self.weights
        ):
            raise InputError(
                "merged means must agree in players and strata; got "
                f"{self.n_players} and {other.n_players} players, "
                f"{len(self.weights)} and {len(other.weights)} strata"
            )
        both = MarginalMeans(self.n_players, self.weights)
        both.marginals, both.replicates = self.marginals.copy(), self.replicates.copy()
        both.marginals.merge(other.marginals)
        both.replicates.merge(other.replicates)
        both._joined = self._joined | other._joined
        return both

    @property
    def counts(self) -> NDArray[np.int64]:
        """``(n,)``: number of contributions."""
        return self.marginals.counts

    @property
    def variances(self) -> NDArray[np.float64]:
        """``(n,)``: unbiased variance of the contributions, NaN for less than two."""
        return self.marginals.variances

    @property
    def n_replicates(self) -> NDArray[np.int64]:
        """``(n,)``: number of independent replicates."""
        counts: NDArray[np.int64] = self.replicates.counts.reshape(
            -1, self.n_players
        ).sum(0)
        return counts

    @property
    def values(self) -> NDArray[np.float64]:
        """``(n,)``: the values, NaN for players without a contribution."""
        if len(self.weights) == 1:
            cells = self.replicates
            return np.where(cells.counts > 0, cells.means, np.nan)
        return stratified_mean(self.replicates, self.weights)

    @property
    def standard_errors(self) -> NDArray[np.float64]:
        """``(n,)``: standard errors, NaN where one replicate is all there is."""
        if len(self.weights) == 1:
            cells = self.replicates
            error: NDArray[np.float64] = np.sqrt(
                cells.variances / np.maximum(cells.counts, 1)
            )
            return error
        return stratified_standard_error(
            self.replicates, self.weights, certain=self._certain()
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """What going on needs, apart from what every result has.

        Returns:
            Arrays for :meth:`restore`; none where all replicates are alike.
        """
        cells, mean = self.replicates, {"marginal_means": self.marginals.means.copy()}
        if len(self.weights) == 1:
            seen = self.counts > 0
            alike = np.allclose(
                self.values[seen], self.marginals.means[seen], rtol=1e-12, atol=0
            )
            return {} if alike else mean
        return mean | {
            "strata_counts": cells.counts.copy(),
            "strata_means": cells.means.copy(),
            "strata_squares": cells.squares.copy(),
            "strata_joined": self._joined.copy(),
        }

    def restore(
        self,
        *,
        values: NDArray[np.float64],
        variances: NDArray[np.float64],
        counts: NDArray[np.int64],
        standard_errors: NDArray[np.float64],
        n_replicates: NDArray[np.int64],
        state: Mapping[str, NDArray[Any]],
    ) -> None:
        """Go on from where another run ended; its arrays stay as they are.

        Args:
            values: ``(n,)``, and so are the other four: the properties of these names.
            variances: Of the contributions.
            counts: Of the contributions.
            standard_errors: Of the values.
            n_replicates: Of the independent replicates.
            state: What :meth:`state` gave.

        Raises:
            InputError: If the strata are not those of the run that ended.
        """
        value = np.where(counts > 0, values, 0.0)
        squares = np.where(counts > 1, variances, 0.0) * np.maximum(counts - 1, 0)
        mean = state.get("marginal_means", value).copy()
        self.marginals = RunningCells(counts.astype(np.int64), mean, squares)
        if len(self.weights) == 1:
            number = n_replicates.astype(np.float64)
            known = np.where(number > 1, standard_errors, 0.0)
            self.replicates = RunningCells(
                n_replicates.astype(np.int64),
                value,
                known**2 * number * np.maximum(number - 1, 0),
            )
            return
        shapes = [len(state.get(name, ())) for name in _STRATA]
        if shapes != [len(self.replicates.counts)] * len(_STRATA):
            raise InputError(
                f"going on needs the sums of {len(self.weights)} strata of "
                f"{self.n_players} players that a result of the same method and "
                f"sampler keeps; this one has {shapes[0]} numbers of strata"
            )
        self.replicates = RunningCells(*(state[name].copy() for name in _STRATA))
        self._joined = state["strata_joined"].astype(np.bool_)

    def _note_sizes(self, strata: NDArray[np.int64], sizes: NDArray[np.int64]) -> None:
        empty, full = sizes == 0, sizes == self.n_players - 1
        for row, kind in enumerate((empty, full, ~(empty | full))):
            self._joined[row, strata[kind]] = True

    def _certain(self) -> NDArray[np.bool_]:
        """``(L,)``: strata in which nothing but one end was ever joined."""
        empty, full, other = self._joined
        number = self.replicates.counts.reshape(len(self.weights), -1).sum(1)
        enough = number >= _ENOUGH_TO_BE_CERTAIN
        only: NDArray[np.bool_] = (empty ^ full) & ~other & enough
        return only


def _means_by_block(
    replicates: NDArray[np.int64],
    cells: NDArray[np.int64],
    contributions: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Cell and mean of each block: a replicate's contributions to one cell."""
    width = int(cells.max()) + 1
    keys = (replicates - replicates.min()) * width + cells
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    if len(first) == len(keys):  # every contribution is a block of its own
        return cells, contributions
    # About the first value, so that equal contributions have exactly their mean.
    origin = contributions[first]
    total = np.bincount(inverse, contributions - origin[inverse])
    return cells[first], origin + total / np.bincount(inverse)
