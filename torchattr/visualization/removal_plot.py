"""Scores as points are removed in the order of their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from torchattr.errors import InputError
from torchattr.visualization.arrays import Array, Floats, as_floats
from torchattr.visualization.palette import INK, NEGATIVE, POSITIVE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Curve", "removal_plot"]

# Told apart in print and by readers with any of the common colour deficiencies.
COLOURS = (NEGATIVE, POSITIVE, "0.55", "#7b3294", "#1b9e77", "#a6761d")
DASHES = ("-", "--", ":", "-.")


class Curve(Protocol):
    """What is drawn: a :class:`~torchattr.metrics.RemovalCurve`, or one like it."""

    @property
    def fractions(self) -> Array:
        """``(F,)``: shares of the points that were removed."""

    @property
    def scores(self) -> Array:
        """``(F,)``: what the rest is worth."""


def removal_plot(
    curves: Curve | Mapping[str, Curve],
    *,
    title: str | None = None,
    label: str = "score",
    axes: Axes | None = None,
) -> Figure:
    """Lines of the scores over the share of points that were removed.

    Args:
        curves: One curve, or several by name: lowest first and highest first, say, with
            a random order between them.
        title: Title of the axes.
        label: What the score is, with its unit.
        axes: Where to draw; ``None`` makes a new figure.

    Returns:
        The figure; it is not shown, nor known to pyplot.

    Raises:
        InputError: If there is no curve, or one is not ``(F,)`` and finite.

    Example:
        >>> import torch
        >>> from torchattr.games import AdditiveGame
        >>> from torchattr.metrics import removal_curve
        >>> values = torch.tensor([3.0, 1.0, 2.0])
        >>> figure = removal_plot(
        ...     {
        ...         first: removal_curve(AdditiveGame(values), values, first=first)
        ...         for first in ("lowest", "highest")
        ...     }
        ... )
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['lowest', 'highest']
    """
    named = curves if isinstance(curves, Mapping) else {"": curves}
    if not named:
        raise InputError("curves must hold at least one; got none.")
    if axes is None:
        axes = Figure(figsize=(6.4, 4), layout="constrained").subplots()
    for i, (name, curve) in enumerate(named.items()):
        fractions, scores = _points(name, curve)
        axes.plot(
            fractions,
            scores,
            color=COLOURS[i % len(COLOURS)],
            linestyle=DASHES[i // len(COLOURS) % len(DASHES)],
            marker="o",
            markersize=3.5,
            label=name,
        )
    if len(named) > 1 or "" not in named:
        axes.legend(frameon=False)
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.set_xlabel("points removed")
    axes.set_ylabel(label, color=INK)
    axes.grid(axis="y", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if title:
        axes.set_title(title, wrap=True)
    return axes.figure.figure


def _points(name: str, curve: Curve) -> tuple[Floats, Floats]:
    fractions = as_floats("fractions", curve.fractions)
    scores = as_floats("scores", curve.scores)
    if fractions.ndim != 1 or scores.shape != fractions.shape:
        raise InputError(
            f"a curve must have one score for each fraction, (F,); {name!r} has "
            f"scores {scores.shape} for fractions {np.shape(fractions)}. Choose an "
            "output, or average them."
        )
    return fractions, scores
