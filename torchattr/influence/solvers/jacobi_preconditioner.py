"""Preconditioning by the diagonal of the curvature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from torchattr.games.counts import as_count
from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.solvers.hutchinson import diagonal_estimate
from torchattr.influence.solvers.preconditioner import (
    Preconditioner,
    PreparedPreconditioner,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["DiagonalInverse", "JacobiPreconditioner"]


class JacobiPreconditioner(Preconditioner):
    r"""Division by the diagonal, :math:`(\operatorname{diag} C + \lambda)^{-1}`.

    The diagonal is estimated from products with random signs. No entry is taken to be
    smaller than its own standard error, so that all stay positive, where one
    product would else leave about a third of them negative. Helps where
    parameters differ in scale, as those of layers of different kinds do.

    Args:
        num_samples_estimator: How many vectors of signs; with as many as there are
            parameters the diagonal is exact.
        seed: Of the signs.

    Raises:
        InputError: If the number is below 1.

    Note:
        One multiplication with ``num_samples_estimator`` vectors.

    Example:
        >>> prepared = JacobiPreconditioner(2).prepare(torch.diag(torch.ones(2)))
        >>> prepared.solve(torch.ones(1, 2), 1.0)
        tensor([[0.5000, 0.5000]])
    """

    def __init__(self, num_samples_estimator: int = 1, *, seed: int = 0) -> None:
        self.num_samples_estimator = as_count(
            "num_samples_estimator", num_samples_estimator
        )
        self.seed = seed

    def prepare(self, curvature: LinearOperator) -> DiagonalInverse:
        """Estimate the diagonal.

        Args:
            curvature: Any symmetric operator.

        Returns:
            The preconditioner of this curvature.
        """
        estimates, errors = diagonal_estimate(
            curvature, self.num_samples_estimator, seed=self.seed
        )
        return DiagonalInverse(torch.maximum(estimates, errors))


class DiagonalInverse(PreparedPreconditioner):
    """Division by the entries of a diagonal.

    Args:
        diagonal: ``(P,)``; entries below a millionth of the largest, regularization
            included, are taken to be that.

    Example:
        >>> inverse = DiagonalInverse(torch.tensor([1.0, 3.0]))
        >>> inverse.solve(torch.ones(1, 2), 1.0)
        tensor([[0.5000, 0.2500]])
    """

    def __init__(self, diagonal: Tensor) -> None:
        self.diagonal = diagonal

    def solve(self, vectors: Tensor, regularization: float) -> Tensor:
        """Each number over its entry."""
        shifted = self.diagonal.to(vectors.dtype) + regularization
        largest = shifted.max()
        floor = torch.where(largest > 0, 1e-6 * largest, 1.0)
        return vectors / torch.maximum(shifted, floor)

    def to(self, device: torch.device | str) -> Self:
        """Move the diagonal."""
        self.diagonal = self.diagonal.to(device)
        return self
