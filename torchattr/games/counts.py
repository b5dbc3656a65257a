"""Counts that a user passes: players, terms, evaluations."""

from __future__ import annotations

from numbers import Integral

from torchattr.errors import InputError

__all__ = ["as_count"]


def as_count(name: str, count: object, *, at_least: int = 1) -> int:
    """A whole number that is large enough.

    Args:
        name: How an error calls it.
        count: A Python or numpy integer, not a bool.
        at_least: The smallest number accepted.

    Returns:
        The count as an int.

    Raises:
        InputError: If it is not a whole number, or too small.

    Example:
        >>> as_count("n_players", 3)
        3
    """
    if isinstance(count, bool) or not isinstance(count, Integral):
        raise InputError(
            f"{name} must be an integer, got {count!r} ({type(count).__name__})"
        )
    whole = int(count)
    if whole < at_least:
        raise InputError(f"{name} must be at least {at_least}, got {whole}")
    return whole
