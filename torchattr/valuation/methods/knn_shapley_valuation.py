"""Shapley values of nearest neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
import torch

from torchattr.errors import InputError
from torchattr.estimation.nearest_neighbours import squared_error_shapley, vote_shapley
from torchattr.estimation.weighted_nearest_neighbours import weighted_neighbour_shapley
from torchattr.valuation.methods.one_pass_valuation import OnePassValuation
from torchattr.valuation.progress_bar import Show, progress_bar
from torchattr.valuation.result import Status, ValuationResult
from torchattr.valuation.utility.neighbourhoods import NearestNeighbours, Neighbourhoods

if TYPE_CHECKING:
    from torch import Tensor

    from torchattr.valuation.dataset import Dataset

__all__ = ["KNNShapleyValuation"]


@final
class KNNShapleyValuation(OnePassValuation):
    r"""Exact Shapley values of the training examples of a nearest-neighbour model.

    A coalition answers a test example by its :math:`K` nearest members :math:`T`,

    .. math::
        a(S) = \frac{|T|}{K} \frac{\sum_{j \in T} w_j b_j}{\sum_{j \in T} w_j},

    and is worth the mean over test examples of :math:`a(S)` with :math:`b_j =
    1[y_j = y]` (a classifier: the probability of the true label), or of
    :math:`-(a(S) - y)^2` with :math:`b_j = y_j` (a regressor). The factor
    :math:`|T| / K` is 1 but for coalitions of fewer than :math:`K`; with it
    :math:`a(\emptyset) = 0`, as in the paper.

    For each test example, uniform weights cost a sort, :math:`O(n \log n)`; others
    (``weights="distance"`` or a function) :math:`O(n K)` about a hundred times over,
    and are exact to about 1e-11. Memory does not grow with the number of test
    examples. No model is fitted.

    Args:
        model: A scikit-learn ``KNeighborsClassifier`` or ``KNeighborsRegressor`` with
            any ``n_neighbors`` (also more than there are examples), ``weights`` and
            ``metric``. Of examples at the same distance the first in the data is
            nearer. Distances are computed in float64 by PyTorch for Minkowski's
            metrics, on the device of the data, else by scikit-learn.
        test_data: The examples to answer.
        progress: Whether to show a progress bar.
        clone_before_fit: Ignored; nothing is fitted.

    Raises:
        InputError: If the model is another, or data are grouped.

    Example:
        >>> from sklearn.neighbors import KNeighborsClassifier
        >>> from torchattr.valuation.dataset import Dataset
        >>> train = Dataset(np.array([[0.0], [1.0], [3.0]]), np.array([0, 1, 1]))
        >>> test = Dataset(np.array([[0.1]]), np.array([1]))
        >>> model = KNeighborsClassifier(n_neighbors=5)
        >>> KNNShapleyValuation(model, test).fit(train).result.values
        array([0. , 0.2, 0.2])

    References:
        Jia et al. (2019), *Efficient task-specific data valuation for nearest neighbor
        algorithms*.
    """

    def __init__(
        self,
        model: object,
        test_data: Dataset,
        progress: Show = False,  # ruff: ignore[boolean-default-value-positional-argument] (pyDVL's)
        clone_before_fit: bool = True,  # ruff: ignore[boolean-type-hint-positional-argument, boolean-default-value-positional-argument] (pyDVL's argument)
    ) -> None:
        self.model = model
        self.test_data = test_data
        self.progress = progress
        self.clone_before_fit = clone_before_fit
        self._neighbours = NearestNeighbours(model)

    def _valued(self, data: Dataset | None) -> ValuationResult:
        if data is None:
            raise InputError("fit(data) needs the training examples to value")
        total, n_test = torch.zeros(len(data), dtype=torch.float64), 0
        with progress_bar(self.progress, "KNN-Shapley", len(self.test_data)) as bar:
            for around in self._neighbours.around(self.test_data, data):
                values = self._shapley(around)
                by_example = torch.zeros_like(values).scatter_(1, around.order, values)
                total += by_example.sum(0).cpu()
                n_test += len(values)
                bar.update(len(values))
        return ValuationResult(
            values=(total / max(1, n_test)).numpy(),
            variances=np.zeros(len(data)),
            counts=np.full(len(data), n_test),
            indices=data.indices,
            data_names=data.names,
            algorithm="KNN-Shapley",
            status=Status.Converged,
        )

    def _shapley(self, around: Neighbourhoods) -> Tensor:
        k = self._neighbours.n_neighbours
        if around.weights is not None:
            return weighted_neighbour_shapley(
                around.weights, around.votes, k, targets=around.targets
            )
        if around.targets is not None:
            return squared_error_shapley(around.votes, around.targets, k)
        return vote_shapley(around.votes, k)
