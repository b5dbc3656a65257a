"""Checks of arguments that several methods share."""

from __future__ import annotations

from numbers import Integral

from torchattr.errors import InputError

__all__ = ["checked_number"]


def checked_number(value: object, name: str, least: int = 1) -> int:
    """A whole number that is large enough.

    Args:
        value: What the user passed.
        name: The argument's name.
        least: The smallest number allowed.

    Returns:
        The number.

    Raises:
        InputError: If it is not an int, or too small.

    Example:
        >>> checked_number(25, "n_samples")
        25
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(f"{name} must be an int of at least {least}, got {value!r}")
    return int(value)
