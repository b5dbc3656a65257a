"""What nearest neighbours inside a coalition answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, final

import torch

from torchattr.errors import InputError
from torchattr.games.nearest_neighbours_game import NearestNeighboursGame
from torchattr.valuation.types import Sample
from torchattr.valuation.utility.neighbourhoods import NearestNeighbours
from torchattr.valuation.utility.utility import UtilityBase

if TYPE_CHECKING:
    from torchattr.valuation.dataset import Dataset

__all__ = ["KNNClassifierUtility"]


@final
class KNNClassifierUtility(UtilityBase):
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
        >>> train = Dataset(np.array([[0.0], [1.0], [3.0]]), np.array([0, 1, 1]))
        >>> test = Dataset(np.array([[0.1]]), np.array([1]))
        >>> model = KNeighborsClassifier(n_neighbors=1)
        >>> utility = KNNClassifierUtility(model, test).with_dataset(train)
        >>> [utility(Sample(None, np.array(subset))) for subset in ([0, 1], [1, 2])]
        [0.0, 1.0]
    """

    in_workers: ClassVar[bool] = False  # a call takes less than sending the data

    def __init__(self, model: object, test_data: Dataset) -> None:
        self.test_data = test_data
        self._neighbours = NearestNeighbours(model)
        self._played: tuple[Dataset, NearestNeighboursGame] | None = None

    def __call__(self, sample: Sample | None) -> float:
        """What a sample is worth.

        Args:
            sample: The points; ``None`` is none.

        Returns:
            The utility; of no points 0 (of a regressor, minus the mean square).
        """
        game = self.game
        coalition = torch.zeros(1, game.n_players, dtype=torch.bool)
        if sample is not None:
            coalition[0, torch.as_tensor(sample.subset, dtype=torch.int64)] = True
        return float(game(coalition))

    @property
    def game(self) -> NearestNeighboursGame:
        """The same for many coalitions at once.

        Raises:
            InputError: If there are no training data.
        """
        data = self.training_data
        if data is None:
            raise InputError(
                "the utility needs training data; use utility.with_dataset(data)"
            )
        if self._played is None or self._played[0] is not data:
            (around,) = self._neighbours.around(self.test_data, data, whole=True)
            game = NearestNeighboursGame(
                around.order,
                around.votes,
                self._neighbours.n_neighbours,
                weights=around.weights,
                targets=around.targets,
            )
            self._played = data, game
        return self._played[1]
