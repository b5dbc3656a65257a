"""Going on with an iteration, with or without a bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["Iteration", "advance"]


class Iteration(Protocol):
    """What takes steps until it is done."""

    def advance(
        self, maxiter: int, report: Callable[[float], None] | None = None
    ) -> None:
        """Take steps; each reports the largest residual."""
        ...


def advance(iteration: Iteration, maxiter: int, label: str, *, show: bool) -> None:
    """Go on until an iteration is done.

    Args:
        iteration: What takes the steps.
        maxiter: The most of them.
        label: What the bar is for.
        show: Whether there is a bar, with the largest residual.
    """
    if not show:
        iteration.advance(maxiter)
        return
    from tqdm.auto import tqdm  # (only a run that shows it pays for it)

    with tqdm(total=maxiter, desc=label) as bar:

        def report(residual: float) -> None:
            bar.update()
            bar.set_postfix(residual=f"{residual:.1e}")

        iteration.advance(maxiter, report)
