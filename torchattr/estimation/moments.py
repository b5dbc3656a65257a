"""Running means and variances that can be merged."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Moments"]


@dataclass(frozen=True)
class Moments:
    r"""Count, mean and sum of squared deviations of replicates, in float64.

    Attributes:
        count: Number of replicates ``R``.
        mean: Their mean.
        squares: :math:`M_2 = \sum_r (x_r - \bar x)^2`.

    Example:
        >>> left, right = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 6.0])
        >>> merged = Moments.of(left).merged(Moments.of(right))
        >>> merged.mean.item(), merged.squares.item(), merged.count
        (3.0, 14.0, 4)

    References:
        Chan, Golub and LeVeque (1983), *Algorithms for computing the sample variance*.
    """

    count: int
    mean: Tensor
    squares: Tensor

    @classmethod
    def none(cls, shape: tuple[int, ...], device: torch.device) -> Moments:
        """Moments of no replicate, to merge others with.

        Args:
            shape: Shape of a replicate.
            device: Where the moments live.

        Returns:
            Moments with a count of 0.
        """
        zeros = torch.zeros(shape, dtype=torch.float64, device=device)
        return cls(0, zeros, zeros)

    @classmethod
    def of(cls, replicates: Tensor) -> Moments:
        """Moments of replicates along the first dimension.

        Args:
            replicates: ``(R, *shape)``, ``R >= 1``.

        Returns:
            Their moments, each of ``shape``.
        """
        wide = replicates.double()
        mean = wide.mean(0)
        return cls(len(wide), mean, (wide - mean).square_().sum(0))

    def merged(self, other: Moments) -> Moments:
        """Moments of both sets of replicates together.

        Args:
            other: Moments of replicates of the same shape.

        Returns:
            The moments of the union.
        """
        count = self.count + other.count
        shift = other.mean - self.mean
        share = other.count / count
        squares = self.squares + other.squares + shift.square() * (self.count * share)
        return Moments(count, self.mean + shift * share, squares)

    @property
    def standard_error(self) -> Tensor:
        r""":math:`\sqrt{M_2 / (R-1) / R}`, NaN for a single replicate."""
        if self.count < 2:
            return torch.full_like(self.mean, torch.nan)
        return (self.squares / (self.count - 1) / self.count).sqrt()
