"""Solving with a low-rank sketch of the curvature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.counts import as_count
from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.solvers.block_lanczos import random_columns
from torchattr.influence.solvers.deflated_trace import deflated_trace
from torchattr.influence.solvers.eigenpairs import Eigenpairs, eigenpairs
from torchattr.influence.solvers.solver import Solved, Solver
from torchattr.influence.solvers.symmetric_matrix import moved

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["NystroemSketch"]

#: Columns of the sketch beyond the rank: half as many again, and some. For the Hessian
#: of a digit classifier with 2,410 parameters, rank 100 and a regularization of 0.01,
#: solutions are 6% off; without these columns 440%, by eigenvalues that are not there.
_OVERSAMPLING, _SPARE = 1.5, 5


class NystroemSketch(Solver):
    r"""Solutions with a low-rank approximation, from one product with the curvature.

    .. math:: C \approx C \Omega\, (\Omega^\top C\, \Omega)^+\, \Omega^\top C
        = U \Lambda U^\top, \qquad
        z = U (\Lambda + \lambda)^{-1} U^\top g + \frac1\lambda (I - U U^\top) g.

    :math:`\Omega` has random orthonormal columns, and the approximation the rank that
    is asked for. A curvature of that rank or less is reproduced. For an indefinite one
    :math:`\Omega^\top C \Omega` may be nearly singular where :math:`C` is large, which
    its inverse would magnify; so the sketch has half as many columns again as the rank,
    and the smallest eigenvalues of that small matrix are left out
    (`Nakatsukasa and Park, 2023 <https://arxiv.org/abs/2210.16331>`_).

    Args:
        curvature: Any symmetric operator.
        rank: Of the approximation; with ``P`` or more the solution is exact.
        seed: Of :math:`\Omega`.

    Raises:
        InputError: If the rank is no count, and by ``solve`` if :math:`\lambda = 0`.

    Note:
        One pass over the training data, with about ``1.5 rank`` vectors at once. Memory
        for some six times as many vectors of ``P`` numbers; ``rank`` are kept.

    Example:
        >>> low_rank = torch.diag(torch.tensor([3.0, 0.0, -2.0]))
        >>> solver = NystroemSketch(low_rank, rank=2)
        >>> solver.solve(torch.ones(1, 3), 1.0).vectors
        tensor([[ 0.2500,  1.0000, -1.0000]])
    """

    def __init__(self, curvature: LinearOperator, *, rank: int, seed: int = 0) -> None:
        super().__init__(curvature)
        rank = as_count("rank", rank)
        self._seed = seed
        if rank >= curvature.shape[0]:
            self._pairs = eigenpairs(curvature)
        else:
            self._pairs = _sketched(curvature, rank, seed)

    @property
    def eigenvalues(self) -> Tensor:
        """Those of the approximation, at most ``rank`` of them."""
        return self._pairs.values

    def solve(self, vectors: Tensor, regularization: float) -> Solved:
        """Solutions with the sketch, as if the rest of the curvature were 0."""
        if not regularization > 0:
            raise InputError(
                "a sketch takes the curvature outside itself as 0, which needs "
                f"regularization > 0; got {regularization:g}"
            )
        return Solved(self._pairs.solved(vectors, regularization, complement=True))

    def trace(self) -> float:
        """An estimate: exact within the sketch, from random signs outside."""
        return deflated_trace(self.curvature, self._pairs.vectors, seed=self._seed)

    def to(self, device: torch.device | str) -> Self:
        """Move the eigenvectors."""
        self.curvature = moved(self.curvature, device)
        self._pairs = self._pairs.to(device)
        return self


def _sketched(operator: LinearOperator, rank: int, seed: int) -> Eigenpairs:
    n_columns = min(operator.shape[0], int(_OVERSAMPLING * rank) + _SPARE)
    generator = torch.Generator().manual_seed(seed)
    omega = random_columns(operator, n_columns, generator)
    image = (operator @ omega.to(operator.dtype)).double()
    inner = omega.T.double() @ image
    sizes, rotation = torch.linalg.eigh((inner + inner.T) / 2)
    order = sizes.abs().argsort(descending=True)[:rank]
    # Below this the small matrix holds what rounding left of the operator's products.
    floor = n_columns * torch.finfo(operator.dtype).eps * sizes.abs().max()
    order = order[sizes[order].abs() > floor]
    # C ~ Y M^+ Y^T with Y = Q R has the eigenvalues of R M^+ R^T.
    basis, triangle = torch.linalg.qr(image @ rotation[:, order])
    values, vectors = torch.linalg.eigh((triangle / sizes[order]) @ triangle.T)
    kept = basis @ vectors
    return Eigenpairs(kept.to(omega.dtype), values.to(omega.dtype))
