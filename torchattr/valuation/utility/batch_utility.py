"""Utilities that value many subsets at once."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
import torch

from torchattr.errors import InputError
from torchattr.games.game import Game
from torchattr.valuation.types import Sample
from torchattr.valuation.utility.utility import UtilityBase

if TYPE_CHECKING:
    from torchattr.valuation.dataset import Dataset

__all__ = ["BatchUtility"]


class BatchUtility(UtilityBase):
    """A utility that is a game by itself, which methods of valuation then play.

    A subclass writes :meth:`make_game`.
    """

    in_workers: ClassVar[bool] = False  # it has a better way than one by one

    _played: tuple[BatchUtility, Dataset, Game] | None = None

    @abstractmethod
    def make_game(self, data: Dataset) -> Game:
        """The game of the points of a data set.

        Args:
            data: The points, one player for each index.

        Returns:
            A game with values ``(C,)``.
        """

    @final
    def __call__(self, sample: Sample | None) -> float:
        """What the points of a sample are worth.

        Args:
            sample: The points, in ``sample.subset``; ``None`` is none.

        Returns:
            The utility.
        """
        game = self.game
        indices = self._data().indices
        subset = np.empty(0) if sample is None else sample.subset
        coalition = torch.from_numpy(np.isin(indices, subset))
        return float(game(coalition[None]))

    @property
    @final
    def game(self) -> Game:
        """The game, made once for this utility and its data.

        Raises:
            InputError: If there are no training data.
        """
        data = self._data()
        # A copy, as with_dataset makes, begins anew.
        if self._played is None or self._played[:2] != (self, data):
            self._played = self, data, self.make_game(data)
        return self._played[2]

    def _data(self) -> Dataset:
        if self._training_data is None:
            raise InputError(
                "the utility needs training data; use utility.with_dataset(data)"
            )
        return self._training_data
