"""Sampling: which coalitions are evaluated.

A :class:`Sampler` yields :class:`Draws`: coalitions, and the linear map that turns their
values into one unbiased estimate of all players' values. It never sees the game.

Example:
    >>> from torchattr.sampling import Antithetic, Permutations
    >>> Antithetic(Permutations(n_players=4)).draw(2).coalitions.shape
    torch.Size([2, 6, 4])
"""

from torchattr.sampling.antithetic import Antithetic
from torchattr.sampling.draws import Draws, Sampler
from torchattr.sampling.permutations import (
    GivenPermutations,
    OrthogonalPermutations,
    PermutationDraws,
    Permutations,
)

__all__ = [
    "Antithetic",
    "Draws",
    "GivenPermutations",
    "OrthogonalPermutations",
    "PermutationDraws",
    "Permutations",
    "Sampler",
]
