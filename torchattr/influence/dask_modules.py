"""Dask, which not everybody has, imported when it is needed."""

from __future__ import annotations

from types import ModuleType

from torchattr.errors import MissingExtraError

__all__ = ["dask_array", "dask_delayed", "distributed"]

_MISSING = "influences on Dask arrays need dask: pip install torchattr[distributed]"


def dask_array() -> ModuleType:
    """The module ``dask.array``."""
    try:
        import dask.array as module
    except ImportError as error:
        raise MissingExtraError(_MISSING) from error
    array: ModuleType = module
    return array


def dask_delayed() -> ModuleType:
    """The module ``dask``, which has ``delayed``."""
    try:
        import dask as module
    except ImportError as error:
        raise MissingExtraError(_MISSING) from error
    delayed: ModuleType = module
    return delayed


def distributed() -> ModuleType:
    """The module ``distributed``, which has ``Client``."""
    try:
        import distributed as module
    except ImportError as error:
        raise MissingExtraError(_MISSING) from error
    found: ModuleType = module
    return found
