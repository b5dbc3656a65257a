"""A progress bar, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["Show", "progress_bar"]

#: Whether there is a bar, or the arguments of one.
Show: TypeAlias = bool | dict[str, Any]


def progress_bar(show: Show, label: str, total: int) -> tqdm[Any]:
    """A bar to be used in ``with``, and advanced by ``update``.

    Args:
        show: Whether it is shown, or arguments of :class:`tqdm.tqdm`.
        label: What it is for.
        total: How much there is to do.

    Returns:
        The bar, silent if not to be shown.
    """
    from tqdm.auto import tqdm  # (importing the package does not pay for it)

    options: dict[str, Any] = {"total": total, "desc": label, "disable": not show}
    bar: tqdm[Any] = tqdm(**options | (show if isinstance(show, dict) else {}))
    return bar
