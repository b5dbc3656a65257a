"""A game given by a function of coalitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.counts import as_count
from torchattr.games.game import Game

__all__ = ["FunctionGame"]


@final
class FunctionGame(Game):
    r"""A game :math:`v(S) = \mathrm{fn}(S)`, one call for many coalitions.

    Args:
        fn: Maps ``(C, n_players)`` booleans to ``(C, *value)``. It sees at most
            ``chunk_size`` coalitions at a time, runs without gradients, and must give a
            coalition the same value whatever else is in the call.
        n_players: Number of players, at least one.
        device: Where ``fn`` expects coalitions; the CPU if ``None``.

    Raises:
        InputError: If ``n_players`` is not a positive integer or ``fn`` not callable.

    Example:
        >>> game = FunctionGame(lambda coalitions: coalitions.sum(1) >= 2, n_players=3)
        >>> game(torch.tensor([[True, False, True], [False, False, True]]))
        tensor([ True, False])
    """

    def __init__(
        self,
        fn: Callable[[Tensor], Tensor],
        n_players: int,
        *,
        device: torch.device | str | None = None,
    ) -> None:
        if not callable(fn):
            raise InputError(
                f"fn must map coalitions to values, got {type(fn).__name__}. "
                "To look values up, pass a function that does."
            )
        self.fn = fn
        self.n_players = as_count("n_players", n_players)
        self.device = torch.device("cpu" if device is None else device)

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """What ``fn`` returns.

        Args:
            coalitions: ``(C, n_players)`` booleans.

        Returns:
            ``(C, *value)``.

        Raises:
            InputError: If ``fn`` returns something else than a tensor.
        """
        values = self.fn(coalitions)
        if not isinstance(values, Tensor):
            raise InputError(
                "fn must return a tensor with one value for each coalition along its "
                f"first dimension; got {type(values).__name__}"
            )
        return values
