"""A vote in which voices have weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.counts import as_count
from torchattr.games.game import Game

__all__ = ["AsymmetricVotingGame"]

# Weight -> number of states, the electoral college of 1970.
_ELECTORAL_COLLEGE = {
    45: 1,
    41: 1,
    27: 1,
    26: 2,
    25: 1,
    21: 1,
    17: 2,
    14: 1,
    13: 2,
    12: 3,
    11: 1,
    10: 4,
    9: 4,
    8: 2,
    7: 4,
    6: 4,
    5: 1,
    4: 9,
    3: 7,
}


@final
class AsymmetricVotingGame(Game):
    r"""A weighted majority, :math:`v(S) = 1` if :math:`\sum_{i \in S} w_i > q`, else 0.

    By default the electoral college of the United States in 1970: 51 players, 538
    voices, more than 269 win. The exact values cost some
    :math:`n^2 \sum_i w_i` additions for each different weight.

    Args:
        n_players: Number of voters; 51, or the number of ``weights``.
        weights: A weight for each voter, integers that are not negative.
        quota: :math:`q`, the weight that a coalition has to exceed; half of the total
            if ``None``.

    Raises:
        InputError: If the arguments do not fit together.

    Example:
        >>> AsymmetricVotingGame(weights=[3, 2, 1]).shapley_values()
        tensor([0.6667, 0.1667, 0.1667], dtype=torch.float64)

    References:
        Castro, Gomez and Tejada (2009), *Polynomial calculation of the Shapley value
        based on sampling*, section 4.2; Owen (1975), *Evaluation of a
        presidential election game*.
    """

    def __init__(
        self,
        n_players: int | None = None,
        *,
        weights: Sequence[int] | Tensor | None = None,
        quota: float | None = None,
    ) -> None:
        self.weights = _checked_weights(n_players, weights)
        self.n_players = len(self.weights)
        total = int(self.weights.sum())
        self.quota = total / 2 if quota is None else quota
        if not 0 <= self.quota < total:
            raise InputError(
                f"quota must be at least 0 and below the total weight {total}, "
                f"got {self.quota!r}"
            )

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Whether each coalition exceeds the quota.

        Args:
            coalitions: ``(C, n_players)`` booleans.

        Returns:
            ``(C,)`` float64, 0 or 1.
        """
        return (coalitions.double() @ self.weights.double() > self.quota).double()

    def shapley_values(self) -> Tensor:
        r"""Chance to decide the vote, the others in favour with a random probability.

        :math:`\phi_i = \int_0^1 \Pr(i \text{ is pivotal} \mid q)\,dq`; the integrand is
        a polynomial of degree :math:`n - 1`, which Gauss-Legendre nodes integrate
        exactly.

        Returns:
            ``(n_players,)``.
        """
        nodes, weights = np.polynomial.legendre.leggauss(self.n_players // 2 + 1)
        probabilities = torch.as_tensor((nodes + 1) / 2)
        return self._pivot_chances(probabilities) @ torch.as_tensor(weights / 2)

    def banzhaf_values(self) -> Tensor:
        """Chance to decide the vote, the others in favour with probability one half."""
        return self._pivot_chances(torch.tensor([0.5], dtype=torch.float64)).flatten()

    def _pivot_chances(self, probabilities: Tensor) -> Tensor:
        """``(n, Q)``: chance that the others' weight is within reach of the quota."""
        # One row for each distinct weight, for a player that has it and is left out.
        distinct, kind = torch.unique(self.weights, return_inverse=True)
        some_player = (kind == torch.arange(len(distinct))[:, None]).int().argmax(1)
        total = int(self.weights.sum())
        law = torch.zeros(len(distinct), len(probabilities), total + 1).double()
        law[:, :, 0] = 1
        yes = probabilities[:, None]
        # A recurrence, hence the loop: k voices' law comes from that of k - 1.
        for player, weight in enumerate(self.weights.tolist()):
            joined = law * (1 - yes)
            joined[:, :, weight:] += law[:, :, : total + 1 - weight] * yes
            law = torch.where((some_player == player)[:, None, None], law, joined)
        at_most = torch.nn.functional.pad(law.cumsum(-1), (1, 0))
        highest = int(self.quota)  # others that heavy still lose
        lowest = (highest - distinct).clamp(min=-1)  # others that light cannot win
        chances = at_most[:, :, highest + 1] - at_most.gather(
            2, (lowest + 1)[:, None, None].expand(-1, len(probabilities), 1)
        ).squeeze(2)
        return chances[kind]


def _checked_weights(
    n_players: int | None, weights: Sequence[int] | Tensor | None
) -> Tensor:
    if weights is None:
        if n_players not in {None, 51}:
            raise InputError(
                f"the electoral college has 51 players, got n_players={n_players!r}. "
                "Pass weights=... for another vote."
            )
        sizes = torch.tensor(list(_ELECTORAL_COLLEGE))
        return sizes.repeat_interleave(torch.tensor(list(_ELECTORAL_COLLEGE.values())))
    weights = torch.as_tensor(weights)
    if weights.is_floating_point() or weights.ndim != 1 or not len(weights):
        raise InputError(
            "weights must be integers, one for each voter; "
            f"got {weights.dtype} of shape {tuple(weights.shape)}"
        )
    if int(weights.amin()) < 0:
        raise InputError(f"weights must not be negative, got {int(weights.amin())}")
    if n_players is not None and as_count("n_players", n_players) != len(weights):
        raise InputError(
            f"n_players is {n_players}, but there are {len(weights)} weights"
        )
    return weights.long()
