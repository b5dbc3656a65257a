"""Utilities as games, and the workers that evaluate them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, TypeAlias, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.game import Game
from torchattr.valuation.types import Sample
from torchattr.valuation.utility.attempt import attempt
from torchattr.valuation.utility.batch_utility import BatchUtility
from torchattr.valuation.utility.failures import Failures
from torchattr.valuation.utility.model_utility import ModelUtility
from torchattr.valuation.utility.utility import UtilityBase

if TYPE_CHECKING:
    from torchattr.valuation.dataset import Dataset

__all__ = ["UtilityGame", "game_of"]

_Subset: TypeAlias = NDArray[np.int64]
_Answer: TypeAlias = tuple[float, str | None]


@final
class UtilityGame(Game):
    r"""The points of a data set are players; a coalition is worth its utility.

    :math:`v(S) = u(\{i_p : p \in S\})`, with :math:`i_p` the index of player :math:`p`.
    Coalitions are shared out among the workers of ``joblib.parallel_config``; each gets
    the utility and its data once for every chunk, and how many there are changes no
    value.

    Args:
        utility: What sets of points are worth.
        data: The points; ``None`` for those that the utility has.

    Attributes:
        utility: The utility.
        data_indices: ``(n_players,)``: the index of each player.
        data_names: ``(n_players,)``: its name.
        chunk_size: 64 for each worker, unless set.

    Raises:
        InputError: If the utility has no data; when called, as the utility does.

    Example:
        >>> from torchattr.valuation.dataset import Dataset
        >>> from torchattr.valuation.utility import UtilityBase
        >>> class Size(UtilityBase):
        ...     def __call__(self, sample):
        ...         return 0.0 if sample is None else float(len(sample.subset))
        >>> game = UtilityGame(Size(), Dataset(np.eye(3), np.arange(3)))
        >>> game(game.ends())
        tensor([0., 3.], dtype=torch.float64)
    """

    _CHUNK_OF_WORKER: ClassVar[int] = (
        64  # amortises sending the data, and loses little to a crash
    )

    def __init__(self, utility: UtilityBase, data: Dataset | None = None) -> None:
        data = utility.training_data if data is None else data
        if data is None:
            raise InputError(
                "the utility needs training data; use utility.with_dataset(data)"
            )
        self.utility = utility
        self.data_indices = np.asarray(data.indices)
        self.data_names = np.asarray(data.names)
        self.n_players = len(self.data_indices)
        self._failures = Failures(data)
        self.chunk_size = self._CHUNK_OF_WORKER * _n_workers()

    @property
    def n_failures(self) -> int:
        """Coalitions on which no model could be trained; they got the default."""
        return self._failures.count

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Utilities of the coalitions.

        Args:
            coalitions: ``(C, n_players)`` booleans.

        Returns:
            ``(C,)`` float64.
        """
        rows = coalitions.cpu().numpy()
        values = np.empty(len(rows))
        empty = ~rows.any(1)
        if empty.any():
            values[empty] = self.utility(None)
        places = np.flatnonzero(~empty)
        answers = self._answers([self.data_indices[row] for row in rows[places]])
        values[places] = [value for value, _ in answers]
        failed = [reason for _, reason in answers if reason is not None]
        if failed and isinstance(self.utility, ModelUtility):
            self.n_wasted += self._failures.add(self.utility, len(failed), failed[0])
            missing = [reason is not None for _, reason in answers]
            values[places[missing]] = self.utility.default
        return torch.from_numpy(values)

    def _answers(self, subsets: Sequence[_Subset]) -> list[_Answer]:
        """Utilities of subsets, by as many workers as joblib is told to use."""
        n_workers = min(_n_workers(), len(subsets))
        if n_workers <= 1 or not self.utility.in_workers:
            return _answers_of(self.utility, subsets)
        import joblib

        # Neighbours are of about the same size, so each worker gets every n-th.
        shares = [subsets[worker::n_workers] for worker in range(n_workers)]
        parts = joblib.Parallel()(
            joblib.delayed(_answers_of)(self.utility, share) for share in shares
        )
        return [parts[k % n_workers][k // n_workers] for k in range(len(subsets))]


def game_of(utility: UtilityBase | Game, data: Dataset | None = None) -> Game:
    """The game that a valuation method plays.

    Args:
        utility: A utility, or a game, which is its own.
        data: The training points; ``None`` for those that the utility has.

    Returns:
        The game: a :class:`~torchattr.training.RetrainingGame` where a learner trains
        many models at once, a :class:`UtilityGame` for any other utility.

    Raises:
        InputError: If ``utility`` is neither, or no data are known.

    Example:
        >>> from torchattr.games.synthetic import ShoesGame
        >>> game = ShoesGame(2, 4)
        >>> game_of(game) is game
        True
    """
    if isinstance(utility, Game):
        return utility
    if not isinstance(utility, UtilityBase):
        raise InputError(
            "utility must be a utility, such as ModelUtility(model, scorer), or a "
            f"Game; got {type(utility).__name__}"
        )
    if data is not None:
        utility = utility.with_dataset(data)
    if isinstance(utility, ModelUtility) and utility.learner_game is not None:
        return utility.learner_game
    if isinstance(utility, BatchUtility):
        return utility.game
    return UtilityGame(utility, data)


def _answers_of(utility: UtilityBase, subsets: Sequence[_Subset]) -> list[_Answer]:
    """What a worker does: the utility of each subset, or why there is none."""
    samples = [Sample(None, subset) for subset in subsets]
    if not isinstance(utility, ModelUtility):
        return [(float(utility(sample)), None) for sample in samples]
    # An error need not survive the way back from another process; its text does.
    tried = [attempt(utility, sample) for sample in samples]
    return [(one.value, one.reason) for one in tried]


def _n_workers() -> int:
    try:
        import joblib
    except ImportError:  # who has no joblib, has no use for its workers
        return 1
    return int(joblib.effective_n_jobs(joblib.Parallel().n_jobs))
