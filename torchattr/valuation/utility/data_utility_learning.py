"""Utilities that are learned from a few of their values."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.counts import as_count
from torchattr.games.game import WHOLE_CALL, Game
from torchattr.sampling.random_words import RandomWords
from torchattr.valuation.types import Sample
from torchattr.valuation.utility.batch_utility import BatchUtility
from torchattr.valuation.utility.utility_model import UtilityModel

if TYPE_CHECKING:
    from torchattr.valuation.dataset import Dataset
    from torchattr.valuation.utility.utility import UtilityBase

__all__ = ["DataUtilityLearning"]


@final
class DataUtilityLearning(BatchUtility):
    """A utility that is evaluated ``training_budget`` times, then predicted.

    The first different coalitions asked for are evaluated, until the budget is spent.
    Where one call asks for more than are left of it, as methods of valuation do, those
    that are evaluated are chosen by a hash of their members: of all sizes, whatever
    order they come in, so that neither batches nor workers change a value. Then the
    model learns from all that is known. A coalition that was evaluated keeps its value.
    The empty one is never predicted, and costs nothing.

    Values that follow have the bias of the model, which standard errors do not show.

    Args:
        utility: What a coalition is worth.
        training_budget: Coalitions to evaluate.
        model: Predicts utilities: an :class:`IndicatorUtilityModel`, a
            :class:`DeepSetUtilityModel`, or another :class:`UtilityModel`.
        show_warnings: Whether warnings of the model are shown.

    Raises:
        InputError: If the budget is not positive, or the model of another kind; when
            called, if the model predicts something else than a number for each sample.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> from torchattr.valuation.dataset import Dataset
        >>> from torchattr.valuation.utility import UtilityBase
        >>> from torchattr.valuation.utility.utility_model import IndicatorUtilityModel
        >>> class Additive(UtilityBase):
        ...     def __call__(self, sample):
        ...         return 0.0 if sample is None else float((sample.subset + 1).sum())
        >>> model = IndicatorUtilityModel(LinearRegression(fit_intercept=False), 3)
        >>> utility = DataUtilityLearning(Additive(), 3, model)
        >>> utility = utility.with_dataset(Dataset(np.eye(3), np.arange(3)))
        >>> [utility(Sample(None, np.array([i]))) for i in range(3)]
        [1.0, 2.0, 3.0]
        >>> round(utility(Sample(None, np.array([0, 2]))), 8)
        4.0

    References:
        Wang et al. (2022), *Improving cooperative game theory-based data valuation via
        data utility learning*.
    """

    def __init__(
        self,
        utility: UtilityBase,
        training_budget: int,
        model: UtilityModel,
        show_warnings: bool = True,  # ruff: ignore[boolean-type-hint-positional-argument, boolean-default-value-positional-argument] (pyDVL's argument)
    ) -> None:
        if not isinstance(model, UtilityModel):
            raise InputError(
                "model must be a UtilityModel, such as "
                f"IndicatorUtilityModel(predictor, n_data), got {type(model).__name__}"
            )
        self.utility = utility
        self.training_budget = as_count("training_budget", training_budget)
        self.model = model
        self.show_warnings = show_warnings

    def make_game(self, data: Dataset) -> Game:
        """The game of this utility on its data."""
        from torchattr.valuation.utility.utility_game import game_of

        return _LearnedGame(
            game_of(self.utility, data),
            self.training_budget,
            self.model,
            np.asarray(data.indices),
            show_warnings=self.show_warnings,
        )


@final
class _LearnedGame(Game):
    """The game of a utility that is learned."""

    chunk_size = WHOLE_CALL  # what is evaluated is chosen among all that is asked for

    def __init__(
        self,
        game: Game,
        budget: int,
        model: UtilityModel,
        indices: NDArray[np.int64],
        *,
        show_warnings: bool,
    ) -> None:
        self.n_players = game.n_players
        self._game = game
        self._left = budget
        self._model = model
        self._indices = indices
        self._show_warnings = show_warnings
        self._known: dict[Sample, float] = {}
        self._is_fitted = False
        hashes = RandomWords(0, "order of evaluation").between(0, game.n_players)
        self._hashes = hashes

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Known values, evaluations while there is budget, and predictions.

        Args:
            coalitions: ``(C, n_players)`` booleans.

        Returns:
            ``(C,)`` float64.
        """
        samples = [Sample(None, self._indices[row]) for row in coalitions.numpy()]
        self._evaluate_new(samples, coalitions)
        unknown = list(dict.fromkeys(s for s in samples if s not in self._known))
        said = dict(zip(unknown, self._predicted(unknown), strict=True))
        answers = [self._known.get(s, said.get(s)) for s in samples]
        return torch.tensor(answers, dtype=torch.float64)

    def _evaluate_new(self, samples: list[Sample], coalitions: Tensor) -> None:
        new = {s: row for row, s in enumerate(samples) if s not in self._known}
        rows = np.fromiter(new.values(), np.int64, len(new))
        empty = rows[~coalitions.numpy()[rows].any(1)]
        others = rows[coalitions.numpy()[rows].any(1)]
        if len(others) > self._left:
            # Members' hashes are added modulo 2^64: as good as a draw, and no draw.
            keys = coalitions.numpy()[others] @ self._hashes
            others = others[np.argsort(keys, kind="stable")[: self._left]]
        chosen = np.concatenate([empty, others])
        if len(chosen):
            values = self._game(coalitions[chosen]).double().tolist()
            self._known |= {
                samples[row]: value for row, value in zip(chosen, values, strict=True)
            }
        self._left -= len(others)

    def _predicted(self, samples: list[Sample]) -> NDArray[np.float64]:
        if not samples:
            return np.empty(0)
        with warnings.catch_warnings(), torch.enable_grad():
            if not self._show_warnings:
                warnings.simplefilter("ignore")
            if not self._is_fitted:
                self._model.fit(dict(self._known))
                self._is_fitted = True
            predicted = np.asarray(self._model.predict(samples), np.float64)
        if predicted.shape != (len(samples),):
            raise InputError(
                f"{type(self._model).__name__}.predict must return one number for each "
                f"of {len(samples)} samples, got the shape {predicted.shape}"
            )
        return predicted
