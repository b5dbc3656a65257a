"""Class-wise Shapley values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from torchattr.errors import InputError
from torchattr.estimation.marginal_means import MarginalMeans
from torchattr.games.cached import Cached
from torchattr.valuation.dataset import GroupedDataset
from torchattr.valuation.methods.importance import Importance
from torchattr.valuation.methods.log_coefficients import log_shapley
from torchattr.valuation.methods.points import check_data
from torchattr.valuation.methods.valuation import Valuation
from torchattr.valuation.methods.within_class import ClassGame
from torchattr.valuation.progress_bar import Show, progress_bar
from torchattr.valuation.result import Status, ValuationResult
from torchattr.valuation.samplers import ClasswiseSampler, PermutationSamplerBase
from torchattr.valuation.stopping import StoppingCriterion
from torchattr.valuation.types import ClasswiseSample
from torchattr.valuation.utility import game_of
from torchattr.valuation.utility.classwise_model_utility import ClasswiseModelUtility

if TYPE_CHECKING:
    from typing_extensions import Self

    from torchattr.valuation.dataset import Dataset

__all__ = ["ClasswiseShapleyValuation"]

_NAME = "Classwise-Shapley"
# What the values were before they were scaled by class; going on needs it.
_RAW = ("raw_values", "raw_variances", "raw_stderr")
_AHEAD = 8  # turns done for each one that is evaluated ahead


@final
class ClasswiseShapleyValuation(Valuation):
    r"""Shapley values inside each class, beside random parts of the other classes.

    For a point :math:`i` of class :math:`c`,

    .. math:: \phi_i = \mathbb E_{S_{-c}} \sum_{S_c \subseteq N_c \setminus i}
        w(n_c, |S_c|) \bigl[u_c(S_c \cup i \mid S_{-c}) - u_c(S_c \mid S_{-c})\bigr],

    with the Shapley weights :math:`w` of the :math:`n_c` points of the class, and the
    class-wise utility :math:`u_c`. If ``normalize_values``, the values of a class are
    scaled to add up to its in-class score after training on everything.

    A replicate is a part of the other classes with all that was sampled beside it.
    Every different coalition of each class is trained on once, several turns at a time
    where permutations are not truncated.

    Args:
        utility: What both parts are worth to the class.
        sampler: Samples parts of the others, and inside the class.
        is_done: When to stop; asked after each turn of a class.
        progress: Whether to show a progress bar.
        normalize_values: Whether values are scaled by class. What the scale itself is
            uncertain by is not in the standard errors.

    Raises:
        InputError: If an argument is of another kind, data are grouped, or classes too
            small for the sampler.

    Example:
        >>> from sklearn.linear_model import LogisticRegression
        >>> from torchattr.valuation.dataset import Dataset
        >>> from torchattr.valuation.samplers import (
        ...     NoIndexIteration, PermutationSampler, UniformSampler
        ... )
        >>> from torchattr.valuation.scorers import ClasswiseSupervisedScorer
        >>> from torchattr.valuation.stopping import MinUpdates
        >>> data = Dataset(np.arange(4.0)[:, None], np.array([0, 0, 1, 1]))
        >>> scorer = ClasswiseSupervisedScorer("accuracy", data)
        >>> utility = ClasswiseModelUtility(LogisticRegression(), scorer)
        >>> inside = PermutationSampler(seed=1)
        >>> outside = UniformSampler(index_iteration=NoIndexIteration, seed=2)
        >>> sampler = ClasswiseSampler(inside, outside, max_in_class_samples=1)
        >>> method = ClasswiseShapleyValuation(utility, sampler, MinUpdates(5))
        >>> method.fit(data).result.values.sum().round(6)
        np.float64(1.0)

    References:
        Schoch, Xu and Ji (2022), *CS-Shapley: class-wise Shapley values for data
        valuation in classification*.
    """

    def __init__(
        self,
        utility: ClasswiseModelUtility,
        sampler: ClasswiseSampler,
        is_done: StoppingCriterion,
        progress: Show = False,  # ruff: ignore[boolean-default-value-positional-argument] (pyDVL's)
        *,
        normalize_values: bool = True,
    ) -> None:
        expected: list[tuple[str, object, type]] = [
            ("utility", utility, ClasswiseModelUtility),
            ("sampler", sampler, ClasswiseSampler),
            ("is_done", is_done, StoppingCriterion),
        ]
        for name, given, kind in expected:
            if not isinstance(given, kind):
                raise InputError(
                    f"{name} must be a {kind.__name__}, got {type(given).__name__}"
                )
        self.utility = utility
        self.sampler = sampler
        self.is_done = is_done
        self.progress = progress
        self.normalize_values = normalize_values

    def fit(
        self, data: Dataset | None = None, continue_from: ValuationResult | None = None
    ) -> Self:
        """Estimate the values.

        Args:
            data: The labelled points to value; ``None`` where the utility has them.
            continue_from: A result of the same method, sampler and data: the run goes
                on after its last turn. It stays as it is.

        Returns:
            The method itself, with its ``result``.

        Raises:
            InputError: If data are missing or grouped, or ``continue_from`` is of
                something else.
        """
        data = self.utility.training_data if data is None else data
        check_data(data)
        if data is None or isinstance(data, GroupedDataset):
            raise InputError(
                "fit(data) needs the labelled points to value, each by itself; got "
                f"{type(data).__name__}"
            )
        means, before = MarginalMeans(len(data)), {"n_rounds": 0, "n_evaluations": 0}
        self.is_done.reset()
        if continue_from is not None:
            before |= _restored(means, data, continue_from)
        self._result = self._run(data, means, before)
        return self

    def _run(
        self, data: Dataset, means: MarginalMeans, before: Mapping[str, int]
    ) -> ValuationResult:
        games = _Games(self.utility, self.sampler, data)
        done, status, exact = before["n_rounds"], Status.Pending, False
        turns = _turns(chain.from_iterable(self.sampler.batches_from_data(data)))
        if done:
            status = self.is_done(_result(means, data))
            self.is_done.reset()
        ahead = games.evaluated(islice(turns, done, None))
        with progress_bar(self.progress, _NAME, 100) as bar:
            while not status:
                turn = next(ahead, None)
                if turn is None:
                    exact = self._is_exhaustive()
                    break
                players, values = games.contributions(turn)
                means.add(players, values, replicates=np.full(len(players), done))
                done += 1
                status = self.is_done(_result(means, data))
                bar.update(100 * self.is_done.completion() - bar.n)
        status = Status.Converged if exact else status
        spent = before["n_evaluations"] + games.n_evaluations
        counted = {"n_rounds": done, "n_evaluations": spent}
        result = _result(means, data, status, is_exact=exact, **counted, **_raw(means))
        return self._normalized(result, data) if self.normalize_values else result

    def _is_exhaustive(self) -> bool:
        """Whether a run to the end is exact."""
        inside, outside = self.sampler.in_class, self.sampler.out_of_class
        endless = self.sampler.max_in_class_samples is not None
        return inside.is_exhaustive and outside.is_exhaustive and not endless

    def _normalized(self, result: ValuationResult, data: Dataset) -> ValuationResult:
        labels = np.asarray(data.data().y)
        for label in np.unique(labels).tolist():
            members = data.indices[labels == label]
            total = float(np.nansum(result.values[labels == label]))
            if total:
                score = self.utility.in_class_score(label, data)
                result = result.scale(score / total, members)
        return result


@final
class _Games:
    """The game of each class, and the turns that are evaluated together."""

    def __init__(
        self, utility: ClasswiseModelUtility, sampler: ClasswiseSampler, data: Dataset
    ) -> None:
        labels = np.asarray(data.data().y)
        inside = sampler.in_class
        truncation = (
            inside.truncation if isinstance(inside, PermutationSamplerBase) else None
        )
        self._caches, self._classes = {}, {}
        for label in np.unique(labels).tolist():
            members = np.flatnonzero(labels == label)
            cache = Cached(game_of(utility.for_label(label), data))
            self._caches[label] = cache
            self._classes[label] = ClassGame(
                cache,
                members,
                float(utility.scorer.default or 0.0),
                importance=Importance(log_shapley, inside.log_weight, len(members)),
                truncation=truncation,
            )

    def evaluated(
        self, turns: Iterator[list[ClasswiseSample]]
    ) -> Iterator[list[ClasswiseSample]]:
        """Turns whose coalitions were evaluated with those of the following ones."""
        done = 0
        while block := list(islice(turns, 1 + done // _AHEAD)):
            for label, game in self._classes.items():
                samples = [s for turn in block for s in turn if s.label == label]
                needed = [game.ahead(sample) for sample in samples]
                if sum(map(len, needed)):
                    self._caches[label](torch.cat(needed))
            yield from block
            done += len(block)

    def contributions(
        self, turn: list[ClasswiseSample]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Players and scaled contributions of all samples of a turn."""
        found = [self._classes[s.label].contributions(s) for s in turn]
        players = np.concatenate([part.players for part in found])
        return players, np.concatenate([part.values for part in found])

    @property
    def n_evaluations(self) -> int:
        """How many coalitions were trained on."""
        return sum(cache.n_stored for cache in self._caches.values())


def _turns(samples: Iterable[Any]) -> Iterator[list[ClasswiseSample]]:
    """Neighbouring samples beside the same part of the other classes."""
    turn: list[ClasswiseSample] = []
    for sample in samples:
        same = bool(turn) and (
            turn[0].label == sample.label
            and np.array_equal(turn[0].ooc_subset, sample.ooc_subset)
        )
        if turn and not same:
            yield turn
            turn = []
        turn.append(sample)
    if turn:
        yield turn


def _result(
    means: MarginalMeans,
    data: Dataset,
    status: Status = Status.Pending,
    *,
    is_exact: bool = False,
    **extras: Any,  # ruff: ignore[any-type] (numbers and arrays)
) -> ValuationResult:
    stderr = means.standard_errors
    return ValuationResult(
        values=means.values,
        variances=means.variances,
        counts=means.counts,
        stderr=np.zeros_like(stderr) if is_exact else stderr,
        replicates=means.n_replicates,
        indices=data.indices,
        data_names=data.names,
        algorithm=_NAME,
        status=status,
        **extras,
    )


def _raw(means: MarginalMeans) -> dict[str, NDArray[Any]]:
    columns = (means.values, means.variances, means.standard_errors)
    return dict(zip(_RAW, columns, strict=True)) | means.state()


def _restored(
    means: MarginalMeans, data: Dataset, result: ValuationResult
) -> dict[str, int]:
    """Go on from a result; returns what was counted before."""
    same = sorted(result.indices) == sorted(data.indices)
    if result.algorithm != _NAME or not same or not {*_RAW} <= {*result.extras}:
        raise InputError(
            f"continue_from must be a result of {_NAME} for the {len(data)} points of "
            f"the data, got {result!r}"
        )
    ordered = result[result.positions(data.indices)]
    values, variances, stderr = (result.extras[name] for name in _RAW)
    means.restore(
        values=values,
        variances=variances,
        counts=ordered.counts,
        standard_errors=stderr,
        n_replicates=ordered.replicates,
        state=result.extras,
    )
    return {name: result.extras[name] for name in ("n_rounds", "n_evaluations")}
