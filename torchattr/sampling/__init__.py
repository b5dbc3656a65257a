"""Sampling: which coalitions are evaluated.

A :class:`Sampler` yields :class:`Draws`: coalitions, and the linear map that turns
their values into one unbiased estimate of all players' values. It never sees the game.
Regressions and processes take a fixed design instead: :func:`leverage_pairs`,
:func:`uniform_pairs` or :func:`a_optimal_pairs`.

Example:
    >>> from torchattr.sampling import Antithetic, Permutations
    >>> Antithetic(Permutations(n_players=4)).draw(2).coalitions.shape
    torch.Size([2, 6, 4])
"""

from torchattr.sampling.a_optimal import a_optimal_pairs
from torchattr.sampling.antithetic import Antithetic
from torchattr.sampling.coalitions_by_size import (
    allocate_to_sizes,
    random_coalitions_of_sizes,
)
from torchattr.sampling.draws import Draws, Sampler
from torchattr.sampling.odd_kernel import Quadrature
from torchattr.sampling.pairs import leverage_pairs, uniform_pairs
from torchattr.sampling.permutations import (
    AntitheticPermutations,
    GivenPermutations,
    OrthogonalPermutations,
    PermutationDraws,
    Permutations,
    PermutationSampler,
)

__all__ = [
    "Antithetic",
    "AntitheticPermutations",
    "Draws",
    "GivenPermutations",
    "OrthogonalPermutations",
    "PermutationDraws",
    "PermutationSampler",
    "Permutations",
    "Quadrature",
    "Sampler",
    "a_optimal_pairs",
    "allocate_to_sizes",
    "leverage_pairs",
    "random_coalitions_of_sizes",
    "uniform_pairs",
]
