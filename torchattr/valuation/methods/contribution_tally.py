"""Marginal contributions, each folded into the mean of the point that joins."""

from __future__ import annotations

from abc import ABC
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchattr.estimation.lockstep import permutation_gains
from torchattr.estimation.marginal_means import MarginalMeans
from torchattr.estimation.truncation import NoTruncation
from torchattr.games.game import Game
from torchattr.sampling.marginals import Marginals
from torchattr.valuation.methods.importance import Importance
from torchattr.valuation.methods.tally import Tally, scalars, sizes_of
from torchattr.valuation.result import ValuationResult
from torchattr.valuation.samplers import IndexSampler, PermutationSamplerBase

__all__ = ["OrderTally", "SubsetTally"]


class _ContributionTally(Tally, ABC):
    """Means by point; a subclass evaluates a block and keeps it in ``_block``.

    Args:
        game: Evaluates; best a :class:`~torchattr.games.Cached` one, for coalitions
            are shared between contributions.
        importance: Scales by size.
        weights: ``(L,)`` share of each stratum; ``None`` is one stratum.
    """

    means: MarginalMeans

    def __init__(
        self, game: Game, importance: Importance, weights: Tensor | None = None
    ) -> None:
        self._game = game
        self._importance = importance
        shares = None if weights is None else weights.double().cpu().numpy()
        self.means = MarginalMeans(game.n_players, shares)
        self._block: dict[str, NDArray[Any]] = {}

    @final
    def fold(self, rows: slice, keep: NDArray[np.bool_]) -> None:
        """See :meth:`Tally.fold`."""
        part = {name: column[rows] for name, column in self._block.items()}
        if keep.any():
            moving = ~keep[part["players"]]
            part = {name: column[moving] for name, column in part.items()}
        self.means.add(**part)

    @final
    def restore(self, result: ValuationResult) -> None:
        """See :meth:`Tally.restore`."""
        self.means.restore(
            values=result.values,
            variances=result.variances,
            counts=result.counts,
            standard_errors=result.stderr,
            n_replicates=result.replicates,
            state=result.extras,
        )

    @final
    def _evaluate_marginals(
        self, marginals: Marginals, keep: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        players, sizes = marginals.players.numpy(), sizes_of(marginals.subsets.numpy())
        scales = self._importance(sizes)
        wanted = (scales > 0) & ~keep[players]
        gains = np.zeros(len(players))
        if wanted.any():
            rows = slice(None) if wanted.all() else torch.from_numpy(wanted)
            coalitions = torch.cat([marginals.subsets[rows], marginals.joined[rows]])
            without, joined = np.split(scalars(self._game(coalitions)), 2)
            gains[wanted] = joined - without
        self._block = {
            "players": players,
            "contributions": scales * gains,
            "replicates": marginals.replicates.numpy(),
        }
        if marginals.strata is not None:
            # Sizes say which strata hold one coalition only.
            self._block |= {"strata": marginals.strata.numpy(), "sizes": sizes}
        return marginals.rounds.numpy()


@final
class SubsetTally(_ContributionTally):
    """Of points that join subsets.

    Args:
        sampler: Draws the subsets.
        game: Evaluates them, and the same with the point.
        importance: Scales by size.
    """

    def __init__(
        self, sampler: IndexSampler, game: Game, importance: Importance
    ) -> None:
        super().__init__(game, importance, sampler.stratum_weights(game.n_players))
        self._sampler = sampler

    def evaluate(
        self, start: int, count: int, keep: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """See :meth:`Tally.evaluate`."""
        marginals = self._sampler.marginals(self._game.n_players, start, count)
        return self._evaluate_marginals(marginals, keep)


@final
class OrderTally(_ContributionTally):
    """Of points that join one after the other, all permutations in lockstep.

    Args:
        sampler: Draws the permutations, and may truncate them.
        game: Evaluates the first ones of each.
        importance: Scales by size.
    """

    def __init__(
        self, sampler: PermutationSamplerBase, game: Game, importance: Importance
    ) -> None:
        super().__init__(game, importance)
        self._sampler = sampler

    def evaluate(
        self, start: int, count: int, keep: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """See :meth:`Tally.evaluate`."""
        n, truncation = self._game.n_players, self._sampler.truncation
        drawn = self._sampler.orders(n, start, count)
        whole = drawn.kept is None and not keep.any()
        if len(drawn) == 0 or (isinstance(truncation, NoTruncation) and not whole):
            return self._evaluate_marginals(drawn.marginals(), keep)
        gains = permutation_gains(self._game, drawn.orders, truncation)
        contributions = scalars(gains.flatten(0, 1)).reshape(-1, n)
        counted = np.ones(contributions.shape, np.bool_)
        if drawn.kept is not None:
            counted = drawn.kept.numpy()
        sizes = np.arange(n)
        sized = np.broadcast_to(sizes, counted.shape)[counted]
        scales = np.zeros(n)
        scales[np.unique(sized)] = self._importance(np.unique(sized))
        self._block = {
            "players": drawn.orders.numpy()[counted],
            "contributions": (contributions * scales)[counted],
            "replicates": drawn.replicates.repeat_interleave(n).numpy()[
                counted.ravel()
            ],
        }
        return drawn.rounds.repeat_interleave(n).numpy()[counted.ravel()]
