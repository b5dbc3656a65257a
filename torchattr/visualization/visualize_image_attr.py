"""Captum's image visualisation: its arguments, its modes, its scaling.

Differences, each deliberate: nothing is shown and ``use_pyplot`` is off by default;
tensors, gray images and images with negative values are accepted; attributions of zero
give an empty picture instead of an error; and the map for both signs runs from purple
through white to green, because its red and green cannot be told apart by one reader in
twenty. Green stays positive, as captum's users expect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from torchattr.errors import InputError
from torchattr.visualization.arrays import Array, Floats, as_floats
from torchattr.visualization.image_layout import displayable, gray
from torchattr.visualization.signed_scale import Sign, scaled_by_sign

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from typing_extensions import Unpack

__all__ = ["visualize_image_attr", "visualize_image_attr_multiple"]

Method: TypeAlias = Literal[
    "heat_map", "blended_heat_map", "original_image", "masked_image", "alpha_scaling"
]


class Options(TypedDict, total=False):
    """What the multiple form hands on to every picture."""

    outlier_perc: float
    cmap: str | Colormap | None
    alpha_overlay: float
    show_colorbar: bool


def visualize_image_attr(  # ruff: ignore[too-many-positional-arguments] captum's signature
    attr: Array | None,
    original_image: Array | None = None,
    method: Method = "heat_map",
    sign: Sign = "absolute_value",
    plt_fig_axis: tuple[Figure, Axes] | None = None,
    outlier_perc: float = 2,
    cmap: str | Colormap | None = None,
    alpha_overlay: float = 0.5,
    show_colorbar: bool = False,  # ruff: ignore[boolean-type-hint-positional-argument, boolean-default-value-positional-argument] captum's signature
    title: str | None = None,
    fig_size: tuple[float, float] = (6, 6),
    use_pyplot: bool = False,  # ruff: ignore[boolean-type-hint-positional-argument, boolean-default-value-positional-argument] captum's signature
) -> tuple[Figure, Axes]:
    """One image's attributions with captum's arguments.

    The channels are summed, the wanted sign is kept and scaled so that the largest
    attributions, ``outlier_perc`` percent of their total, saturate. For attributions in
    their own units use :func:`~torchattr.visualization.image_heatmap`.

    Args:
        attr: (H, W, C) or (H, W): channels last, as in captum. May be ``None`` for
            ``method="original_image"``.
        original_image: (H, W, C), (H, W) or (C, H, W), in 0 to 1 or 0 to 255; other
            ranges are stretched to fit.
        method: ``"heat_map"``; ``"blended_heat_map"``, over the gray image;
            ``"original_image"``; ``"masked_image"``, the image darkened and
            ``"alpha_scaling"``, the image made transparent where attributions are
            small.
        sign: ``"positive"``, ``"negative"``, ``"absolute_value"`` or ``"all"``. Masking
            and alpha scaling cannot show ``"all"``.
        plt_fig_axis: Figure and axes to draw on.
        outlier_perc: Percentage of the total attribution that may saturate.
        cmap: Colour map; by default greens for positive, reds for negative, blues for
            absolute values and purple-white-green for all.
        alpha_overlay: Opacity of the blended heat map.
        show_colorbar: Add a colour bar below, or as much empty space where there is no
            heat map, so that pictures in a row align.
        title: Title of the axes.
        fig_size: Width and height of a new figure in inches.
        use_pyplot: Make a new figure known to pyplot, so that ``pyplot.show()`` finds
            it. It is not shown here in either case.

    Returns:
        The figure and the axes drawn on.

    Raises:
        InputError: If the arguments do not fit together.

    Example:
        >>> import torch
        >>> figure, axis = visualize_image_attr(torch.randn(8, 8, 3), sign="all")
        >>> axis.images[0].get_clim()
        (-1.0, 1.0)
    """
    _check_method(method, sign, has_image=original_image is not None)
    values = _one_per_pixel(attr, original_image)
    picture = _Picture(
        scaled_by_sign(values, sign, outlier_perc),
        _image(original_image, values.shape),
        cmap or _COLOURS[sign],
        alpha_overlay,
        lowest=-1 if sign == "all" else 0,
    )
    figure, axis = plt_fig_axis or _new_figure(fig_size, 1, use_pyplot=use_pyplot)
    mappable = _DRAW[method](axis, picture)
    axis.set(xticks=[], yticks=[])
    axis.grid(visible=False)
    if show_colorbar:
        _add_colorbar(figure, axis, mappable)
    if title:
        axis.set_title(title, wrap=True)
    return figure, axis


def visualize_image_attr_multiple(  # ruff: ignore[too-many-positional-arguments] captum's signature
    attr: Array | None,
    original_image: Array | None,
    methods: Sequence[Method],
    signs: Sequence[Sign],
    titles: Sequence[str] | None = None,
    fig_size: tuple[float, float] = (8, 6),
    use_pyplot: bool = False,  # ruff: ignore[boolean-type-hint-positional-argument, boolean-default-value-positional-argument] captum's signature
    **kwargs: Unpack[Options],
) -> tuple[Figure, Axes | list[Axes]]:
    """Several of :func:`visualize_image_attr`'s pictures side by side.

    Args:
        attr: (H, W, C) or (H, W).
        original_image: As for one picture.
        methods: Of each picture.
        signs: Of each picture.
        titles: Of each picture.
        fig_size: Width and height of the whole figure in inches.
        use_pyplot: Make the figure known to pyplot; it is not shown.
        **kwargs: ``outlier_perc``, ``cmap``, ``alpha_overlay`` and ``show_colorbar``,
            for every picture.

    Returns:
        The figure and its axes: a list, or for one picture the axes themselves.

    Raises:
        InputError: If the sequences differ in length, are empty, or a picture's
            arguments do not fit together.

    Example:
        >>> import torch
        >>> figure, axes = visualize_image_attr_multiple(
        ...     torch.randn(8, 8, 3), torch.rand(8, 8, 3),
        ...     ["original_image", "heat_map"], ["all", "positive"])
        >>> len(axes)
        2
    """
    heads = list(titles) if titles is not None else [""] * len(methods)
    if not len(methods) or not len(methods) == len(signs) == len(heads):
        raise InputError(
            "methods, signs and titles must have one entry per picture, at least one; "
            f"got {len(methods)} methods, {len(signs)} signs and {len(heads)} titles."
        )
    figure, _ = _new_figure(fig_size, len(methods), use_pyplot=use_pyplot)
    axes = list(figure.axes)
    for axis, method, sign, head in zip(axes, methods, signs, heads, strict=True):
        visualize_image_attr(
            attr, original_image, method, sign, (figure, axis), title=head, **kwargs
        )
    return figure, axes if len(axes) > 1 else axes[0]


@dataclass(frozen=True)
class _Picture:
    """What the modes draw: attributions scaled by sign, and the image if there is one.

    ``image`` is (H, W, C) in [0, 1]; without one it is (H, W, 0).
    """

    attributions: Floats
    image: Floats
    cmap: str | Colormap
    opacity: float
    lowest: float


_COLOURS: dict[Sign, str] = {
    "positive": "Greens",
    "negative": "Reds",
    "absolute_value": "Blues",
    "all": "PRGn",
}


def _check_method(method: str, sign: str, *, has_image: bool) -> None:
    if method not in _DRAW:
        known = ", ".join(f'"{name}"' for name in _DRAW)
        raise InputError(f"method must be one of {known}; got {method!r}.")
    if not has_image and method != "heat_map":
        raise InputError(
            f'method="{method}" draws the image, but original_image is None. Pass the '
            'image, or use method="heat_map".'
        )
    if sign == "all" and method in {"masked_image", "alpha_scaling"}:
        raise InputError(
            f'method="{method}" shows sizes and cannot show both signs; got sign="all".'
            ' Use "positive", "negative" or "absolute_value".'
        )


def _one_per_pixel(attr: Array | None, original_image: Array | None) -> Floats:
    if attr is None:
        if original_image is None:
            raise InputError("attr is None, and there is no original_image to draw.")
        return np.zeros(original_image.shape[:2])
    values = as_floats("attr", attr)
    if values.ndim not in {2, 3}:
        raise InputError(
            f"attr must be (H, W, C) or (H, W); got shape {values.shape}. For a tensor "
            "(1, C, H, W) pass attr[0].permute(1, 2, 0), or use image_heatmap."
        )
    return values if values.ndim == 2 else values.sum(axis=2)


def _image(image: Array | None, shape: tuple[int, int]) -> Floats:
    if image is None:
        return np.empty((*shape, 0))
    return displayable("original_image", image, shape)


def _new_figure(
    size: tuple[float, float], count: int, *, use_pyplot: bool
) -> tuple[Figure, Axes]:
    if use_pyplot:
        from matplotlib import pyplot  # choosing a display is the caller's wish

        figure = pyplot.figure(figsize=size, layout="constrained")
    else:
        figure = Figure(figsize=size, layout="constrained")
    figure.subplots(1, count)
    return figure, figure.axes[0]


def _heat_map(axis: Axes, picture: _Picture) -> ScalarMappable | None:
    return axis.imshow(
        picture.attributions, cmap=picture.cmap, vmin=picture.lowest, vmax=1
    )


def _blended_heat_map(axis: Axes, picture: _Picture) -> ScalarMappable | None:
    axis.imshow(gray(picture.image), cmap="gray", vmin=0, vmax=1)
    return axis.imshow(
        picture.attributions,
        cmap=picture.cmap,
        vmin=picture.lowest,
        vmax=1,
        alpha=picture.opacity,
    )


def _original_image(axis: Axes, picture: _Picture) -> None:
    axis.imshow(_in_colour(picture.image))


def _masked_image(axis: Axes, picture: _Picture) -> None:
    axis.imshow(_in_colour(picture.image) * picture.attributions[..., None])


def _alpha_scaling(axis: Axes, picture: _Picture) -> None:
    opacity = picture.attributions[..., None]
    axis.imshow(np.concatenate([_in_colour(picture.image), opacity], axis=2))


def _in_colour(image: Floats) -> Floats:
    red_green_blue = image[..., :3]
    return np.broadcast_to(red_green_blue, (*image.shape[:2], 3))


_DRAW: dict[Method, Callable[[Axes, _Picture], ScalarMappable | None]] = {
    "heat_map": _heat_map,
    "blended_heat_map": _blended_heat_map,
    "original_image": _original_image,
    "masked_image": _masked_image,
    "alpha_scaling": _alpha_scaling,
}


def _add_colorbar(figure: Figure, axis: Axes, mappable: ScalarMappable | None) -> None:
    bar = figure.colorbar(
        mappable or ScalarMappable(),
        ax=axis,
        orientation="horizontal",
        fraction=0.05,
        pad=0.04,
    )
    bar.locator = MaxNLocator(2)  # so that neighbours' end labels do not meet
    bar.update_ticks()
    if mappable is None:
        for artist in bar.ax.get_children():  # hidden, but its space is kept
            artist.set_visible(False)
