"""An example, and the training examples that did most for it and most against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from torchattr.errors import InputError
from torchattr.visualization.arrays import Array, Floats
from torchattr.visualization.palette import INK, NEGATIVE, POSITIVE
from torchattr.visualization.pictures import pictures
from torchattr.visualization.rounding import rounded
from torchattr.visualization.valued_points import ValuedPoints, valued_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase, SubFigure

__all__ = ["ranked_examples"]

INCHES = 1.45  # of an image, with its caption


def ranked_examples(
    scores: Array,
    images: Array,
    *,
    example: Array | None = None,
    caption: str = "",
    names: Sequence[str] | None = None,
    count: int = 5,
    helpers: str = "strongest helpers",
    opponents: str = "strongest opponents",
    title: str | None = None,
    label: str = "influence",
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Training examples with the highest and the lowest scores, as images.

    The upper row has the highest scores above 0, highest first, the lower row the
    lowest below 0, lowest first; places for which there is no such score stay empty.
    On the left is the example that the scores are about.

    Args:
        scores: ``(n,)``: what each training example does for the example, such as a row
            of influences; NaN for one that is left out.
        images: ``(n, H, W)``, ``(n, C, H, W)`` or ``(n, H, W, C)``: the training
            examples. Other values than [0, 1] and bytes are stretched to the range of
            those shown.
        example: What the scores are about, an image like the others.
        caption: What is written below it, such as its prediction.
        names: ``(n,)``: what is written below each training example, such as its label,
            above its score; by default its index.
        count: Images in a row.
        helpers: What the upper row is called.
        opponents: What the lower row is called.
        title: Title of the figure.
        label: What the scores are, with their unit.
        figure: Where to draw, a figure or a subfigure; ``None`` makes a new one.

    Returns:
        The figure; it is not shown, nor known to pyplot.

    Raises:
        InputError: If lengths or shapes do not agree, a score is infinite or all are 0,
            or ``count`` is not positive.

    Example:
        >>> import torch
        >>> scores, images = torch.linspace(-1, 2, 30), torch.rand(30, 8, 8)
        >>> figure = ranked_examples(scores, images, example=images[0], count=4)
        >>> len(figure.axes)  # the example, and two rows of four
        9
    """
    if count < 1:
        raise InputError(f"count must be at least 1; got {count}.")
    points = valued_points(scores, names=names)
    best = np.arange(len(points.values))[::-1][:count]
    worst = np.arange(len(points.values))[:count]
    if not points.values.any():
        raise InputError("scores are all 0; there is nothing to rank.")
    rows = [best[points.values[best] > 0], worst[points.values[worst] < 0]]
    shown = pictures(images, points.indices[np.concatenate(rows)], example)
    if figure is None:
        width = INCHES * (count + (2.1 if example is not None else 0.3))
        figure = Figure(figsize=(width, 2 * INCHES + 1.3), layout="constrained")
    if title:
        figure.suptitle(title)
    ranked: FigureBase = figure
    if example is not None:
        parts = figure.add_gridspec(1, 2, width_ratios=[1.7, count])
        ranked = figure.add_subfigure(parts[0, 1])
        axes = figure.add_subfigure(parts[0, 0]).subplots()
        _draw(axes, shown[-1], caption, INK, "medium")
    grid = ranked.subplots(2, count, squeeze=False)
    colours, shown_of_row = (POSITIVE, NEGATIVE), np.split(shown, [len(rows[0])])
    for axes_of_row, row, colour, own in zip(
        grid, rows, colours, shown_of_row, strict=True
    ):
        _draw_row(axes_of_row, own, _captions(points, row), colour)
    for axes_of_row, name in zip(grid, (helpers, opponents), strict=True):
        axes_of_row[0].set_ylabel(name, color=INK)
    ranked.supxlabel(label, color=INK, fontsize="small")
    return figure.figure


def _captions(points: ValuedPoints, row: npt.NDArray[np.int64]) -> list[str]:
    return [f"{points.names[i]}\n{rounded(points.values[i], None)}" for i in row]


def _draw_row(
    grid: Sequence[Axes], shown: Floats, captions: list[str], colour: str
) -> None:
    for axes, picture, text in zip(grid, shown, captions, strict=False):
        _draw(axes, picture, text, colour, "small")
    for axes in grid[len(captions) :]:  # fewer scores of this sign than places
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)


def _draw(axes: Axes, picture: Floats, text: str, colour: str, size: str) -> None:
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel(text, color=colour, fontsize=size, labelpad=4)
    axes.spines[:].set(color=colour, linewidth=0.8 if colour == INK else 1.6)
