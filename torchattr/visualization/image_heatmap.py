"""Signed attributions of one image, as a heat map that keeps their units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from scipy.ndimage import zoom

from torchattr.errors import InputError
from torchattr.visualization.arrays import Array, Floats
from torchattr.visualization.image_layout import (
    channels_first,
    displayable,
    gray,
    labels_like,
    per_pixel,
)
from torchattr.visualization.intervals import half_widths, sign_uncertain
from torchattr.visualization.palette import INK, diverging
from torchattr.visualization.regions import boundaries, inside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

__all__ = ["image_heatmap"]


def image_heatmap(
    attributions: Array,
    image: Array | None = None,
    *,
    feature_mask: Array | None = None,
    standard_errors: Array | None = None,
    confidence: float = 0.95,
    degrees_of_freedom: float | None = None,
    overlay: Literal["shade", "outline"] = "shade",
    percentile: float = 99.0,
    limit: float | None = None,
    cmap: str | Colormap | None = None,
    title: str | None = None,
    label: str = "attribution",
    axes: Axes | None = None,
) -> Figure:
    r"""Heat map of one image's signed attributions.

    Red adds to the output, blue takes away, white is zero: the limits are
    :math:`\pm q`, with :math:`q` a percentile of the absolute values, so that a few
    large pixels do not bleach the others (the colour bar gets a pointed end when values
    lie beyond it). A pixel shows the sum over its channels, each player counted once.
    The image lies over the colours as shade or as an outline, never blended with them,
    so that hues agree with the colour bar.

    Args:
        attributions: (H, W), (C, H, W) or (1, C, H, W), as ``attribute`` returns them.
        image: The image itself, channels first or last; ``None`` draws colours alone.
        feature_mask: The groups given to ``attribute``; their borders are drawn.
        standard_errors: Like ``attributions``. Pixels whose interval has both signs
            are hatched; where the standard error is NaN the interval is unbounded.
        confidence: Level of those intervals.
        degrees_of_freedom: Independent replicates minus one, for Student's t;
            ``None`` uses the normal quantile.
        overlay: ``"shade"`` darkens the colours by the image, for photographs;
            ``"outline"`` draws the line of half brightness, for small line drawings.
        percentile: Of the absolute values, the limit of the colours; 100 clips none.
        limit: The limit itself, to share one scale between figures.
        cmap: Another diverging colour map.
        title: Title of the axes.
        label: What the colour bar measures, with its unit.
        axes: Where to draw; ``None`` makes a new figure.

    Returns:
        The figure; it is not shown, nor known to pyplot.

    Raises:
        InputError: If shapes do not agree, values are not finite, or an option is out
            of its range.

    Example:
        >>> import torch
        >>> figure = image_heatmap(torch.randn(3, 8, 8), torch.rand(3, 8, 8))
        >>> [axes.get_ylabel() for axes in figure.axes]
        ['', 'attribution']
    """
    elements = channels_first("attributions", attributions)
    labels = labels_like(elements, feature_mask)
    pixels = per_pixel(elements, labels)
    axes = axes if axes is not None else _new_axes(pixels.shape)
    scale = _limit(pixels, percentile) if limit is None else _checked_limit(limit)
    colours = axes.imshow(
        pixels, cmap=cmap or diverging(), vmin=-scale, vmax=scale, interpolation="none"
    )
    if image is not None:
        _draw_image(axes, displayable("image", image, pixels.shape), overlay)
    if labels is not None:
        _draw_borders(axes, labels)
    if standard_errors is not None:
        errors = channels_first("standard_errors", standard_errors, finite=False)
        if errors.shape != elements.shape:
            raise InputError(
                f"standard_errors must have the attributions' shape {elements.shape}; "
                f"got {errors.shape}. Pass what attribute() returned beside them."
            )
        widths = half_widths(
            errors, confidence=confidence, degrees_of_freedom=degrees_of_freedom
        )
        uncertain = sign_uncertain(pixels, per_pixel(widths, labels))
        _hatch(axes, uncertain, confidence)
    axes.set(xticks=[], yticks=[])
    if title:
        axes.set_title(title, wrap=True)
    axes.figure.colorbar(
        colours,
        ax=axes,
        label=label,
        shrink=0.85,
        extend="both" if np.abs(pixels).max() > scale else "neither",
    )
    return axes.figure.figure


def _new_axes(shape: tuple[int, int]) -> Axes:
    height, width = shape
    tall = np.clip(4.2 * height / width, 2.0, 9.0)
    return Figure(figsize=(5.4, tall), layout="constrained").subplots()


def _limit(pixels: Floats, percentile: float) -> float:
    if not 0 < percentile <= 100:
        raise InputError(
            f"percentile must lie above 0 and up to 100; got {percentile}. "
            "100 clips no value."
        )
    sizes = np.abs(pixels)
    # Most pixels of a sparse map are 0, and so may be the percentile.
    scale = np.percentile(sizes, percentile) or sizes.max() or 1.0
    return float(scale)


def _checked_limit(limit: float) -> float:
    if not 0 < limit < np.inf:
        raise InputError(
            f"limit must be positive and finite; got {limit}. It is the absolute value "
            "at both ends of the colour bar; None chooses it."
        )
    return limit


def _draw_image(axes: Axes, image: Floats, overlay: str) -> None:
    lightness = gray(image)
    if overlay == "shade":
        ink = np.zeros((*lightness.shape, 4))
        ink[..., 3] = 0.55 * (1 - lightness)
        axes.imshow(ink, interpolation="none")
    elif overlay == "outline":
        _draw_outline(axes, lightness)
    else:
        raise InputError(
            f'overlay must be "shade" or "outline"; got {overlay!r}. '
            "Shade suits photographs, outline small line drawings."
        )


def _draw_outline(axes: Axes, lightness: Floats) -> None:
    low, high = lightness.min(), lightness.max()
    if low == high:
        return
    # A margin closes the lines that would end at the edge; finer steps round them.
    framed = np.pad(lightness, 1, constant_values=low)
    fine = zoom(framed, 8, order=3, mode="nearest", grid_mode=True)
    height, width = lightness.shape
    y = np.linspace(-1.5, height + 0.5, 2 * len(fine) + 1)[1::2]
    x = np.linspace(-1.5, width + 0.5, 2 * fine.shape[1] + 1)[1::2]
    axes.contour(x, y, fine, levels=[(low + high) / 2], colors=[INK], linewidths=1.6)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def _draw_borders(axes: Axes, labels: npt.NDArray[np.int64]) -> None:
    # White under dark stays visible on any colour.
    for colour, width in (("white", 1.8), (INK, 0.7)):
        axes.add_collection(
            LineCollection(
                list(boundaries(labels)),
                colors=colour,
                linewidths=width,
                capstyle="projecting",
            ),
            autolim=False,
        )


def _hatch(axes: Axes, mask: npt.NDArray[np.bool_], confidence: float) -> None:
    axes.set_xlabel(f"hatched: sign uncertain at {100 * confidence:g}%")
    if mask.any():
        axes.add_patch(
            PathPatch(
                inside(mask),
                facecolor="none",
                edgecolor=(*3 * (0.4,), 0.7),
                hatch="////",
                linewidth=0,
            )
        )
