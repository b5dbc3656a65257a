"""Dask, which not everybody has, imported when it is needed."""

from __future__ import annotations

from types import ModuleType

from torchattr.errors import MissingExtraError

__all__ = ["dask_array", "dask_module", "distributed", "highlevel_graph"]

_MISSING = "influences on Dask arrays need dask: pip install torchattr[distributed]"


def dask_array() -> ModuleType:
    """The module ``dask.array``."""
    try:
        import dask.array as module
    except ImportError as error:
        raise MissingExtraError(_MISSING) from error
    array: ModuleType = module
    return array


def dask_module() -> ModuleType:
    """The module ``dask``, which has ``delayed``."""
    try:
        import dask as module
    except ImportError as error:
        raise MissingExtraError(_MISSING) from error
    delayed: ModuleType = module
    return delayed


def highlevel_graph() -> ModuleType:
    """The module ``dask.highlevelgraph``."""
    try:
        import dask.highlevelgraph as module
    except ImportError as error:
        raise MissingExtraError(_MISSING) from error
    graph: ModuleType = module
    return graph


def distributed() -> ModuleType:
    """The module ``distributed``, which has ``Client``."""
    try:
        import distributed as module
    except ImportError as error:
        raise MissingExtraError(_MISSING) from error
    found: ModuleType = module
    return found
