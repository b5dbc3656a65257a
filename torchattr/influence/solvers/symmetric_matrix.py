"""The dense matrix of an operator, checked before anything is made of it."""

from __future__ import annotations

import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.influence.curvature.curvature import LinearOperator, dense

__all__ = ["factorable", "moved", "symmetric_matrix"]


def factorable(dtype: torch.dtype) -> torch.dtype:
    """The precision to factorise in: at least single, which LAPACK begins with.

    Single precision is not raised to double for its accuracy. For the Hessian of a
    digit classifier with 2,410 parameters and a regularization of 1e-3, factorising in
    single precision moves scores by 1e-6 of the largest, as forming the Hessian in
    single precision does; in double it takes twice the time and memory.

    Args:
        dtype: Of the model.

    Returns:
        It, or float32.

    Example:
        >>> factorable(torch.float64), factorable(torch.bfloat16)
        (torch.float64, torch.float32)
    """
    return torch.promote_types(dtype, torch.float32)


def symmetric_matrix(operator: LinearOperator) -> Tensor:
    """The matrix of an operator, which must be symmetric.

    Args:
        operator: ``(P, P)``.

    Returns:
        ``(P, P)``, in single precision or better; not to be written to, since a tensor
        is its own matrix.

    Raises:
        InputError: If it is not symmetric, not finite, or larger than the memory.

    Example:
        >>> symmetric_matrix(torch.eye(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    _check_room(operator)
    given = dense(operator)
    matrix = given.to(factorable(given.dtype))
    size = torch.linalg.vector_norm(matrix)
    asymmetry = torch.linalg.vector_norm(matrix - matrix.T)
    if not bool(torch.isfinite(size)):
        raise InputError(
            "the curvature is not finite: a derivative of the loss is infinite or NaN "
            "for some training example. Check the training data and the loss"
        )
    if bool(asymmetry > torch.finfo(given.dtype).eps ** 0.5 * size):
        raise InputError(
            "a curvature must be symmetric; C - C^T is "
            f"{float(asymmetry / size):.1e} of C. Pass (C + C^T) / 2"
        )
    return matrix


def moved(operator: LinearOperator, device: torch.device | str) -> LinearOperator:
    """An operator on a device: a tensor there; others follow their model by themselves.

    Args:
        operator: A tensor, a curvature, or another library's operator.
        device: Where to.

    Returns:
        The tensor there, or the same object.

    Example:
        >>> moved(torch.eye(2), "meta").device
        device(type='meta')
    """
    return operator.to(device) if isinstance(operator, Tensor) else operator


def _check_room(operator: LinearOperator) -> None:
    """Ask for the memory before the training data are read."""
    n = operator.shape[0]
    try:
        torch.empty(n, n, dtype=operator.dtype, device=operator.device)
    except RuntimeError as error:
        size = n**2 * operator.dtype.itemsize / 1e9
        raise InputError(
            f"a dense curvature of {n:,} parameters takes {size:.3g} GB, for which "
            "there is no memory. Take CgInfluence or EkfacInfluence, or smaller blocks "
            "by block_structure=BlockMode.LAYER_WISE"
        ) from error
