"""Blocks of several threads that change, and put back, one thing that they share."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import Lock

__all__ = ["overlapping"]

_LOCK = Lock()
#: How many blocks are open, and what the last of them has to undo.
_OPEN: dict[Hashable, tuple[int, ExitStack]] = {}


@contextmanager
def overlapping(
    key: Hashable, change: Callable[[], AbstractContextManager[object]]
) -> Generator[None, None, None]:
    """Change something for a block, of which other threads may have some open.

    The first block to be entered makes the change, and the last to be left undoes it.
    Were each to do both, one would undo the change under the feet of another, which
    would then put back the changed state for good.

    Args:
        key: What is changed: equal for blocks that change the same.
        change: Makes a context manager that changes and restores it.

    Yields:
        Nothing.

    Example:
        >>> from contextlib import redirect_stdout
        >>> from io import StringIO
        >>> with overlapping("stdout", lambda: redirect_stdout(StringIO())):
        ...     print("unseen")
    """
    with _LOCK:
        count, undo = _OPEN.get(key, (0, ExitStack()))
        if count == 0:
            undo.enter_context(change())
        _OPEN[key] = count + 1, undo
    try:
        yield
    finally:
        with _LOCK:
            count, undo = _OPEN.pop(key)
            if count > 1:
                _OPEN[key] = count - 1, undo
            else:
                undo.close()
