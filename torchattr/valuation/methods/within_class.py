"""The games inside a class, beside a fixed part of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchattr.errors import InputError
from torchattr.estimation.lockstep import permutation_gains
from torchattr.estimation.truncation import NoTruncation, TruncationPolicy
from torchattr.games.game import WHOLE_CALL, Game
from torchattr.valuation.methods.importance import Importance
from torchattr.valuation.types import ClasswiseSample

__all__ = ["ClassGame", "Contributions"]


@dataclass(frozen=True)
class Contributions:
    """What points of a class add to others of it.

    Attributes:
        players: ``(C,)`` positions in the data.
        values: ``(C,)``, scaled by the importance of what was joined.
    """

    players: NDArray[np.int64]
    values: NDArray[np.float64]


@final
class ClassGame:
    """What samples of one class say about its points.

    Args:
        game: Values coalitions of all points by the score of the class.
        members: ``(n_c,)`` positions of the points of the class.
        nothing: The value where no point of the class is there.
        importance: Scales of contributions by the size joined.
        truncation: Which permutations end early.
    """

    def __init__(
        self,
        game: Game,
        members: NDArray[np.int64],
        nothing: float,
        *,
        importance: Importance,
        truncation: TruncationPolicy | None,
    ) -> None:
        self.members = members
        self._game = game
        self._nothing = nothing
        self._importance = importance
        self._truncation = truncation
        self._place = np.full(game.n_players, -1)
        self._place[members] = np.arange(len(members))

    def ahead(self, sample: ClasswiseSample) -> Tensor:
        """The coalitions that a sample certainly needs, to be evaluated with others.

        Args:
            sample: With positions in place of indices.

        Returns:
            ``(C, n)`` booleans of all points, none of them without the class.
        """
        if not (self._truncation is None or isinstance(self._truncation, NoTruncation)):
            return torch.zeros(0, self._game.n_players, dtype=torch.bool)
        if sample.idx is None:
            steps = np.tri(len(sample.subset), dtype=np.bool_)
            inside = np.zeros((len(steps), self._game.n_players), np.bool_)
            inside[:, sample.subset] = steps
        else:
            inside = np.zeros((2, self._game.n_players), np.bool_)
            inside[:, sample.subset] = True
            inside[1, sample.idx] = True
        present = inside.any(1)
        inside[:, sample.ooc_subset] = True
        return torch.from_numpy(inside[present])

    def contributions(self, sample: ClasswiseSample) -> Contributions:
        """What a sample says.

        Args:
            sample: With positions in place of indices: a permutation of the class, or a
                point of it that joins a part of it.

        Returns:
            One contribution for each point of a permutation, or one.

        Raises:
            InputError: If the sample is for no single point, and no permutation.
        """
        within = _Within(self._game, self.members, sample.ooc_subset, self._nothing)
        places = self._place[sample.subset]
        n = len(self.members)
        if sample.idx is None:
            if len(np.unique(places)) != n:
                raise InputError(
                    "samples inside a class must be permutations of it, or for a "
                    "single point; give in_class a PermutationSampler, or a powerset "
                    "sampler that visits indices"
                )
            order = torch.from_numpy(places)[None]
            gains = permutation_gains(within, order, self._truncation)[0].cpu().numpy()
            sizes, players = np.arange(n), sample.subset
        else:
            coalitions = torch.zeros(2, n, dtype=torch.bool)
            coalitions[:, places] = True
            coalitions[1, self._place[sample.idx]] = True
            before, after = within(coalitions).tolist()
            gains, sizes = np.array([after - before]), np.array([len(places)])
            players = np.array([sample.idx])
        return Contributions(players, gains * self._importance(sizes))


@final
class _Within(Game):
    """Coalitions of the points of a class, with a fixed part of the others."""

    chunk_size = WHOLE_CALL

    def __init__(
        self,
        game: Game,
        members: NDArray[np.int64],
        outside: NDArray[np.int64],
        nothing: float,
    ) -> None:
        self.n_players = len(members)
        self.device = game.device
        self._game = game
        self._members = torch.from_numpy(members).to(game.device)
        self._base = torch.zeros(game.n_players, dtype=torch.bool, device=game.device)
        self._base[torch.from_numpy(outside)] = True
        self._nothing = nothing

    def evaluate(self, coalitions: Tensor) -> Tensor:
        """Values beside the others; of nobody, a constant.

        Args:
            coalitions: ``(C, n_c)`` booleans.

        Returns:
            ``(C,)`` float64.
        """
        whole = self._base.repeat(len(coalitions), 1)
        whole[:, self._members] = coalitions
        values = torch.full(
            (len(whole),), self._nothing, dtype=torch.float64, device=self.device
        )
        present = coalitions.any(1)
        if bool(present.any()):
            values[present] = self._game(whole[present]).double()
        return values
