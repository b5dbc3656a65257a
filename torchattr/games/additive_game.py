"""The additive game: what an attribution says every coalition is worth."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.game import Game

__all__ = ["AdditiveGame"]


@final
class AdditiveGame(Game):
    r"""Players without interaction, :math:`v(S) = b + \sum_{i \in S} a_i`.

    An attribution is this game; how well it agrees with the game it explains, on fresh
    coalitions, is its faithfulness. Every semivalue of player :math:`i` is :math:`a_i`,
    exactly, from a single permutation.

    Args:
        values: ``(n_players, *value)``, the :math:`a_i`. Integers become floats of the
            default type.
        offset: :math:`b`, the value of the empty coalition: a number, or a tensor that
            broadcasts to ``(*value)``.

    Raises:
        InputError: If ``values`` has no player, something is not finite, or ``offset``
            does not fit.

    Example:
        >>> game = AdditiveGame(torch.tensor([1.0, 2.0, 4.0]), offset=10)
        >>> game(torch.tensor([[True, False, True], [False, False, False]]))
        tensor([15., 10.])
    """

    def __init__(self, values: Tensor, offset: Tensor | float = 0) -> None:
        values = torch.as_tensor(values).detach()
        if values.ndim == 0 or len(values) == 0:
            raise InputError(
                "values must have shape (n_players, *value) with at least one player; "
                f"got {tuple(values.shape)}"
            )
        if not (values.is_floating_point() or values.is_complex()):
            values = values.to(torch.get_default_dtype())
        offset = torch.as_tensor(offset, dtype=values.dtype, device=values.device)
        try:
            offset = offset.expand(values.shape[1:])
        except RuntimeError:
            raise InputError(
                f"offset must broadcast to the value shape {tuple(values.shape[1:])}; "
                f"got {tuple(offset.shape)}"
            ) from None
        if not bool(torch.isfinite(values).all() & torch.isfinite(offset).all()):
            raise InputError("values and offset must be finite; got NaN or infinity")
        self.values = values
        self.offset = offset.detach()
        self.n_players = len(values)
        self.device = values.device

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Sums of the values of the players that stay.

        Args:
            coalitions: ``(C, n_players)`` booleans.

        Returns:
            ``(C, *value)`` in the type of the values.
        """
        flat = self.values.reshape(self.n_players, -1)
        sums = coalitions.to(flat.dtype) @ flat
        return sums.reshape(len(coalitions), *self.values.shape[1:]) + self.offset
