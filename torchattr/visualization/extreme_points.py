"""The lowest and the highest points one by one: thumbnails, or names with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from torchattr.visualization.arrays import Array, Floats
from torchattr.visualization.palette import INK, MARKED
from torchattr.visualization.pictures import pictures
from torchattr.visualization.rounding import rounded
from torchattr.visualization.valued_points import ValuedPoints

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

__all__ = ["ExtremePoints", "draw_intervals", "draw_thumbnails"]

LONGEST_NAME = 32  # half the figure is left for the intervals
LONGEST_CAPTION = 14  # the width of a thumbnail

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ExtremePoints:
    """Points at one end, the outermost first.

    Attributes:
        end: ``"lowest"`` or ``"highest"``.
        points: All points, ascending.
        widths: ``(n,)`` half widths of their intervals, or ``None``.
        ranks: ``(k,)`` positions in ``points``.
    """

    end: str
    points: ValuedPoints
    widths: Floats | None
    ranks: Indices

    def names(self, longest: int) -> list[str]:
        """What each is called, cut to a length."""
        names = [self.points.names[rank] for rank in self.ranks]
        return [n if len(n) <= longest else f"{n[: longest - 1]}…" for n in names]

    def captions(self) -> list[str]:
        """What each is called and worth; the interval has a line of its own."""
        widths = np.full_like(self.points.values, np.nan)
        if self.widths is not None:
            widths = self.widths
        printed = [
            rounded(self.points.values[rank], widths[rank]).replace(" ", "\n", 1)
            for rank in self.ranks
        ]
        names = self.names(LONGEST_CAPTION)
        return [f"{n}\n{text}" for n, text in zip(names, printed, strict=True)]

    def colours(self) -> list[str]:
        """One for each: what is marked stands out."""
        return [MARKED if self.points.marked[rank] else INK for rank in self.ranks]


def draw_thumbnails(
    figure: FigureBase, ends: list[ExtremePoints], images: Array
) -> None:
    """A row of captioned images for each end.

    Args:
        figure: Where to draw.
        ends: The points of each row.
        images: ``(n, H, W)``, ``(n, C, H, W)`` or ``(n, H, W, C)``, by data index.

    Raises:
        InputError: For images of another shape, or fewer than points.
    """
    shown = [end.points.indices[end.ranks] for end in ends]
    shown_images = pictures(images, np.concatenate(shown))
    grid = figure.subplots(len(ends), len(shown[0]), squeeze=False)
    for axes, picture in zip(grid.flat, shown_images, strict=True):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    for row, end in zip(grid, ends, strict=True):
        row[0].set_ylabel(end.end, color=INK)
        for axes, text, colour in zip(row, end.captions(), end.colours(), strict=True):
            axes.set(xticks=[], yticks=[])
            axes.set_xlabel(text, color=colour, fontsize="x-small", labelpad=4)
            axes.spines[:].set(color=colour, linewidth=0.8 if colour == INK else 2)


def draw_intervals(figure: FigureBase, ends: list[ExtremePoints]) -> None:
    """A panel for each end: names, values and intervals.

    Args:
        figure: Where to draw.
        ends: The points of each panel.
    """
    panels = figure.subplots(1, len(ends), squeeze=False)[0]
    for axes, end in zip(panels, ends, strict=True):
        _draw_panel(axes, end)


def _draw_panel(axes: Axes, end: ExtremePoints) -> None:
    values, rows = end.points.values[end.ranks], np.arange(len(end.ranks))
    if end.widths is not None:
        half = np.nan_to_num(end.widths[end.ranks])
        axes.hlines(rows, values - half, values + half, colors=INK, linewidth=1.3)
    axes.scatter(values, rows, c=end.colours(), s=22, zorder=3)
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_yticks(rows, labels=end.names(LONGEST_NAME))
    for tick, colour in zip(axes.get_yticklabels(), end.colours(), strict=True):
        tick.set_color(colour)
    axes.set_ylim(len(rows) - 0.4, -0.6)  # the outermost on top
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(f"{end.end} {len(rows)}", fontsize="medium")
