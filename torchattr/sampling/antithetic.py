"""Antithetic draws: each coalition together with its complement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from torchattr.sampling.draws import Draws, Sampler

__all__ = ["Antithetic"]


@final
@dataclass(frozen=True)
class _AntitheticDraws(Draws):
    inner: Draws
    coalitions: Tensor

    def estimates(self, values: Tensor, empty: Tensor, full: Tensor) -> Tensor:
        # The game S -> -v(N \ S) has the same symmetric semivalues as v.
        own, complement = values.chunk(2, dim=1)
        mirrored = self.inner.estimates(-complement, -full, -empty)
        return (self.inner.estimates(own, empty, full) + mirrored) / 2


@final
@dataclass(frozen=True)
class Antithetic(Sampler):
    r"""Every draw of a sampler, averaged with its mirror image.

    Coalitions are complemented and their weights negated, which leaves unbiased every
    estimator of a symmetric semivalue (:math:`p_s = p_{n-1-s}`: Shapley, Banzhaf,
    symmetric Beta) and removes the error due to the even part of the game,
    :math:`v(S) + v(N \setminus S)`. The mirror image of a permutation is its reverse.

    Attributes:
        sampler: Any sampler of a symmetric semivalue.

    Example:
        >>> from torchattr.sampling import Permutations
        >>> generator = torch.Generator().manual_seed(0)
        >>> Antithetic(Permutations(3)).draw(1, generator).coalitions.int()
        tensor([[[0, 0, 1],
                 [1, 0, 1],
                 [1, 1, 0],
                 [0, 1, 0]]], dtype=torch.int32)

    References:
        Mitchell, Cooper, Frank and Holmes (2022), *Sampling permutations for Shapley
        value estimation*.
    """

    sampler: Sampler

    @property
    def n_players(self) -> int:  # type: ignore[override]  # the inner sampler's
        """Number of players."""
        return self.sampler.n_players

    @property
    def n_coalitions(self) -> int:  # type: ignore[override]  # derived, not stored
        """Twice the inner sampler's."""
        return 2 * self.sampler.n_coalitions

    def draw(self, n_draws: int, generator: torch.Generator | None = None) -> Draws:
        """See :meth:`Sampler.draw`."""
        inner = self.sampler.draw(n_draws, generator)
        both = torch.cat([inner.coalitions, ~inner.coalitions], dim=1)
        return _AntitheticDraws(inner, both)
