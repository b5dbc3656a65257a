"""A progress bar for the evaluations of a game."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from torchattr.games.game import Game

__all__ = ["reporting"]


@contextmanager
def reporting(
    game: Game, label: str, n_evaluations: int, *, show: bool
) -> Generator[None, None, None]:
    """Show how many of a game's evaluations are done while the block runs.

    Args:
        game: The game that is evaluated in the block.
        label: What the bar is for.
        n_evaluations: How many coalitions will be evaluated (at most, if the run may
            stop early).
        show: Whether there is a bar at all.

    Yields:
        Nothing.

    Example:
        >>> from torchattr.games import FunctionGame
        >>> game = FunctionGame(lambda coalitions: coalitions.sum(1), n_players=2)
        >>> with reporting(game, "Sum", n_evaluations=2, show=False):
        ...     game(game.ends())
        tensor([0, 2])
    """
    if not show:
        yield
        return
    from tqdm.auto import tqdm  # (only a run that shows it pays for it)

    with tqdm(total=n_evaluations, desc=label) as bar:
        game.progress = bar
        try:
            yield
        finally:
            game.progress = None
