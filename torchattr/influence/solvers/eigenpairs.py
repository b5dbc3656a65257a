"""Some eigenpairs of a symmetric matrix, and what is solved with them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.solvers.symmetric_matrix import factorable, symmetric_matrix

__all__ = ["Eigenpairs", "eigenpairs"]


class Eigenpairs(NamedTuple):
    r"""Orthonormal eigenvectors :math:`V` and their eigenvalues :math:`d`.

    Attributes:
        vectors: ``(P, r)``.
        values: ``(r,)``.

    Example:
        >>> pairs = Eigenpairs(torch.eye(2)[:, :1], torch.tensor([3.0]))
        >>> pairs.solved(torch.ones(1, 2), 1.0, complement=True)
        tensor([[0.2500, 1.0000]])
    """

    vectors: Tensor
    values: Tensor

    def solved(
        self, sides: Tensor, regularization: float, *, complement: bool
    ) -> Tensor:
        r"""Products with :math:`V (d + \lambda)^{-1} V^\top`, and the rest.

        Args:
            sides: ``(R, P)``: right-hand sides, in rows.
            regularization: :math:`\lambda`.
            complement: Whether :math:`(I - V V^\top) / \lambda` is added, as if all
                other eigenvalues were 0.

        Returns:
            ``(R, P)``, in the precision of the sides.

        Raises:
            InputError: If an eigenvalue is :math:`-\lambda` to working precision, or
                the complement is wanted with :math:`\lambda = 0`.
        """
        shifted = self.values + regularization
        self._check_regular(shifted, regularization)
        given = sides.to(self.vectors.dtype)
        kept = given @ self.vectors
        solutions = (kept / shifted) @ self.vectors.T
        if complement and self.vectors.shape[0] > self.vectors.shape[1]:
            if regularization <= 0:
                raise InputError(
                    "the curvature outside the eigenvectors that are kept is taken as "
                    "0, which needs regularization > 0; got "
                    f"{regularization:g}"
                )
            solutions += (given - kept @ self.vectors.T) / regularization
        return solutions.to(sides.dtype)

    def to(self, device: torch.device | str) -> Eigenpairs:
        """The same pairs on a device.

        Args:
            device: Where to.

        Returns:
            Pairs that live there.
        """
        return Eigenpairs(self.vectors.to(device), self.values.to(device))

    def _check_regular(self, shifted: Tensor, regularization: float) -> None:
        eps = torch.finfo(shifted.dtype).eps
        sizes = shifted.abs()
        # Eigenvalues carry some roundings of the largest one.
        if len(sizes) == 0 or bool(sizes.min() > 4 * eps * sizes.max()):
            return
        largest = float(self.values.abs().max())
        enough = max(regularization, eps**0.5 * largest, eps)
        while bool((self.values + enough).abs().min() < enough / 4):
            enough *= 2
        nearest = float(self.values[sizes.argmin()])
        raise InputError(
            f"the curvature plus {regularization:g} on its diagonal is singular to "
            f"working precision: it has the eigenvalue {nearest:.3g}. Pass "
            f"regularization={enough:.1e}, which would do"
        )


def eigenpairs(operator: LinearOperator) -> Eigenpairs:
    """All eigenpairs of an operator, by its dense matrix.

    Args:
        operator: ``(P, P)``, symmetric.

    Returns:
        ``P`` pairs, eigenvalues ascending, in the operator's precision.

    Raises:
        InputError: If the matrix is not finite, or not symmetric.

    Example:
        >>> eigenpairs(torch.tensor([[0.0, 1.0], [1.0, 0.0]])).values
        tensor([-1.,  1.])
    """
    matrix = symmetric_matrix(operator)
    # In double precision: in single, LAPACK's divide and conquer asks for an amount of
    # memory that it cannot write down for more than some 2,900 rows.
    values, vectors = torch.linalg.eigh(matrix.double())
    dtype = factorable(operator.dtype)
    return Eigenpairs(vectors.to(dtype), values.to(dtype))
