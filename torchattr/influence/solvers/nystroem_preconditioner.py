"""Preconditioning by the largest eigenvalues of the curvature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from torchattr.games.counts import as_count
from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.solvers.preconditioner import (
    Preconditioner,
    PreparedPreconditioner,
)
from torchattr.influence.solvers.symmetric_matrix import factorable

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LowRankInverse", "NystroemPreconditioner"]


class NystroemPreconditioner(Preconditioner):
    r"""Division by about the largest eigenvalues.

    .. math:: M^{-1} = (\lambda_r + \lambda)\, U (\Lambda + \lambda)^{-1} U^\top
        + (I - U U^\top)

    with :math:`U \Lambda U^\top` the Nystroem approximation of rank :math:`r` from
    random vectors (`Frangella, Tropp and Udell, 2023
    <https://doi.org/10.1137/21M1466244>`_), whose smallest eigenvalue is
    :math:`\lambda_r`. The condition number falls to about
    :math:`(\lambda_r + \lambda) / \lambda`. Of an indefinite curvature only the
    positive part is taken.

    Args:
        rank: How many eigenvalues.
        seed: Of the random vectors.

    Raises:
        InputError: If the rank is below 1.

    Note:
        One multiplication with ``rank`` vectors, which are kept.

    Example:
        >>> prepared = NystroemPreconditioner(1).prepare(torch.ones(2, 2))
        >>> prepared.solve(torch.tensor([[1.0, -1.0]]), 1.0)  # orthogonal to (1, 1)
        tensor([[ 1., -1.]])
    """

    def __init__(self, rank: int, *, seed: int = 0) -> None:
        self.rank = as_count("rank", rank)
        self.seed = seed

    def prepare(self, curvature: LinearOperator) -> LowRankInverse:
        """Approximate the largest eigenvalues and their eigenvectors.

        Args:
            curvature: Any symmetric operator.

        Returns:
            The preconditioner of this curvature.
        """
        dtype = factorable(curvature.dtype)
        vectors = torch.linalg.qr(self._noise(curvature).to(dtype)).Q
        products = (curvature @ vectors.to(curvature.dtype)).to(dtype)
        core = vectors.T.double() @ products.double()
        values, mixing = torch.linalg.eigh((core + core.T) / 2)
        # Smaller ones are rounding errors, which the root would enlarge.
        kept = values > 1e3 * torch.finfo(dtype).eps * values.abs().max()
        root = products @ (mixing[:, kept] / values[kept].sqrt()).to(dtype)
        basis, roots, _ = torch.linalg.svd(root, full_matrices=False)
        found = roots.square()
        outside = 0.0 if len(found) < self.rank else found[-1].item()
        return LowRankInverse(basis, found, outside)

    def _noise(self, curvature: LinearOperator) -> Tensor:
        size = curvature.shape[0]
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(size, min(self.rank, size), generator=generator)
        return noise.to(curvature.device)


class LowRankInverse(PreparedPreconditioner):
    """The inverse within a few eigenvectors, and the identity outside.

    Args:
        basis: ``(P, r)``: the eigenvectors.
        values: ``(r,)``: their eigenvalues, all positive, largest first.
        outside: What the other eigenvalues are taken to be.

    Example:
        >>> inverse = LowRankInverse(torch.eye(2), torch.tensor([3.0, 1.0]), 1.0)
        >>> inverse.solve(torch.ones(1, 2), 1.0)
        tensor([[0.5000, 1.0000]])
    """

    def __init__(self, basis: Tensor, values: Tensor, outside: float) -> None:
        self.basis, self.values, self.outside = basis, values, outside

    def solve(self, vectors: Tensor, regularization: float) -> Tensor:
        """Smaller along the eigenvectors, the same across."""
        if len(self.values) == 0:
            return vectors
        values = self.values.to(vectors.dtype) + regularization
        outside = self.outside + regularization or values[-1]
        basis = self.basis.to(vectors.dtype)
        along = vectors @ basis
        return vectors + (along * (outside / values - 1)) @ basis.T

    def to(self, device: torch.device | str) -> Self:
        """Move the eigenvectors."""
        self.basis, self.values = self.basis.to(device), self.values.to(device)
        return self
