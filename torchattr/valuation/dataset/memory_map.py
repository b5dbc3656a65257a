"""Arrays on disk that processes share."""

from __future__ import annotations

import tempfile
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError
from torchattr.valuation.dataset.raw_data import Array, RawData

__all__ = ["MappedPair"]


class MappedPair:
    """Inputs and targets in two temporary files, which go when this object does.

    A copy sent to another process reads the same files and leaves them there.

    Args:
        data: Arrays of plain numbers.

    Raises:
        InputError: If they are tensors, or hold objects.
    """

    def __init__(self, data: RawData) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="torchattr-"))
        self._remove = weakref.finalize(self, _remove, self.folder)
        for name, array in (("x", data.x), ("y", data.y)):
            np.save(self.folder / f"{name}.npy", _plain(array), allow_pickle=False)
        self.data = self._open()

    def _open(self) -> RawData:
        x, y = (
            np.load(self.folder / f"{name}.npy", mmap_mode="c", allow_pickle=False)
            for name in ("x", "y")
        )
        return RawData(x, y)

    def __getstate__(self) -> Path:
        return self.folder

    def __setstate__(self, folder: Path) -> None:
        self.folder = folder
        self.data = self._open()


def _plain(array: Array) -> NDArray[np.generic]:
    if not isinstance(array, np.ndarray):
        raise InputError(
            "mmap=True maps NumPy arrays; tensors are shared by share_memory_()"
        )
    if array.dtype.hasobject:
        raise InputError("mmap=True maps arrays of numbers or strings, not of objects")
    return array


def _remove(folder: Path) -> None:
    for name in ("x", "y"):
        (folder / f"{name}.npy").unlink(missing_ok=True)
    folder.rmdir()
