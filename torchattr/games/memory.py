"""Work in parts that fit in memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["in_parts", "is_out_of_memory"]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is an accelerator's, the CPU allocator's or Python's OOM."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    message = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in message or "can't allocate memory" in message
    )


def in_parts(
    evaluate: Callable[[int, int], Tensor], count: int, size: int
) -> tuple[Tensor, int]:
    """Evaluate rows in parts, and smaller ones when the memory does not suffice.

    Args:
        evaluate: ``(start, stop)`` to the results of these rows, along the first
            dimension.
        count: Number of rows, at least one.
        size: The most rows in a part.

    Returns:
        The results of all rows, and the most rows that a part may have from now on.

    Example:
        >>> in_parts(lambda start, stop: torch.arange(start, stop), count=5, size=2)
        (tensor([0, 1, 2, 3, 4]), 2)
    """
    parts: list[Tensor] = []
    start = 0
    while start < count:
        stop = min(start + size, count)
        part = _unless_out_of_memory(evaluate, start, stop)
        if part is None:
            # Outside the handler, whose traceback would keep the part's tensors alive.
            size = (stop - start) // 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        parts.append(part)
        start = stop
    return (torch.cat(parts) if len(parts) > 1 else parts[0]), size


def _unless_out_of_memory(
    evaluate: Callable[[int, int], Tensor], start: int, stop: int
) -> Tensor | None:
    try:
        return evaluate(start, stop)
    except (RuntimeError, MemoryError) as error:
        if stop - start == 1 or not is_out_of_memory(error):
            raise
    return None
