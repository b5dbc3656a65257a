"""What nearest neighbours inside a coalition answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from torchattr.games.nearest_neighbours_game import NearestNeighboursGame
from torchattr.valuation.utility.batch_utility import BatchUtility
from torchattr.valuation.utility.neighbourhoods import NearestNeighbours

if TYPE_CHECKING:
    from torchattr.valuation.dataset import Dataset

__all__ = ["KNNClassifierUtility"]


@final
class KNNClassifierUtility(BatchUtility):
    r"""The game whose Shapley values :class:`KNNShapleyValuation` gives in closed form.

    A sample is worth the mean over test examples of :math:`\frac1K \sum_{j \in T} 1[y_j
    = y]`, with :math:`T` the :math:`K` nearest *of the sample*: a point far away counts
    where the nearer ones are missing. (The nearest of all points that happen to be in
    the sample would be an additive game.) Other weights and regressors are understood
    as well.

    Distances are computed once for a data set; a sample then costs O(M n), and no model
    is fitted.

    Args:
        model: A scikit-learn ``KNeighborsClassifier``.
        test_data: ``M`` examples to answer.

    Raises:
        InputError: If the model is another, data are grouped, or there are no training
            data when it is called.

    Example:
        >>> import numpy as np
        >>> from sklearn.neighbors import KNeighborsClassifier
        >>> from torchattr.valuation.dataset import Dataset
        >>> from torchattr.valuation.types import Sample
        >>> train = Dataset(np.array([[0.0], [1.0], [3.0]]), np.array([0, 1, 1]))
        >>> test = Dataset(np.array([[0.1]]), np.array([1]))
        >>> model = KNeighborsClassifier(n_neighbors=1)
        >>> utility = KNNClassifierUtility(model, test).with_dataset(train)
        >>> [utility(Sample(None, np.array(subset))) for subset in ([0, 1], [1, 2])]
        [0.0, 1.0]
    """

    def __init__(self, model: object, test_data: Dataset) -> None:
        self.test_data = test_data
        self._neighbours = NearestNeighbours(model)

    def make_game(self, data: Dataset) -> NearestNeighboursGame:
        """The game of this utility on its data."""
        (around,) = self._neighbours.around(self.test_data, data, whole=True)
        return NearestNeighboursGame(
            around.order,
            around.votes,
            self._neighbours.n_neighbours,
            weights=around.weights,
            targets=around.targets,
        )
