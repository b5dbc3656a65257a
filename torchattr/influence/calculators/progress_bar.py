"""A bar for things that come one after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["counted"]


def counted(
    items: Iterable[Any], label: str, total: int | None, *, show: bool
) -> Iterator[Any]:
    """The same items, and how many there were so far.

    Args:
        items: Any.
        label: What the bar is for.
        total: How many there will be, if that is known.
        show: Whether there is a bar at all.

    Returns:
        The items.

    Example:
        >>> list(counted("ab", "Letters", 2, show=False))
        ['a', 'b']
    """
    if not show:
        return iter(items)
    from tqdm.auto import tqdm  # (only a run that shows it pays for it)

    return iter(tqdm(items, desc=label, total=total))
