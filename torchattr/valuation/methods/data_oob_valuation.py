"""Out-of-bag scores of points."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from torchattr.errors import InputError
from torchattr.estimation.running_cells import RunningCells
from torchattr.games.counts import as_count
from torchattr.sampling.random_words import Seed, entropy_of
from torchattr.training.learner import Learner
from torchattr.valuation.methods.one_pass_valuation import OnePassValuation
from torchattr.valuation.methods.out_of_bag import (
    Bags,
    FittedBags,
    LearnerBags,
    PointwiseScore,
)
from torchattr.valuation.progress_bar import Show, progress_bar
from torchattr.valuation.result import Status, ValuationResult

if TYPE_CHECKING:
    from torchattr.valuation.dataset import Dataset

__all__ = ["DataOOBValuation"]

_DEFAULT_BAGS = 100


@final
class DataOOBValuation(OnePassValuation):
    r"""How well each point is predicted by models that were not trained on it.

    .. math:: \psi_i = \frac{1}{|\{b : i \notin B_b\}|} \sum_{b : i \notin B_b}
        s\bigl(y_i, f_b(x_i)\bigr)

    for models :math:`f_b` trained on bags :math:`B_b` of the data. Bags are
    independent, so that each value has a standard error. All points keep their place
    and name; one that is in every bag has the value NaN and a count of 0. A group of a
    :class:`~torchattr.valuation.GroupedDataset` has the mean of its points.

    Args:
        model: An ensemble that scikit-learn fitted to the data (``BaggingClassifier``,
            ``BaggingRegressor``, ``RandomForestClassifier``, ``ExtraTreesRegressor``
            with ``bootstrap=True``, ...), whose members are used as they are; or a
            :class:`~torchattr.training.TorchLearner`, which trains ``n_estimators``
            models on bootstrap samples, hundreds at once. Its bags are sets: a point
            that was drawn twice counts once.
        score: ``(targets, predictions) ->`` one score for each, of arrays; ``None`` is
            1 or 0 for the right or a wrong class, :math:`-|y - f(x)|` for values.
        n_estimators: Bags of a learner; 100 unless given.
        max_samples: Points drawn for a bag of a learner, as a share of all.
        seed: Of the bags of a learner.
        progress: Whether to show a progress bar.

    Raises:
        InputError: If the model is no fitted ensemble, was fitted to other data, or is
            one and is given ``n_estimators`` or ``max_samples``.

    Example:
        >>> from sklearn.ensemble import BaggingClassifier
        >>> from torchattr.valuation.dataset import Dataset
        >>> x = np.array([[0.0], [0.1], [0.2], [0.9], [1.0]])
        >>> y = np.array([0, 0, 1, 1, 1])
        >>> bags = BaggingClassifier(n_estimators=50, random_state=0).fit(x, y)
        >>> result = DataOOBValuation(bags).fit(Dataset(x, y)).result
        >>> result.sort()[0].indices, result.counts.min() > 10
        (array([2]), np.True_)

    References:
        Kwon and Zou (2023), *Data-OOB: out-of-bag estimate as a simple and efficient
        data value*.
    """

    def __init__(
        self,
        model: object,
        score: PointwiseScore | None = None,
        *,
        n_estimators: int | None = None,
        max_samples: float | None = None,
        seed: Seed = None,
        progress: Show = False,
    ) -> None:
        self.model = model
        self.score = score
        self.progress = progress
        self._bags = _bags(model, n_estimators, max_samples, seed)

    def _valued(self, data: Dataset | None) -> ValuationResult:
        if data is None:
            raise InputError("fit(data) needs the points to value")
        cells = RunningCells.none(len(data))
        order = np.argsort(data.indices)
        places = np.searchsorted(data.indices[order], data.logical_indices())
        cell_of = order[places]
        with progress_bar(self.progress, "Data-OOB", self._bags.n_bags) as bar:
            for outside in self._bags.out_of_bag(data, self.score):
                cells.add(cell_of[outside.points], outside.scores)
                bar.update(outside.n_bags)
        return ValuationResult(
            values=np.where(cells.counts > 0, cells.means, np.nan),
            variances=cells.variances,
            counts=cells.counts,
            indices=data.indices,
            data_names=data.names,
            algorithm="Data-OOB",
            status=Status.Converged,
        )


def _bags(
    model: object, n_estimators: int | None, max_samples: float | None, seed: Seed
) -> Bags:
    if isinstance(model, Learner):
        wanted = _DEFAULT_BAGS if n_estimators is None else n_estimators
        n_bags = as_count("n_estimators", wanted)
        share = 1.0 if max_samples is None else max_samples
        return LearnerBags(model, n_bags, share, entropy_of(seed))
    if n_estimators is not None or max_samples is not None:
        raise InputError(
            "a fitted ensemble has its bags; n_estimators and max_samples are for a "
            "TorchLearner"
        )
    return FittedBags(model)
