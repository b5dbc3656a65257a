"""What a method says beside the values: a subsidy, a number of failures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
from torch import Tensor

from torchattr.valuation.result.columns import as_array

__all__ = ["frozen", "is_same", "merged_extras"]


def frozen(extra: object) -> object:
    """An extra that nobody can change from outside, where it is an array.

    Args:
        extra: Anything; arrays are copied, tensors become arrays.

    Returns:
        A read-only array, or the extra itself.
    """
    if not isinstance(extra, np.ndarray | Tensor):
        return extra
    array = as_array(extra)
    if array.ndim == 0:
        return array.item()
    array.flags.writeable = False
    return array


def is_same(left: object, right: object) -> bool:
    """Whether two extras have the same content; NaN is the same as NaN.

    Args:
        left: Numbers, strings, arrays, sequences and mappings of them.
        right: What to compare with.

    Returns:
        Whether they are the same; a list is the same as a tuple.
    """
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return _is_same_array(np.asarray(left), np.asarray(right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(
            is_same(value, right[key]) for key, value in left.items()
        )
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(is_same, left, right))
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    return bool(left == right)


def merged_extras(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    """The extras of two runs together.

    Args:
        left: Of the first run.
        right: Of the second.

    Returns:
        Whole numbers called ``n_...`` are counts of a run, and add up, a missing one
        being 0. Others are kept where both runs say the same.
    """
    both = {**right, **left}
    counted = {name for name in both if _is_count(name, both[name])}
    summed = {name: left.get(name, 0) + right.get(name, 0) for name in counted}
    return summed | {
        name: left[name]
        for name in left.keys() & right.keys()
        if name not in counted and is_same(left[name], right[name])
    }


def _is_count(name: str, extra: object) -> bool:
    return name.startswith("n_") and isinstance(extra, Integral)


def _is_same_array(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> bool:
    both_float = left.dtype.kind in "fc" and right.dtype.kind in "fc"
    return np.array_equal(left, right, equal_nan=both_float)
