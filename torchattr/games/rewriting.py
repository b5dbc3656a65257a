"""Rewriting: other implementations of PyTorch's functions, while a model runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.overrides import TorchFunctionMode

__all__ = ["Rewriter", "Rewriting"]

#: Called as (function, args, kwargs); returns what the function would, or
#: NotImplemented to leave it alone.
Rewriter = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]


class Rewriting(TorchFunctionMode):
    """Replaces some functions of PyTorch inside a ``with`` block.

    Modules and functions are called as ever, under ``torch.func.vmap`` as well. What a
    function of PyTorch calls inside itself is not seen, such as the dropout of an
    attention layer.

    Args:
        *rewriters: What to call in place of a function, or of several. The first that
            does not return ``NotImplemented`` counts.

    Example:
        >>> import torch
        >>> with Rewriting({torch.relu: lambda function, args, kwargs: "seen"}):
        ...     torch.relu(torch.ones(1))
        'seen'
    """

    def __init__(self, *rewriters: Mapping[Any, Rewriter]) -> None:
        super().__init__()
        self.rewriters = rewriters

    def __torch_function__(
        self,
        func: Any,  # ruff: ignore[any-type] (a function of any signature)
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # ruff: ignore[any-type] (what that function returns)
        """Call the rewriter of a function, if it has one."""
        kwargs = kwargs or {}
        for table in self.rewriters:
            if func in table:
                result = table[func](func, args, kwargs)
                if result is not NotImplemented:
                    return result
        return func(*args, **kwargs)
