"""Where a warning points to: the line that the user wrote."""

from __future__ import annotations

import inspect

__all__ = ["frames_to_the_user"]

#: What may lie between a user and a solver.
_INSIDE = ("torchattr", "torch", "contextlib")


def frames_to_the_user() -> int:
    """The ``stacklevel`` of a warning that the caller of this function gives.

    A solver is reached through factors, scores, calculators and more, so that no fixed
    number will do.

    Returns:
        How many frames up the first one is that is not of this package or torch.

    Example:
        >>> frames_to_the_user() >= 1  # 1 is the caller, who warns
        True
    """
    frame = inspect.currentframe()
    level = 0
    while frame is not None and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
        if frame.f_globals.get("__name__", "").partition(".")[0] not in _INSIDE:
            return level
    return max(level, 1)
