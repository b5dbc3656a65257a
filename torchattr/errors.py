"""The error tree: one root, leaves that are also the builtin a caller expects."""

from __future__ import annotations

__all__ = ["InputError", "MissingExtraError", "TorchAttrError"]


class TorchAttrError(Exception):
    """Root of every error that torchattr raises on purpose."""


class InputError(TorchAttrError, ValueError, AssertionError):
    """Something passed in cannot be used; the message says what, and what to do.

    It is a :class:`ValueError`, and also an :class:`AssertionError` because captum
    validates with ``assert`` and its users' handlers catch that.

    Example:
        >>> from torchattr.errors import InputError
        >>> issubclass(InputError, ValueError), issubclass(InputError, AssertionError)
        (True, True)
    """


class MissingExtraError(TorchAttrError, ImportError):
    """A feature needs an optional dependency that is not installed."""
