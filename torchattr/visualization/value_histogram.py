"""How the values of training points are distributed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from torchattr.errors import InputError
from torchattr.visualization.arrays import Array, Floats
from torchattr.visualization.palette import INK, MARKED
from torchattr.visualization.valued_points import Mask, Result, valued_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["value_histogram"]

MOST_BINS = 80  # narrower bars than these can no longer be told apart


def value_histogram(
    values: Array | Result,
    *,
    marked: Mask | None = None,
    marked_label: str = "marked",
    bins: int | None = None,
    title: str | None = None,
    label: str = "value",
    axes: Axes | None = None,
) -> Figure:
    """Histogram of the values of points, those that are marked in another colour.

    Marked points are stacked on the others, so that the outline counts all. The line
    at zero separates points that help from points that harm.

    Args:
        values: ``(n,)``: a tensor, an array or a result. NaN is left out, and counted
            below the axis.
        marked: ``(n,)`` booleans by data index, such as whose label is wrong.
        marked_label: What these are, for the legend.
        bins: Number of bars; by default by the spread of the values
            (Freedman-Diaconis or Sturges, whichever gives more), at most 80.
        title: Title of the axes.
        label: What is measured, with its unit.
        axes: Where to draw; ``None`` makes a new figure.

    Returns:
        The figure; it is not shown, nor known to pyplot.

    Raises:
        InputError: If lengths do not agree, a value is infinite, or ``bins`` is less
            than 1.

    Example:
        >>> import torch
        >>> figure = value_histogram(torch.tensor([0.1, 0.2, 0.2, 0.9]), bins=4)
        >>> [int(bar.get_height()) for bar in figure.axes[0].patches]
        [3, 0, 0, 1]
    """
    points = valued_points(values, marked=marked)
    edges = _edges(points.values, bins)
    if axes is None:
        axes = Figure(figsize=(6.4, 3.6), layout="constrained").subplots()
    others, found = points.values[~points.marked], points.values[points.marked]
    if len(found):
        axes.hist(
            [others, found],
            bins=list(edges),
            stacked=True,
            color=["0.65", MARKED],
            label=["others", f"{marked_label} ({len(found):,})"],
        )
        axes.legend(frameon=False)
    else:
        axes.hist(others, bins=list(edges), color="0.65")
    axes.axvline(0, color=INK, linewidth=0.9)
    if points.n_without:
        label += f"  ({points.n_without:,} without a value left out)"
    axes.set_xlabel(label)
    axes.set_ylabel("points")
    axes.spines[["top", "right"]].set_visible(False)
    if title:
        axes.set_title(title, wrap=True)
    return axes.figure.figure


def _edges(values: Floats, bins: int | None) -> Floats:
    if bins is not None and bins < 1:
        raise InputError(f"bins must be at least 1; got {bins}.")
    if bins is None:
        bins = min(len(np.histogram_bin_edges(values, "auto")) - 1, MOST_BINS)
    return np.histogram_bin_edges(values, bins)
