"""Arrays on disk that grow as their strips come."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError, MissingExtraError

__all__ = ["StoreLike", "check_place", "store_strips"]

#: A folder, an address with ``://``, or a store object of zarr.
StoreLike: TypeAlias = Any

#: Elements of a piece of an array, the file that zarr writes: about one megabyte. A
#: file for each pair of batches would cost more to find than to read.
_ELEMENTS = 2**18


def check_place(path: StoreLike, *, overwrite: bool) -> None:
    """Refuse to write where something is, before anything is computed.

    Args:
        path: Where to write.
        overwrite: Whether a zarr store may be replaced.

    Raises:
        InputError: If there is a store and it may not be replaced, or something that is
            no store.
        MissingExtraError: If zarr is not installed.
    """
    zarr = _zarr()
    folder = _folder(path)
    if folder is None:
        taken = _holds_something(zarr, path)
    else:
        taken = folder.exists() and not (folder.is_dir() and not os.listdir(folder))
    if taken and not overwrite:
        raise InputError(
            f"there is something at {path} already; pass overwrite=True to replace a "
            "zarr store, or choose another path"
        )
    if taken and folder is not None and not _is_store(folder):
        raise InputError(
            f"{path} is no zarr store, so overwrite=True does not replace it; choose "
            "another path"
        )


def store_strips(
    path: StoreLike, strips: Iterable[NDArray[Any]], axis: int, *, overwrite: bool
) -> Any:
    """Write strips of an array, one after another.

    Args:
        path: Where to write; a folder is written beside it and then renamed.
        strips: Arrays that differ in their size along the axis only.
        axis: Along which they follow each other.
        overwrite: Whether a store is replaced.

    Returns:
        The ``zarr.Array``.

    Raises:
        InputError: If there is no strip.

    Example:
        >>> from zarr.storage import MemoryStore
        >>> strips = [np.ones((2, 1)), np.zeros((2, 3))]
        >>> store_strips(MemoryStore(), strips, 1, overwrite=False).shape
        (2, 4)
    """
    zarr = _zarr()
    folder = _folder(path)
    if folder is None:
        return _written(zarr, path, strips, axis, overwrite=overwrite)
    beside = folder.with_name(f"{folder.name}.{uuid4().hex}.part")
    try:
        _written(zarr, str(beside), strips, axis, overwrite=False)
        _put_in_place(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return zarr.open_array(str(folder), mode="r")


def _written(
    zarr: ModuleType,
    store: StoreLike,
    strips: Iterable[NDArray[Any]],
    axis: int,
    *,
    overwrite: bool,
) -> Any:
    array = None
    for piece in _pieces(strips, axis):
        if array is not None:
            array.append(piece, axis=axis)
            continue
        array = zarr.create(
            shape=piece.shape,
            chunks=_chunks(piece.shape, axis),
            dtype=piece.dtype,
            store=store,
            overwrite=overwrite,
        )
        array[...] = piece
    if array is None:
        raise InputError("there is nothing to store; the data hold no batch")
    return array


def _pieces(strips: Iterable[NDArray[Any]], axis: int) -> Iterator[NDArray[Any]]:
    """Strips joined until they fill a file."""
    waiting: list[NDArray[Any]] = []
    for strip in strips:
        waiting.append(strip)
        if sum(each.size for each in waiting) >= _ELEMENTS:
            yield np.concatenate(waiting, axis)
            waiting = []
    if waiting:
        yield np.concatenate(waiting, axis)


def _chunks(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """As long as a piece along the axis, and as much of the other one as fits."""
    if len(shape) == 1:
        return shape
    other = 1 - axis
    rest = max(1, int(np.prod(shape)) // shape[other])
    fitting = min(shape[other], max(1, _ELEMENTS // rest))
    return tuple(fitting if i == other else n for i, n in enumerate(shape))


def _put_in_place(beside: Path, folder: Path) -> None:
    if not folder.exists():
        beside.rename(folder)
        return
    # A folder that is not empty cannot be replaced by renaming another.
    old = folder.with_name(f"{folder.name}.{uuid4().hex}.old")
    folder.rename(old)
    beside.rename(folder)
    shutil.rmtree(old)


def _folder(path: StoreLike) -> Path | None:
    """The folder of a path, with its links followed; None of what is no path."""
    if not isinstance(path, str | os.PathLike) or "://" in str(path):
        return None
    if str(path).endswith(".zip"):
        raise InputError(
            f"{path}: files in an archive cannot grow; pass a folder, and pack it later"
        )
    return Path(os.path.realpath(path))


def _is_store(folder: Path) -> bool:
    names = ("zarr.json", ".zarray", ".zgroup")
    return any((folder / name).is_file() for name in names)


def _holds_something(zarr: ModuleType, store: StoreLike) -> bool:
    # Zarr's releases say by different errors that nothing is there.
    try:
        zarr.open(store, mode="r")
    except (FileNotFoundError, KeyError, ValueError):
        return False
    return True


def _zarr() -> ModuleType:
    try:
        import zarr
    except ImportError as error:
        raise MissingExtraError(
            "results on disk need zarr: pip install torchattr[store]"
        ) from error
    module: ModuleType = zarr
    return module
