"""Numbers to draw, from tensors of any dtype and device or from numpy arrays."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from torchattr.errors import InputError

__all__ = ["Array", "Floats", "as_floats", "as_labels"]

Array: TypeAlias = "Tensor | npt.NDArray[np.generic]"
Floats: TypeAlias = npt.NDArray[np.float64]
Labels: TypeAlias = npt.NDArray[np.int64]


def as_floats(name: str, array: Array, *, finite: bool = True) -> Floats:
    """Float64 numpy copy of a tensor or array.

    Args:
        name: How an error calls it.
        array: A tensor (any real dtype, any device, with or without gradient) or an
            array of real numbers.
        finite: Refuse NaN and infinity.

    Returns:
        The same numbers, never sharing memory with ``array``.

    Raises:
        InputError: If it is neither a tensor nor an array, is complex, empty, or (with
            ``finite``) has a NaN or an infinity.
    """
    if isinstance(array, Tensor):
        if array.is_complex():
            raise InputError(_not_real(name, str(array.dtype)))
        numbers = array.detach().to("cpu", torch.float64).numpy().copy()
    elif isinstance(array, np.ndarray):
        if array.dtype.kind not in "biuf":
            raise InputError(_not_real(name, str(array.dtype)))
        numbers = array.astype(np.float64)
    else:
        raise InputError(
            f"{name} must be a torch.Tensor or a numpy array; got "
            f"{type(array).__name__}. Convert it first, e.g. torch.as_tensor({name})."
        )
    if numbers.size == 0:
        raise InputError(f"{name} is empty: its shape is {numbers.shape}.")
    if finite and not np.isfinite(numbers).all():
        count = int((~np.isfinite(numbers)).sum())
        raise InputError(
            f"{name} must be finite; got {count} NaN or infinite of {numbers.size} "
            "values. Look for them with torch.isfinite before drawing."
        )
    return numbers


def as_labels(name: str, array: Array) -> Labels:
    """Integer labels of a tensor or array.

    Args:
        name: How an error calls it.
        array: Labels, as integers or as floats without a fraction.

    Returns:
        The labels as int64.

    Raises:
        InputError: If a label has a fraction, or as in :func:`as_floats`.
    """
    numbers = as_floats(name, array)
    labels = numbers.astype(np.int64)
    if (labels != numbers).any():
        raise InputError(
            f"{name} must hold whole numbers, one label per element; got fractions. "
            "Round it, or pass the integer mask given to attribute()."
        )
    return labels


def _not_real(name: str, dtype: str) -> str:
    return f"{name} must hold real numbers; got {dtype}. Pass its real part or modulus."
