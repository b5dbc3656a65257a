"""What the nearest of a coalition answer."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.counts import as_count
from torchattr.games.game import Game

__all__ = ["NearestNeighboursGame"]

_CHUNK_BYTES = 2**26  # of the largest tensor of a chunk


@final
class NearestNeighboursGame(Game):
    r"""Test examples answered by the :math:`K` nearest players of a coalition.

    .. math::
        a(S) = \frac{|T|}{K} \frac{\sum_{j \in T} w_j b_j}{\sum_{j \in T} w_j},
        \qquad T = \mathrm{top}_K(S),

    and :math:`v(S)` is the mean over test examples of :math:`a(S)`, or of
    :math:`-(a(S) - y)^2` where targets are given. The neighbours are those inside the
    coalition, not those of all players that happen to be in it. An answer without
    neighbours, or whose weights are all 0, is 0.

    Args:
        order: ``(M, n)`` integers, for each test example the players, nearest first.
        votes: ``(M, n)`` floats, :math:`b`, in that order.
        n_neighbours: :math:`K`.
        weights: ``(M, n)`` non-negative floats, in that order; equal ones if ``None``.
        targets: ``(M,)`` floats, :math:`y`.

    Raises:
        InputError: If a shape does not fit, or ``n_neighbours`` is not positive.

    Example:
        >>> order = torch.tensor([[2, 0, 1]])
        >>> game = NearestNeighboursGame(order, torch.tensor([[0.0, 1.0, 1.0]]), 1)
        >>> game(torch.tensor([[True, True, True], [True, True, False]]))
        tensor([0., 1.])
    """

    def __init__(
        self,
        order: Tensor,
        votes: Tensor,
        n_neighbours: int,
        *,
        weights: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> None:
        shapes = [tuple(votes.shape)] + ([] if weights is None else [weights.shape])
        if order.ndim != 2 or any(shape != order.shape for shape in shapes):
            raise InputError(
                "order, votes and weights must all be (M, n): test examples by "
                f"players; got {tuple(order.shape)} and {shapes}"
            )
        self.n_players = order.shape[1]
        self.device = votes.device
        self.n_neighbours = as_count("n_neighbours", n_neighbours)
        self.chunk_size = max(1, _CHUNK_BYTES // (8 * order.numel()))
        self._order, self._votes = order, votes
        self._weights = torch.ones_like(votes) if weights is None else weights
        self._targets = targets

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Mean over the test examples.

        Args:
            coalitions: ``(C, n_players)`` booleans.

        Returns:
            ``(C,)`` of the dtype of the votes.
        """
        present = coalitions[:, self._order]  # (C, M, n), nearest first
        nearest = present & (present.cumsum(-1) <= self.n_neighbours)
        weights = nearest * self._weights
        total = weights.sum(-1)
        answer = (weights * self._votes).sum(-1) / torch.where(total > 0, total, 1)
        answer = answer * nearest.sum(-1) / self.n_neighbours
        if self._targets is not None:
            answer = -(answer - self._targets).square()
        return answer.mean(-1)
