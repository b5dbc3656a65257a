"""The eigenvalues of largest absolute value, by products with blocks of vectors."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.solvers.eigenpairs import Eigenpairs
from torchattr.influence.solvers.symmetric_matrix import factorable

__all__ = ["LargestEigenpairs", "largest_eigenpairs", "random_columns"]

#: Columns of a block beyond those that are wanted: they make its last ones converge.
_SPARE = 5


class LargestEigenpairs(NamedTuple):
    r"""Eigenpairs of largest absolute value, and how good they are.

    Attributes:
        pairs: Largest absolute value first.
        residual: :math:`\max_i \|C v_i - d_i v_i\| / \max_i |d_i|`.
        passes: How many blocks were multiplied.

    Example:
        >>> LargestEigenpairs(Eigenpairs(torch.eye(1), torch.ones(1)), 0.0, 1).passes
        1
    """

    pairs: Eigenpairs
    residual: float
    passes: int


def random_columns(
    operator: LinearOperator, n_columns: int, generator: torch.Generator
) -> Tensor:
    """Orthonormal columns whose span is uniformly random.

    Args:
        operator: ``(P, P)``, on whose device and in whose precision they are to be.
        n_columns: How many, at most ``P``.
        generator: On the CPU, so that all devices draw the same.

    Returns:
        ``(P, n_columns)``, in single precision or better.
    """
    draws = torch.randn(
        operator.shape[0], n_columns, generator=generator, dtype=torch.float64
    )
    columns: Tensor = torch.linalg.qr(draws)[0]
    return columns.to(operator.device, factorable(operator.dtype))


def largest_eigenpairs(
    operator: LinearOperator,
    rank: int,
    *,
    n_columns: int,
    tol: float,
    max_iter: int,
    seed: int,
) -> LargestEigenpairs:
    r"""The ``rank`` eigenpairs of largest absolute value, each as often as it occurs.

    Block Lanczos with full reorthogonalisation: a basis grows by a block of products
    with its last block, eigenpairs are Rayleigh and Ritz's, and a basis that is full is
    replaced by its best half. A single starting vector, ARPACK's, sees each eigenvalue
    once however often it occurs (all of them do for a squared error with several
    outputs) and leaves the others out silently; a block of more vectors than are wanted
    does not. It also reads the data once for the block and not for every vector.

    Args:
        operator: ``(P, P)``, symmetric.
        rank: How many pairs, less than ``n_columns``.
        n_columns: Most columns of the basis. Together with a block, which has ``rank +
            5`` or all columns but ``rank``, no more than ``P``.
        tol: Largest residual, relative to the largest absolute eigenvalue.
        max_iter: Most products with a block.
        seed: Of the first block.

    Returns:
        The pairs, converged or not, and their residual.

    Note:
        Memory: ``2 n_columns`` vectors of ``P`` numbers, and a block.

    Example:
        >>> matrix = torch.diag(torch.tensor([1.0, -5.0, 4.0, 5.0, 0.5, 0.0]))
        >>> found = largest_eigenpairs(
        ...     matrix, 2, n_columns=4, tol=1e-5, max_iter=50, seed=0
        ... )
        >>> found.pairs.values.sort().values
        tensor([-5.0000,  5.0000])
    """
    width = min(rank + _SPARE, n_columns - rank)
    generator = torch.Generator().manual_seed(seed)
    block = random_columns(operator, width, generator)
    basis, images = block[:, :0], block[:, :0]
    for passes in range(1, max_iter + 1):
        image = (operator @ block.to(operator.dtype)).to(block.dtype)
        basis, images = torch.cat([basis, block], 1), torch.cat([images, image], 1)
        rotation, values = _ritz(basis, images)
        pairs = Eigenpairs(basis @ rotation[:, :rank], values[:rank])
        missing = images @ rotation[:, :rank] - pairs.vectors * pairs.values
        largest = values.abs().max().clamp_min(torch.finfo(values.dtype).tiny)
        residual = float(torch.linalg.vector_norm(missing, dim=0).max() / largest)
        if passes == max_iter or (residual <= tol and basis.shape[1] >= rank):
            break
        block = _orthonormal(image, basis)
        if basis.shape[1] + width > n_columns:
            kept = rotation[:, : max(rank, (n_columns - width + rank) // 2)]
            basis, images = basis @ kept, images @ kept
    return LargestEigenpairs(pairs, residual, passes)


def _ritz(basis: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenpairs within a basis, largest absolute value first."""
    inner = (basis.T @ images).double()
    values, rotation = torch.linalg.eigh((inner + inner.T) / 2)
    order = values.abs().argsort(descending=True)
    return rotation[:, order].to(basis.dtype), values[order].to(basis.dtype)


def _orthonormal(block: Tensor, basis: Tensor) -> Tensor:
    """An orthonormal basis of what is new in a block."""
    # Twice, since once leaves what rounding makes of a block that has little new.
    # A block with nothing new gives directions of QR's own, which do no harm.
    for _ in range(2):
        block = torch.linalg.qr(block - basis @ (basis.T @ block))[0]
    return block
