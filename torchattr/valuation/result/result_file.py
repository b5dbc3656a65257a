"""Results on disk: one zip of arrays and a JSON header, never a pickle."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from torchattr.errors import InputError
from torchattr.valuation.result.columns import Columns
from torchattr.valuation.result.status import Status

__all__ = ["read", "write"]

FORMAT = "torchattr valuation result"
VERSION = 1
COLUMNS = ("indices", "values", "variances", "counts", "stderr", "replicates")


def write(
    path: str | os.PathLike[str],
    columns: Columns,
    *,
    algorithm: str,
    status: Status,
    extras: Mapping[str, Any],
) -> None:
    """Write a result, whole or not at all: to a temporary file that is then renamed.

    Args:
        path: Where to; a file that is there is replaced.
        columns: The columns.
        algorithm: Name of the method.
        status: How far it got.
        extras: Numbers, strings, arrays, and lists and dicts of plain ones.

    Raises:
        InputError: If an extra cannot be stored without a pickle.
    """
    arrays: dict[str, NDArray[Any]] = {c: getattr(columns, c) for c in COLUMNS}
    if columns.given_names is not None:
        arrays["names"] = columns.given_names
    plain = {}
    for name, extra in extras.items():
        if isinstance(extra, np.ndarray) and extra.dtype.kind in "biufcUS":
            arrays[f"extra/{name}"] = extra
        else:
            plain[name] = _as_json(name, extra)
    header = {
        "format": FORMAT,
        "version": VERSION,
        "algorithm": algorithm,
        "status": status.value,
        "extras": plain,
    }
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # none is allow_pickle
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def read(
    path: str | os.PathLike[str],
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """What :func:`write` wrote.

    Args:
        path: A file.

    Returns:
        The arrays by name, and the header, into which arrays among the extras are put
        back.

    Raises:
        InputError: If there is no such file, or it holds something else.
    """
    try:
        # Opened here, since numpy leaves a file open that it cannot read.
        with Path(path).open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop("header").tobytes())
        known = header["format"] == FORMAT and header["version"] <= VERSION
    except FileNotFoundError as error:
        raise InputError(f"no result at {path}: there is no such file") from error
    except _FOREIGN as error:
        raise InputError(
            f"{path} is not a result that torchattr saved; load_result reads "
            "what save_result wrote"
        ) from error
    if not known or not arrays.keys() >= set(COLUMNS):
        raise InputError(
            f"{path} is of another kind or of a later version: "
            f"{header['format']!r}, {header['version']!r}; this version reads "
            f"{FORMAT!r}, {VERSION}"
        )
    for name in [name for name in arrays if name.startswith("extra/")]:
        header["extras"][name.removeprefix("extra/")] = arrays.pop(name)
    return arrays, header


# What numpy, zipfile and json raise on bytes that are no such archive.
_FOREIGN = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    OSError,
    zipfile.BadZipFile,
)


def _as_json(name: str, extra: object) -> object:
    """The extra in JSON's types."""
    if extra is None or isinstance(extra, str | bool):
        return extra
    if isinstance(extra, np.generic):
        return _as_json(name, extra.item())
    if isinstance(extra, Integral):
        return int(extra)
    if isinstance(extra, Real):
        return float(extra)
    if isinstance(extra, list | tuple):
        return [_as_json(name, part) for part in extra]
    if isinstance(extra, Mapping) and all(isinstance(key, str) for key in extra):
        return {key: _as_json(name, part) for key, part in extra.items()}
    raise InputError(
        f"the extra {name!r} is a {type(extra).__name__}, which cannot be saved; "
        "give numbers, strings, arrays, or lists and dicts of plain ones"
    )
