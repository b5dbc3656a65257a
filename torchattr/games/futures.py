"""Futures that keep the type of an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch.futures import Future

__all__ = ["chained"]

Before = TypeVar("Before")
After = TypeVar("After")


def chained(
    future: Future[Before], function: Callable[[Before], After]
) -> Future[After]:
    """The future of a function of a future's value.

    ``Future.then`` turns every error into a ``RuntimeError``; here waiting raises what
    the function, or the first future, raised.

    Args:
        future: What is waited for.
        function: What is made of it, once.

    Returns:
        The future of the function's value.

    Example:
        >>> future = Future()
        >>> doubled = chained(future, lambda value: 2 * value)
        >>> future.set_result(4)
        >>> doubled.wait()
        8
    """
    result: Future[After] = Future()

    def finish(done: Future[Before]) -> None:
        try:
            result.set_result(function(done.value()))
        except Exception as error:  # ruff: ignore[blind-except] (handed on to who waits)
            result.set_exception(error)  # type: ignore[arg-type]  # torch's stub errs

    future.add_done_callback(finish)
    return result
