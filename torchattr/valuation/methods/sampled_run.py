"""One run of a valuation by sampling, from the first round to the last."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, final

import numpy as np

from torchattr.errors import InputError
from torchattr.games.cached import Cached
from torchattr.games.game import Game
from torchattr.sampling.marginals import EVERYBODY
from torchattr.valuation.methods.contribution_tally import OrderTally, SubsetTally
from torchattr.valuation.methods.importance import Importance
from torchattr.valuation.methods.log_coefficients import LogCoefficient
from torchattr.valuation.methods.points import Points
from torchattr.valuation.methods.reuse_tally import ReuseTally
from torchattr.valuation.methods.tally import Tally
from torchattr.valuation.result import Status, ValuationResult
from torchattr.valuation.samplers import IndexSampler, PermutationSamplerBase
from torchattr.valuation.stopping import NoStopping, StoppingCriterion

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["SampledRun"]

# Bytes of coalitions, with all that is made of them, that are held at once.
_BLOCK_BYTES = 2**27
# Copies of a coalition on its way: drawn, joined, both together, packed, floating.
_BYTES_OF_A_PLACE = 12
# A criterion that promises nothing is asked before the run has grown by this share.
_AHEAD = 1 / 8
# Asking costs as much as folding in so many coalitions that each value everybody.
_FEWEST_COALITIONS = 8


@final
class SampledRun:
    r"""Rounds of samples, evaluated ahead and folded in one after the other.

    The criterion is asked after fixed numbers of rounds, so what a run finds depends on
    the seed alone: not on batches, workers, or how far ahead was evaluated. That is as
    far as the criterion's ``remaining`` proves necessary, else an eighth of what is
    done.

    Args:
        points: What is valued, and the game of it.
        sampler: Draws the rounds.
        log_coefficient: Of the semivalue.
        algorithm: Name of the method.

    Attributes:
        n_rounds: Rounds folded in.
    """

    def __init__(
        self,
        points: Points,
        sampler: IndexSampler,
        log_coefficient: LogCoefficient,
        algorithm: str,
    ) -> None:
        self.n_rounds = 0
        self._points = points
        self._sampler = sampler
        self._algorithm = algorithm
        self._cache = Cached(points.game)
        self._n_players = points.game.n_players
        self._keep = np.zeros(self._n_players, np.bool_)
        self._tally = _tally(self._cache, sampler, log_coefficient)
        self._per_check = sampler.rounds_per_check(self._n_players)
        if isinstance(self._tally, ReuseTally):
            self._per_check = max(self._per_check, _FEWEST_COALITIONS)
        self._before = dict.fromkeys(_COUNTED, 0)
        self._failures_before = points.n_failures

    def continue_from(self, result: ValuationResult) -> None:
        """Start where another run ended.

        Args:
            result: Of the same method, sampler and data; it stays as it is.

        Raises:
            InputError: If it is not.
        """
        if result.algorithm != self._algorithm or "n_rounds" not in result.extras:
            raise InputError(
                f"continue_from must be a result of {self._algorithm} by sampling, got "
                f"one of {result.algorithm or 'an unnamed method'} with "
                f"{', '.join(result.extras) or 'no extras'}"
            )
        ordered = self._points.in_order(result)
        self._tally.restore(ordered)
        self.n_rounds = int(result.n_rounds)
        self._before = {name: int(result.extras.get(name, 0)) for name in _COUNTED}

    def until(
        self, is_done: StoppingCriterion, *, skip_converged: bool, bar: tqdm[Any]
    ) -> ValuationResult:
        """Run until the criterion is met, or the sampler has no more.

        Args:
            is_done: The criterion; it is reset first.
            skip_converged: Whether points that it calls converged are left alone.
            bar: Shows how much of 100 percent is done.

        Returns:
            What was found.

        Raises:
            InputError: If nothing would ever stop the run, or there is nothing to run.
        """
        total = self._sampler.rounds.n_rounds(self._n_players)
        is_done.reset()
        if total is None and self._remaining(is_done) >= sys.maxsize:
            raise InputError(
                f"{type(self._sampler).__name__} never ends, and {is_done!r} never "
                "stops it; take a criterion such as MinUpdates(100)"
            )
        status = Status.Pending
        if self.n_rounds:
            status = self._ask(is_done, skip_converged=skip_converged)
            is_done.reset()
        ended = total is not None and self.n_rounds >= total
        while not status and not ended:
            asked = self._rounds_ahead(is_done, total)
            stop = self.n_rounds + asked
            for last in self._folded(asked):
                # Its answer is known, and asking costs a result.
                if isinstance(is_done, NoStopping) and not last:
                    continue
                status = self._ask(is_done, skip_converged=skip_converged)
                bar.update(100 * is_done.completion() - bar.n)
                if status:
                    break
            ended = self.n_rounds == total or (not status and self.n_rounds < stop)
        return self._final(status)

    def _folded(self, count: int) -> Iterator[bool]:
        """Fold rounds in, up to each check; yields whether it is the block's last."""
        start_round, per_check = self.n_rounds, self._per_check
        rounds = self._tally.evaluate(start_round, count, self._keep)
        if not len(rounds):
            return
        last = int(rounds[-1]) + 1
        ends = range(per_check * (start_round // per_check + 1), last, per_check)
        start = 0
        for end in (*ends, last):
            stop = int(np.searchsorted(rounds, end))
            self._tally.fold(slice(start, stop), self._keep)
            start, self.n_rounds = stop, end
            self._sampler.record_rounds(self._n_players, end)
            yield end == last

    def _ask(self, is_done: StoppingCriterion, *, skip_converged: bool) -> Status:
        status = is_done(self._result(Status.Pending))
        if skip_converged:
            self._keep |= is_done.converged
        return status

    def _remaining(self, is_done: StoppingCriterion) -> int:
        return is_done.remaining(self._result(Status.Pending))

    def _rounds_ahead(self, is_done: StoppingCriterion, total: int | None) -> int:
        n, rounds = self._n_players, self._sampler.rounds
        updates = max(rounds.updates_per_round(n), 1e-9)
        wanted = max(self._remaining(is_done) / updates, self.n_rounds * _AHEAD)
        room = _BLOCK_BYTES / (_BYTES_OF_A_PLACE * n * max(rounds.rows_per_round(n), 1))
        # Up to the end of a check, for there is no stop before it.
        end = self.n_rounds + max(min(wanted, room), 1)
        ahead = self._per_check * math.ceil(end / self._per_check) - self.n_rounds
        return ahead if total is None else min(ahead, total - self.n_rounds)

    def _result(self, status: Status, **more: Any) -> ValuationResult:  # ruff: ignore[any-type] (columns and extras)
        means = self._tally.means
        columns: dict[str, Any] = {
            "values": means.values,
            "variances": means.variances,
            "counts": means.counts,
            "stderr": means.standard_errors,
        }
        if self._sampler.is_exhaustive:
            # What comes in an order of its own is no sample: nothing, or all, is known.
            known = self._has_all & ~self._keep
            columns["stderr"] = np.where(known, 0.0, np.nan)
            # Of one contribution that is all there is, the variance is 0 too.
            columns["variances"][known & (means.counts == 1)] = 0.0
        return ValuationResult(
            **columns | more,
            replicates=means.n_replicates,
            indices=self._points.indices,
            data_names=self._points.names,
            algorithm=self._algorithm,
            status=status,
        )

    def _final(self, status: Status) -> ValuationResult:
        """The result with all that going on needs."""
        more: dict[str, Any] = dict(self._tally.means.state())
        found = self._cache.n_stored, self._points.n_failures - self._failures_before
        for name, number in zip(_COUNTED, found, strict=True):
            more[name] = self._before[name] + number
        if self._sampler.is_exhaustive and self._has_all:
            status = Status.Converged
        return self._result(status, n_rounds=self.n_rounds, **more)

    @property
    def _has_all(self) -> bool:
        """Whether the sampler has come to its end."""
        return self.n_rounds == self._sampler.rounds.n_rounds(self._n_players)


_COUNTED = ("n_evaluations", "n_failures")


def _tally(game: Game, sampler: IndexSampler, log_coefficient: LogCoefficient) -> Tally:
    """The means that fit what the sampler draws."""
    n = game.n_players
    importance = Importance(log_coefficient, sampler.log_weight, n)
    if isinstance(sampler, PermutationSamplerBase):
        return OrderTally(sampler, game, importance)
    first = sampler.marginals(n, 0, 1)
    if not len(first):
        raise InputError(f"{sampler!r} has no sample for {n} points")
    if int(first.players[0]) == EVERYBODY:
        return ReuseTally(sampler, game, log_coefficient)
    return SubsetTally(sampler, game, importance)
