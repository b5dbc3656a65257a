"""Leaving a model as it was found."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from torch import nn

__all__ = ["buffers_preserved"]


@contextmanager
def buffers_preserved(function: Callable[..., Any]) -> Generator[None, None, None]:
    """Restore the buffers of a module in training mode when the block ends.

    Forward passes of a module in training mode update running statistics. Nothing else
    of a model is touched by an attribution: it runs without gradients, sets no mode and
    registers no hook.

    Args:
        function: A module, a method of one, or any function (left alone).

    Yields:
        Nothing.
    """
    owner = function.__self__ if inspect.ismethod(function) else function
    if not isinstance(owner, nn.Module) or not any(m.training for m in owner.modules()):
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
