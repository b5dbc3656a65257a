"""Marginals: who joins which coalition, and what is independent of what."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["EVERYBODY", "Marginals"]

#: In place of a player: the coalition is one of the whole powerset, for everybody.
EVERYBODY = -1


@dataclass(frozen=True)
class Marginals:
    r"""Marginal contributions :math:`v(S \cup i) - v(S)` that are to be evaluated.

    Rows come in the order of a stream that is cut into *rounds*, the units after which
    a run may stop. The *replicate* is the smallest independent block: two marginal
    contributions of one player are independent if their replicates differ.

    Attributes:
        players: ``(C,)`` int64: who joins; :data:`EVERYBODY` where nobody does, and the
            value of the coalition tells something about all, members or not.
        subsets: ``(C, n)`` booleans: the coalitions joined, without the player.
        rounds: ``(C,)`` int64, never falling: the round, counted from the beginning of
            the stream.
        replicates: ``(C,)`` int64: number of the replicate, no two alike in a stream.
        strata: ``(C,)`` int64 for stratified samples, whose means are weighted stratum
            by stratum; ``None`` where there is only one.

    Example:
        >>> one = torch.tensor([1])
        >>> Marginals(one, torch.tensor([[True, False, True]]), one, one).sizes
        tensor([2])
    """

    players: Tensor
    subsets: Tensor
    rounds: Tensor
    replicates: Tensor
    strata: Tensor | None = None

    def __len__(self) -> int:
        return len(self.players)

    @property
    def n_players(self) -> int:
        """Number of players."""
        return self.subsets.shape[1]

    @property
    def sizes(self) -> Tensor:
        """``(C,)``: number of members of each coalition."""
        # Bytes add up in a quarter of the time that booleans take.
        return self.subsets.view(torch.uint8).sum(1, dtype=torch.int64)

    @property
    def joined(self) -> Tensor:
        """``(C, n)`` booleans: the coalitions after their player has joined."""
        everyone = torch.arange(self.n_players, device=self.players.device)
        return self.subsets | (everyone == self.players[:, None])
