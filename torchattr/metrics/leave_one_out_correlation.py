"""Do attributions foretell what leaving out one example does?"""

from __future__ import annotations

from torch import Tensor

from torchattr.estimation.removal_effects import removal_effects
from torchattr.games import Game
from torchattr.metrics.as_game import as_game
from torchattr.metrics.correlation import Correlation, check_correlation, correlations
from torchattr.metrics.point_values import PointValues, as_numbers, by_output
from torchattr.training.learner import Learner
from torchattr.training.model_scores import ScorerLike

__all__ = ["leave_one_out_correlation"]


def leave_one_out_correlation(
    game: Game | Learner,
    attributions: PointValues,
    *,
    data: object = None,
    test: object = None,
    scorer: ScorerLike = "neg_loss",
    correlation: Correlation = "spearman",
) -> Tensor:
    r"""Correlation, over training examples, with what leaving each of them out does.

    .. math::
        \mathrm{corr}_i \bigl( \tau_{ji},\; U_j(N) - U_j(N \setminus i) \bigr)

    :math:`U_j` is the score of a model on test example :math:`j`, and :math:`N` all
    training examples; :math:`n + 1` models are trained, many at once. It needs training
    that is smooth in the data: where another order of the minibatches does more to a
    model than one example does (large networks, much data), no attribution correlates,
    and :func:`linear_datamodeling_score` says more.

    Args:
        game: What a set of examples is worth for each test example, such as
            ``RetrainingGame(learner, data, test, "neg_loss", per_example=True)``; or a
            learner, which is retrained on ``data``. Any other game will do, with
            values of any shape ``(*value)``.
        attributions: ``(n_test, n_train)``, of a game ``(*value, n_players)``: positive
            where an example helps. For a score of all test examples together
            ``(n_train,)``, or a result of a valuation.
        data: Training examples of a learner; not for a game.
        test: Examples that a learner's models are scored on; not for a game.
        scorer: Score of a learner's models. By default minus the loss, of which
            influence functions speak.
        correlation: ``"spearman"``, of the ranks, or ``"pearson"``.

    Returns:
        ``(n_test,)``, or ``(*value)``; float64. NaN where all effects, or all
        attributions, of a test example are equal.

    Raises:
        InputError: If there is not one finite attribution for each player and value, or
            an option is out of its range.

    Example:
        >>> import torch
        >>> from torchattr.games import AdditiveGame
        >>> game = AdditiveGame(torch.tensor([[1.0, 0.0], [2.0, 3.0], [5.0, 1.0]]))
        >>> leave_one_out_correlation(game, [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]])
        tensor([1.0000, 0.5000], dtype=torch.float64)
    """
    check_correlation(correlation)
    per_example = as_numbers("attributions", attributions).ndim > 1
    game = as_game(game, data, test, scorer, per_example=per_example)
    effects = as_numbers("the values of the game", removal_effects(game).values)
    shape = effects.shape[1:]
    rows = by_output("attributions", attributions, game.n_players, shape)
    true = effects.reshape(game.n_players, -1).T
    return correlations(rows.to(true.device), true, correlation).reshape(shape)
