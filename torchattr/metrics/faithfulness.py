"""Does an attribution describe the game that it explains?"""

from __future__ import annotations

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games import Game
from torchattr.games.counts import as_count
from torchattr.metrics.as_game import as_game
from torchattr.metrics.correlation import Correlation, check_correlation, correlations
from torchattr.metrics.linear_datamodeling_score import additive_predictions
from torchattr.metrics.point_values import PointValues, as_numbers, by_output
from torchattr.training.learner import Learner
from torchattr.training.model_scores import ScorerLike

__all__ = ["faithfulness"]

#: Seed of the coalitions that every call draws; one that nobody would fit with.
_FRESH = 0x5EED_0FF5


def faithfulness(
    game: Game | Learner,
    attribution: PointValues,
    *,
    data: object = None,
    test: object = None,
    scorer: ScorerLike = "neg_loss",
    n_coalitions: int = 200,
    share: float = 0.5,
    correlation: Correlation = "pearson",
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Correlation of an attribution, read as a game, with the true game.

    .. math::
        \mathrm{corr}_S \Bigl( v(S),\; \sum_{i \in S} \phi_i \Bigr)

    An attribution says that a coalition is worth the sum of its members' values, the
    game of :class:`~torchattr.games.AdditiveGame`. Whether that holds is seen on random
    coalitions that no method has drawn. 1 is an exact description up to scale; a game
    with interactions allows no attribution to reach it.

    The same measure serves features and training examples: of features it is infidelity
    (Yeh et al., 2019) as a correlation, free of the scale; of training examples, with
    ``correlation="spearman"``, :func:`linear_datamodeling_score` on coalitions that are
    drawn and trained on here.

    Args:
        game: What a set of players is worth, with values of any shape ``(*value)``; or
            a :class:`~torchattr.training.TorchLearner` that is retrained on ``data``.
        attribution: ``(*value, n_players)``: the shape of an answer of ``attribute``
            for all outputs or test examples. Elements of the inputs may keep their
            shape where each is a player. For a single value ``(n_players,)``, or a
            result, whose data indices are positions.
        data: Training examples of a learner; not for a game.
        test: Examples that a learner's models are scored on; not for a game. Each has
            its own score where ``attribution`` has more than one dimension.
        scorer: Score of a learner's models, as for :func:`removal_curve`.
        n_coalitions: How many are drawn, and evaluated in one call.
        share: Chance of each player to stay. Influence speaks of a few examples that
            are left out: 0.95.
        correlation: ``"pearson"``, or ``"spearman"`` for the order alone.
        generator: What draws the coalitions. By default they are the same in every
            call, so that attributions of one game compare.

    Returns:
        ``(*value)``, float64: a correlation for each value; NaN where a game or an
        attribution is constant.

    Raises:
        InputError: If there is not one number for each player and value, or an option
            is out of its range.

    Example:
        >>> from torchattr.games import AdditiveGame
        >>> game = AdditiveGame(torch.tensor([[1.0, 1.0], [2.0, 0.0], [3.0, 0.0]]))
        >>> faithfulness(game, [[10.0, 20.0, 30.0], [0.0, 0.0, 1.0]]) > 0.9
        tensor([ True, False])
    """
    n_coalitions = as_count("n_coalitions", n_coalitions)
    check_correlation(correlation)
    if isinstance(share, bool) or not 0 < share < 1:
        raise InputError(f"share must be between 0 and 1; got {share!r}.")
    per_example = as_numbers("attribution", attribution).ndim > 1
    game = as_game(game, data, test, scorer, per_example=per_example)
    if generator is None:
        generator = torch.Generator().manual_seed(_FRESH)
    draws = torch.rand(
        n_coalitions, game.n_players, generator=generator, device=generator.device
    )
    coalitions = (draws < share).to(game.device)
    values = as_numbers("the values of the game", game(coalitions))
    shape = values.shape[1:]
    rows = by_output("attribution", attribution, game.n_players, shape)
    predicted = additive_predictions(rows.to(values.device), coalitions)
    true = values.reshape(n_coalitions, -1).T
    return correlations(predicted, true, correlation).reshape(shape)
