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

    def evaluate(
        self, start: int, count: int, keep: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """See :meth:`Tally.evaluate`; every coalition tells about every point."""
        n = self._game.n_players
        marginals = self._sampler.marginals(n, start, count)
        if len(marginals) == 0:
            return marginals.rounds.numpy()
        sizes = sizes_of(marginals.subsets.numpy())
        self._coalitions = marginals.subsets.numpy()
        self._values = scalars(self._game(marginals.subsets))
        members, others = self._importance
        # The empty coalition has no members, and nobody is outside of the full one:
        # their scales multiply nothing.
        self._scales = np.zeros(len(sizes)), np.zeros(len(sizes))
        self._scales[0][sizes > 0] = members(sizes[sizes > 0] - 1)
        self._scales[1][sizes < n] = others(sizes[sizes < n])
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
        )

    def restore(self, result: ValuationResult) -> None:
        """See :meth:`Tally.restore`."""
        self.means.restore(result.extras)
