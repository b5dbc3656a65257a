"""Values of training points in the order of their ranks, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from torchattr.errors import InputError
from torchattr.visualization.arrays import Array, Floats
from torchattr.visualization.extreme_points import (
    ExtremePoints,
    draw_intervals,
    draw_thumbnails,
)
from torchattr.visualization.intervals import half_widths
from torchattr.visualization.palette import INK, MARKED
from torchattr.visualization.valued_points import (
    Mask,
    Result,
    ValuedPoints,
    fewest_degrees_of_freedom,
    valued_points,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase, SubFigure

__all__ = ["rank_plot"]

SINGLE_POINTS = 150  # more are too close together for a marker and a line each


def rank_plot(
    values: Array | Result,
    *,
    standard_errors: Array | None = None,
    confidence: float = 0.95,
    degrees_of_freedom: float | None = None,
    names: Sequence[str] | None = None,
    images: Array | None = None,
    marked: Mask | None = None,
    marked_label: str = "marked",
    extremes: int = 10,
    title: str | None = None,
    label: str = "value",
    figure: Figure | SubFigure | None = None,
) -> Figure:
    r"""All values by rank, with intervals, and the points at either end one by one.

    The curve runs from the lowest to the highest value, in a band of the intervals
    :math:`\phi_i \pm t_{(1 + c)/2, \nu}\,s_i`. Below are the lowest and the highest
    points, the outermost first: as thumbnails with their values if there are images,
    else by name with their intervals. Points whose value is NaN are left out, and
    counted below the axis.

    Args:
        values: ``(n,)``: a tensor, an array, or a result, whose standard errors and
            names are taken as well.
        standard_errors: Like ``values``: 0 where exact, NaN where unknown.
        confidence: Level :math:`c` of the intervals.
        degrees_of_freedom: Independent replicates minus one, for Student's t; ``None``
            takes the fewest that a result tells of, else the normal quantile.
        names: ``(n,)`` by data index; by default the index itself.
        images: ``(n, H, W)``, ``(n, C, H, W)`` or ``(n, H, W, C)`` by data index. Other
            values than [0, 1] and bytes are stretched to the range of those shown.
        marked: ``(n,)`` booleans by data index: points to show in another colour, such
            as those whose label is known to be wrong.
        marked_label: What these are, for the legend.
        extremes: How many points are shown one by one at either end; 0 for none.
        title: Title of the curve.
        label: What is measured, with its unit.
        figure: Where to draw, a figure or a subfigure; ``None`` makes a new one.

    Returns:
        The figure; it is not shown, nor known to pyplot.

    Raises:
        InputError: If lengths do not agree, a value is infinite, or an option is out of
            its range.

    Example:
        >>> import torch
        >>> values, images = torch.linspace(-1, 2, 30), torch.rand(30, 8, 8)
        >>> figure = rank_plot(values, standard_errors=values.abs(), images=images)
        >>> len(figure.axes)  # the curve, ten lowest, ten highest
        21
    """
    points = valued_points(values, standard_errors, names=names, marked=marked)
    widths = None
    if degrees_of_freedom is None:
        degrees_of_freedom = fewest_degrees_of_freedom(values)
    if points.errors is not None:
        widths = half_widths(
            points.errors,
            confidence=confidence,
            degrees_of_freedom=degrees_of_freedom,
        )
        label = f"{label}\n({100 * confidence:g}% intervals)"
    if extremes < 0:
        raise InputError(f"extremes must not be negative; got {extremes}.")
    n_each = min(extremes, len(points.values) // 2)
    if figure is None:
        below = (
            0.0 if not n_each else 3.2 if images is not None else 0.9 + 0.22 * n_each
        )
        figure = Figure(figsize=(10.5, 3.4 + below), layout="constrained")
    curve: FigureBase = figure
    if n_each:
        curve, details = _parts(figure, 0.92 if images is not None else 1.0)
        ends = _ends(points, widths, n_each)
        if images is None:
            draw_intervals(details, ends)
        else:
            draw_thumbnails(details, ends, images)
    axes = curve.subplots()
    _draw_curve(axes, points, widths)
    _draw_marked(axes, points, marked_label)
    _dress(axes, points, title, label)
    return figure.figure


def _parts(figure: Figure | SubFigure, below: float) -> tuple[SubFigure, SubFigure]:
    grid = figure.add_gridspec(2, 1, height_ratios=[1, below])
    return figure.add_subfigure(grid[0, 0]), figure.add_subfigure(grid[1, 0])


def _ends(
    points: ValuedPoints, widths: Floats | None, count: int
) -> list[ExtremePoints]:
    ranks = np.arange(len(points.values))
    return [
        ExtremePoints("lowest", points, widths, ranks[:count]),
        ExtremePoints("highest", points, widths, ranks[::-1][:count]),
    ]


def _draw_curve(axes: Axes, points: ValuedPoints, widths: Floats | None) -> None:
    ranks, values = np.arange(1, len(points.values) + 1), points.values
    single = len(values) <= SINGLE_POINTS
    if widths is not None:
        half = np.nan_to_num(widths)  # unknown: no line
        if single:
            axes.vlines(ranks, values - half, values + half, colors="0.6", linewidth=1)
        else:
            axes.fill_between(
                ranks, values - half, values + half, color="0.8", linewidth=0
            )
    axes.plot(
        ranks,
        values,
        color=INK,
        linestyle="none" if single else "solid",
        marker="o" if single else "none",
        markersize=3,
    )


def _draw_marked(axes: Axes, points: ValuedPoints, marked_label: str) -> None:
    ranks = np.flatnonzero(points.marked) + 1
    if not len(ranks):
        return
    legend = f"{marked_label} ({len(ranks):,})"
    dots = len(ranks) <= SINGLE_POINTS
    # Dots that cover each other, and the curve, say less than strokes below it.
    axes.vlines(
        ranks,
        0,
        0.04 if dots else 0.1,
        transform=axes.get_xaxis_transform(),
        colors=MARKED,
        linewidth=float(np.clip(600 / len(points.values), 0.3, 1.5)),
        label="" if dots else legend,
    )
    if dots:
        size = np.clip(4000 / len(points.values), 8, 26)
        values = points.values[points.marked]
        axes.scatter(ranks, values, s=size, color=MARKED, zorder=3, label=legend)
    low, high = axes.get_ylim()
    axes.set_ylim(bottom=low - (0.05 if dots else 0.12) * (high - low))
    shown = axes.legend(loc="upper left", frameon=False)
    for line in shown.get_lines():
        line.set_linewidth(1.5)


def _dress(axes: Axes, points: ValuedPoints, title: str | None, label: str) -> None:
    count = len(points.values)
    axes.axhline(0, color=INK, linewidth=0.9)
    axes.set_xlim(1 - 0.01 * count, count * 1.01)
    text = "rank, lowest first"
    if points.n_without:
        text += f"  ({points.n_without:,} without a value left out)"
    axes.set_xlabel(text)
    axes.set_ylabel(label)
    axes.grid(axis="y", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if title:
        axes.set_title(title, wrap=True)
