"""The points that are valued, and the game between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError
from torchattr.games.game import Game
from torchattr.valuation.dataset import Dataset
from torchattr.valuation.result import ValuationResult
from torchattr.valuation.utility.utility_game import UtilityGame, game_of

if TYPE_CHECKING:
    from torchattr.valuation.utility import UtilityBase

__all__ = ["Points", "check_data"]


@dataclass(frozen=True)
class Points:
    """What is valued.

    Attributes:
        game: What coalitions of the points are worth.
        indices: ``(n,)``: of the points in the data.
        names: ``(n,)``: of the points; ``None`` where they have none.
    """

    game: Game
    indices: NDArray[np.int64]
    names: NDArray[Any] | None = None

    @classmethod
    def of(cls, utility: UtilityBase | Game, data: Dataset | None) -> Points:
        """The players of a game, or the points of a data set.

        Args:
            utility: A utility, or a game.
            data: The data; ``None`` takes the game's players, or the utility's data.

        Returns:
            The points.

        Raises:
            InputError: If there is neither data nor a game, or they do not fit.
        """
        check_data(data)
        if isinstance(utility, Game):
            if data is not None and len(data) != utility.n_players:
                raise InputError(
                    f"the game has {utility.n_players} players, the data {len(data)} "
                    "points; a game has its own players, so fit() needs no data"
                )
        elif data is None:
            data = utility.training_data
            if data is None:
                raise InputError(
                    "fit(data) needs the data to value, or a utility that has it: "
                    "utility.with_dataset(data)"
                )
        game = game_of(utility, data)
        if data is None:
            return cls(game, np.arange(game.n_players))
        return cls(game, np.asarray(data.indices), np.asarray(data.names))

    @property
    def n_failures(self) -> int:
        """Coalitions on which no model could be trained."""
        return self.game.n_failures if isinstance(self.game, UtilityGame) else 0

    def in_order(self, result: ValuationResult) -> ValuationResult:
        """A result for these points, in their order.

        Args:
            result: For the same points in any order.

        Returns:
            The rows in the order of the points.

        Raises:
            InputError: If it is of other points.
        """
        if sorted(result.indices) != sorted(self.indices):
            raise InputError(
                f"continue_from must have a value for each of the {len(self.indices)} "
                f"points, and no others; it has {len(result)}"
            )
        return result[result.positions(self.indices)]


def check_data(data: object) -> None:
    """Refuse to value what is no data set of ours.

    Args:
        data: What a user passed to ``fit``; ``None`` where there is no need of any.

    Raises:
        InputError: If it is neither.

    Example:
        >>> check_data(None)
    """
    if data is not None and not isinstance(data, Dataset):
        raise InputError(
            "fit(data) takes a Dataset or a GroupedDataset; got "
            f"{type(data).__name__}. Dataset(x, y) makes one of arrays or tensors; "
            "Dataset.from_arrays and Dataset.from_sklearn return two, of which the "
            "first is for training."
        )
