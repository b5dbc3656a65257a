"""The game that an attribution is judged by, from a game or a learner."""

from __future__ import annotations

from torchattr.errors import InputError
from torchattr.games import Game
from torchattr.training import RetrainingGame
from torchattr.training.learner import Learner
from torchattr.training.model_scores import ScorerLike

__all__ = ["as_game", "check_learner_data"]


def as_game(
    game: Game | Learner,
    data: object,
    test: object,
    scorer: ScorerLike,
    *,
    per_example: bool = False,
) -> Game:
    """A game as it is, or that of retraining a learner.

    Args:
        game: Either.
        data: Training examples of a learner.
        test: Examples that a learner's models are scored on.
        scorer: Score of a learner's models.
        per_example: Whether each of these examples has its own score.

    Returns:
        The game.

    Raises:
        InputError: If it is neither, if data are missing, or if a game is given data.

    Example:
        >>> from torchattr.games.synthetic import ShoesGame
        >>> game = ShoesGame(1, 2)
        >>> as_game(game, None, None, "accuracy") is game
        True
    """
    if isinstance(game, Game):
        if data is not None or test is not None:
            raise InputError(
                "data and test are those of a learner; a game has its own. Leave them "
                "out."
            )
        return game
    if not isinstance(game, Learner):
        raise InputError(
            "game must be a Game, or a learner such as TorchLearner; got "
            f"{type(game).__name__}. torchattr.valuation.utility.game_of makes a game "
            "of a utility."
        )
    check_learner_data(data, test)
    return RetrainingGame(game, data, test, scorer, per_example=per_example)


def check_learner_data(data: object, test: object) -> None:
    """Refuse a learner without data.

    Args:
        data: Training examples, or ``None``.
        test: Test examples, or ``None``.

    Raises:
        InputError: If either is missing.
    """
    if data is None or test is None:
        raise InputError(
            "a learner needs data to be trained on and test examples to be scored on; "
            "pass data=(x, y) and test=(x, y)."
        )
