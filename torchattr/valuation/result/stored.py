"""Results kept in files."""

from __future__ import annotations

import os

from torchattr.valuation.result.valuation_result import ValuationResult

__all__ = ["load_result", "save_result"]


def save_result(result: ValuationResult, path: str | os.PathLike[str]) -> None:
    """Write a result to a file, atomically and without pickle.

    Args:
        result: What to write.
        path: Where to, as it is: no suffix is added. A file that is there is replaced.

    Raises:
        InputError: If an extra is neither a number, a string, an array, nor a list or
            dict of plain ones.

    Example:
        >>> import tempfile, pathlib
        >>> result = ValuationResult(values=[1.0, 2.0], algorithm="mine")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "values.npz")
        ...     save_result(result, path)
        ...     load_result(path) == result
        True
    """
    result.save(path)


def load_result(path: str | os.PathLike[str]) -> ValuationResult:
    """A result from a file.

    Args:
        path: What :func:`save_result` wrote.

    Returns:
        An equal result, in the same order.

    Raises:
        InputError: If there is no such file, or it holds something else.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "values.npz")
        ...     save_result(ValuationResult(values=[1.0, 2.0], subsidy=0.5), path)
        ...     load_result(path).subsidy
        0.5
    """
    return ValuationResult.load(path)
