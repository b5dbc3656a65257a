"""How the score changes as points are removed in the order of their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games import Game
from torchattr.metrics.as_game import as_game
from torchattr.metrics.point_values import PointValues, as_numbers, by_position
from torchattr.training.learner import Learner
from torchattr.training.model_scores import ScorerLike

__all__ = ["RemovalCurve", "removal_curve"]

Fractions: TypeAlias = "Tensor | npt.NDArray[np.generic] | Sequence[float]"


class RemovalCurve(NamedTuple):
    """Scores after growing shares of the points were removed.

    Attributes:
        fractions: ``(F,)``, float64: the shares that were removed, to whole points.
        scores: ``(F, *value)``: what the rest is worth.

    Example:
        >>> curve = RemovalCurve(torch.tensor([0.0, 0.5]), torch.tensor([0.9, 0.7]))
        >>> round(float(curve.area), 6)
        0.4
    """

    fractions: Tensor
    scores: Tensor

    @property
    def area(self) -> Tensor:
        """``(*value)``: area under the curve, by trapezoids.

        Removing the worst points first, a larger area is better; removing the best
        first, a smaller one. Only areas over the same fractions compare.
        """
        return torch.trapezoid(
            self.scores.double(), self.fractions.to(self.scores.device), dim=0
        )


def removal_curve(
    game: Game | Learner,
    values: PointValues,
    *,
    data: object = None,
    test: object = None,
    scorer: ScorerLike = "accuracy",
    first: Literal["lowest", "highest"] = "lowest",
    fractions: Fractions | None = None,
) -> RemovalCurve:
    r"""Remove points in the order of their values, and score what is left.

    If the values are right, then without the lowest the score keeps up, or rises where
    these were harmful, and without the highest it falls fast; a random order
    (``values=torch.rand(n)``) lies between. For a fraction f the coalition of all
    but the first :math:`\mathrm{round}(f n)` points is evaluated, all fractions in
    one call, so that a :class:`~torchattr.training.RetrainingGame` trains their models
    together. Costs one evaluation for each fraction.

    Args:
        game: What a set of points is worth: any game whose players are the points, or a
            :class:`~torchattr.training.TorchLearner` that is retrained on ``data``.
        values: ``(n_players,)``: a tensor, an array, or a result, whose data indices
            are positions in the game. Of equal values the earlier point goes first.
        data: Training examples of a learner; not for a game.
        test: Examples that a learner's models are scored on; not for a game. Values
            flatter themselves on the examples they were computed with: take others.
        scorer: Score of a learner's models, as a
            :class:`~torchattr.training.RetrainingGame` takes it.
        first: Which go first, the ``"lowest"`` or the ``"highest"`` values.
        fractions: Shares to remove, from 0 to 1; by default 0, 0.05, ..., 0.95.

    Returns:
        Fractions, scores, and the area under them.

    Raises:
        InputError: If there is not one finite value for each player, or an option is
            out of its range.

    Example:
        >>> from torchattr.games import AdditiveGame
        >>> game = AdditiveGame(torch.tensor([0.0, 3.0, 1.0, 2.0]))
        >>> removal_curve(game, game.values, fractions=[0.0, 0.5]).scores
        tensor([6., 5.])
        >>> removal_curve(game, game.values, first="highest", fractions=[0.5]).scores
        tensor([1.])
    """
    game = as_game(game, data, test, scorer)
    if first not in {"lowest", "highest"}:
        raise InputError(f'first must be "lowest" or "highest"; got {first!r}.')
    n = game.n_players
    numbers = by_position("values", values, n)
    removed = (_checked(fractions) * n).round().long()
    order = numbers.argsort(descending=first == "highest", stable=True)
    position = torch.empty(n, dtype=torch.long)
    position[order.cpu()] = torch.arange(n)
    stay = position >= removed[:, None]
    return RemovalCurve(removed.double() / n, game(stay.to(game.device)))


def _checked(fractions: Fractions | None) -> Tensor:
    if fractions is None:
        return torch.arange(20, dtype=torch.float64) / 20
    shares = as_numbers("fractions", fractions).cpu()
    if shares.ndim != 1 or bool(((shares < 0) | (shares > 1)).any()):
        raise InputError(
            "fractions must be shares of the points, (F,) from 0 to 1; got shape "
            f"{tuple(shares.shape)} from {shares.min():g} to {shares.max():g}."
        )
    if bool((shares.diff() < 0).any()):
        raise InputError(
            "fractions must not decrease, or the area would be that of no curve; sort "
            "them first."
        )
    return shares
