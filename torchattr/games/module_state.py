"""Leaving a model as it was found."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn

__all__ = ["buffers_preserved", "module_of"]


@contextmanager
def buffers_preserved(function: Callable[..., Any]) -> Generator[None, None, None]:
    """Restore the buffers of a module in training mode when the block ends.

    Forward passes of a module in training mode update running statistics. Nothing else
    of a model is touched by an attribution: it runs without gradients, sets no mode and
    registers no hook.

    Args:
        function: A module, a method of one, a partial call of either, or any function
            (left alone).

    Yields:
        Nothing.
    """
    owner = module_of(function)
    if owner is None or not any(module.training for module in owner.modules()):
        yield
        return
    saved = [
        (module, name, buffer, buffer.detach().clone())
        for module in owner.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    try:
        yield
    finally:
        for module, name, buffer, value in saved:
            buffer.copy_(value)
            setattr(module, name, buffer)  # some modules assign a new tensor


def module_of(function: Callable[..., Any]) -> nn.Module | None:
    """The module that a function is, belongs to, or is a partial call of.

    Args:
        function: Any function.

    Returns:
        The module; ``None`` if there is none, or it cannot be seen.

    Example:
        >>> module_of(partial(nn.ReLU().forward))
        ReLU()
    """
    while isinstance(function, partial):
        function = function.func
    owner = function.__self__ if inspect.ismethod(function) else function
    return owner if isinstance(owner, nn.Module) else None
