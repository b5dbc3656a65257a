"""The system that is solved, and right-hand sides of unit length."""

from __future__ import annotations

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.influence.curvature.curvature import LinearOperator
from torchattr.influence.solvers.symmetric_matrix import factorable

__all__ = ["ShiftedSystem", "unit_rows"]


class ShiftedSystem:
    r"""Multiplication with :math:`C + \lambda I`, row by row.

    Args:
        curvature: :math:`C`, ``(P, P)``.
        regularization: :math:`\lambda`.

    Example:
        >>> ShiftedSystem(torch.eye(2), 1.0)(torch.ones(1, 2))
        tensor([[2., 2.]])
    """

    def __init__(self, curvature: LinearOperator, regularization: float) -> None:
        self._curvature, self._regularization = curvature, regularization

    def __call__(self, rows: Tensor) -> Tensor:
        """Products, ``(R, P)`` to ``(R, P)``."""
        columns = rows.to(self._curvature.dtype).T
        products = (self._curvature @ columns).T.to(rows.dtype)
        # Out of place: an operator may give back what it was given.
        return torch.add(products.contiguous(), rows, alpha=self._regularization)


def unit_rows(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of unit length, and their lengths; rows of zeros stay.

    Gradients of examples that a model is sure of are so small that their squares are 0
    in single precision.

    Args:
        vectors: ``(R, P)``.

    Returns:
        ``(R, P)`` and ``(R,)``, in single precision or better.

    Raises:
        InputError: If a number is not finite.

    Example:
        >>> unit_rows(torch.tensor([[3e-30, 4e-30]]))
        (tensor([[0.6000, 0.8000]]), tensor([5.0000e-30]))
    """
    vectors = vectors.to(factorable(vectors.dtype))
    largest = vectors.abs().amax(1, keepdim=True)
    if not bool(torch.isfinite(largest).all()):
        raise InputError(
            "a right-hand side is not finite: the gradient of an example is infinite "
            "or NaN. Check its inputs, its target and the loss"
        )
    scaled = torch.where(largest > 0, vectors / largest, 0)
    sizes = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    return scaled / sizes.clamp_min(1), (sizes * largest).squeeze(1)
