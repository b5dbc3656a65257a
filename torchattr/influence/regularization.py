"""What is added to the diagonal of a curvature."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from numbers import Real
from typing import Literal, TypeAlias

from torchattr.errors import InputError
from torchattr.influence.solvers.solver import Solver

__all__ = ["AUTO_FRACTION", "Regularization", "automatic", "by_block", "one_of"]

#: ``regularization="auto"`` is this fraction of the mean eigenvalue of the curvature.
AUTO_FRACTION = 0.1

_Amount: TypeAlias = "float | Literal['auto']"
#: A number, ``"auto"``, one of these by block, or ``None`` for 0.
Regularization: TypeAlias = "_Amount | Mapping[str, _Amount | None] | None"


def one_of(
    regularization: Regularization, hessian_regularization: Regularization
) -> Regularization:
    """The value of a keyword that has two names.

    Args:
        regularization: Under its first name.
        hessian_regularization: Under its second.

    Returns:
        The one that is given.

    Raises:
        InputError: If both are.

    Example:
        >>> one_of(None, 0.1)
        0.1
    """
    if regularization is not None and hessian_regularization is not None:
        raise InputError(
            "regularization and hessian_regularization are two names of one argument; "
            f"got {regularization!r} and {hessian_regularization!r}. Pass one"
        )
    return hessian_regularization if regularization is None else regularization


def by_block(
    regularization: Regularization, blocks: Collection[str], *, positive: bool
) -> dict[str, _Amount]:
    """One amount for each block.

    Args:
        regularization: What the user passed.
        blocks: Names of the blocks.
        positive: Whether 0 is refused.

    Returns:
        Amounts by the name of the block.

    Raises:
        InputError: If an amount is negative, no number, or for an unknown block.

    Example:
        >>> by_block({"a": 1}, ["a", "b"], positive=False)
        {'a': 1.0, 'b': 0.0}
    """
    if not isinstance(regularization, Mapping):
        return {block: _amount(regularization, positive=positive) for block in blocks}
    unknown = sorted(str(name) for name in regularization if name not in blocks)
    if unknown:
        raise InputError(
            f"regularization names unknown blocks {unknown}; there are {list(blocks)}"
        )
    return {
        block: _amount(regularization.get(block), positive=positive) for block in blocks
    }


def automatic(solver: Solver) -> float:
    """The number that ``"auto"`` stands for: 0.1 times the mean eigenvalue.

    Args:
        solver: Which knows the trace of its curvature.

    Returns:
        The number.

    Raises:
        InputError: If the mean eigenvalue is not positive.

    Example:
        >>> import torch
        >>> from torchattr.influence import Cholesky
        >>> round(automatic(Cholesky(4 * torch.eye(2))), 6)
        0.4
    """
    mean = solver.trace() / solver.curvature.shape[0]
    if not mean > 0:
        raise InputError(
            'regularization="auto" is a fraction of the mean eigenvalue of the '
            f"curvature, which is {mean:.3g}. Pass a number, or take a curvature that "
            "is never negative, such as SecondOrderMode.GAUSS_NEWTON"
        )
    return float(AUTO_FRACTION * mean)


def _amount(value: object, *, positive: bool) -> _Amount:
    if isinstance(value, str) and value == "auto":
        return "auto"
    value = 0 if value is None else value
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(
            'regularization must be a number, "auto", or a dict of these by block; got '
            f"{value!r}"
        )
    number = float(value)
    if not math.isfinite(number) or number < 0 or (positive and number == 0):
        raise InputError(
            f"regularization must be finite and {'> 0' if positive else '>= 0'}; got "
            f"{number}"
        )
    return number
