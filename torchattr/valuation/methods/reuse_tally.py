"""Coalitions of the whole set, each folded into the means of all points."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

from torchattr.estimation.with_and_without import WithAndWithout
from torchattr.games.game import Game
from torchattr.valuation.methods.importance import Importance, reuse_importance
from torchattr.valuation.methods.log_coefficients import LogCoefficient
from torchattr.valuation.methods.tally import Tally, scalars, sizes_of
from torchattr.valuation.result import ValuationResult
from torchattr.valuation.samplers import IndexSampler

__all__ = ["ReuseTally"]

_ROUNDING = 1e-12


@final
class ReuseTally(Tally):
    """Of coalitions: for each point, of those in which it is and those in which not.

    Args:
        sampler: Draws the coalitions.
        game: Evaluates them.
        log_coefficient: Of the semivalue.
    """

    means: WithAndWithout

    def __init__(
        self, sampler: IndexSampler, game: Game, log_coefficient: LogCoefficient
    ) -> None:
        self._sampler = sampler
        self._game = game
        self._importance: tuple[Importance, Importance] = reuse_importance(
            log_coefficient, sampler.log_weight, game.n_players
        )
        self.means = WithAndWithout(game.n_players)
        self._coalitions = np.zeros((0, game.n_players), np.bool_)
        self._values = np.zeros(0)
        self._scales = (np.zeros(0), np.zeros(0))
        self._plain = True  # all scales are 1, or multiply nothing
        self._replicates = np.zeros(0, np.int64)  # empty where each coalition is one

    def evaluate(
        self, start: int, count: int, keep: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """See :meth:`Tally.evaluate`; every coalition tells about every point."""
        n = self._game.n_players
        marginals = self._sampler.marginals(n, start, count)
        if len(marginals) == 0:
            return marginals.rounds.numpy()
        self._coalitions = marginals.subsets.numpy()
        sizes = sizes_of(self._coalitions)
        self._replicates = marginals.replicates.numpy()
        if len(np.unique(self._replicates)) == len(self._replicates):
            self._replicates = self._replicates[:0]
        self._values = scalars(self._game(marginals.subsets))
        members, others = self._importance
        # The empty coalition has no members, and nobody is outside of the full one:
        # their scales multiply nothing.
        self._scales = np.zeros(len(sizes)), np.zeros(len(sizes))
        self._scales[0][sizes > 0] = members(sizes[sizes > 0] - 1)
        self._scales[1][sizes < n] = others(sizes[sizes < n])
        shares = self._sampler.stratum_weights(n)
        if shares is not None and marginals.strata is not None:
            # The strata of a grid do not count as often as they come.
            strata = marginals.strata.numpy()
            seen = np.bincount(strata, minlength=len(shares))
            ratios = shares.numpy() * len(strata) / np.maximum(seen, 1)
            ratios[np.abs(ratios - 1) < _ROUNDING] = 1.0
            self._scales = tuple(part * ratios[strata] for part in self._scales)
        self._plain = all(np.isin(part, (0, 1)).all() for part in self._scales)
        return marginals.rounds.numpy()

    def fold(self, rows: slice, keep: NDArray[np.bool_]) -> None:
        """See :meth:`Tally.fold`."""
        mine, theirs = self._scales[0][rows], self._scales[1][rows]
        self.means.add(
            self._coalitions[rows],
            self._values[rows],
            scales=None if self._plain else (mine, theirs),
            keep=keep if keep.any() else None,
            size=_size_of_halves(self._coalitions[rows], self._replicates[rows]),
        )

    def restore(self, result: ValuationResult) -> None:
        """See :meth:`Tally.restore`."""
        self.means.restore(result.extras)


def _size_of_halves(
    coalitions: NDArray[np.bool_], replicates: NDArray[np.int64]
) -> int:
    """Size of replicates that hold each point in half of their coalitions, else 1."""
    if not len(replicates):
        return 1
    number, first = np.unique(replicates, return_index=True)
    size, rest = divmod(len(replicates), len(number))
    if rest or not np.array_equal(first, size * np.arange(len(number))):
        return 1
    members = coalitions.reshape(len(number), size, -1).sum(1)
    return size if (2 * members == size).all() else 1
