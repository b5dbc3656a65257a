"""The largest attributions of one example as bars with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from torchattr.errors import InputError
from torchattr.visualization.arrays import Array, Floats, as_floats
from torchattr.visualization.intervals import half_widths
from torchattr.visualization.palette import INK, NEGATIVE, POSITIVE
from torchattr.visualization.rounding import rounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["feature_bars"]


def feature_bars(
    attributions: Array,
    *,
    names: Sequence[str] | None = None,
    standard_errors: Array | None = None,
    confidence: float = 0.95,
    degrees_of_freedom: float | None = None,
    top_k: int = 10,
    title: str | None = None,
    label: str = "attribution",
    axes: Axes | None = None,
) -> Figure:
    r"""Bars of the features with the largest absolute attributions.

    Red bars add to the output, blue ones take away; the largest is on top. The line
    over a bar is the interval :math:`\phi_i \pm t_{(1 + c)/2, \nu}\,s_i`, and both are
    printed at the right, rounded to the two digits that the interval leaves. The
    features beyond the first ``top_k`` are summed into one pale bar, so that all bars
    together still add up to all attributions.

    Args:
        attributions: (n,) or (1, n): one example, one output.
        names: Of the n features; by default ``feature 0``, ``feature 1``, ...
        standard_errors: Like ``attributions``: 0 where exact, NaN where unknown (no
            line is drawn).
        confidence: Level :math:`c` of the intervals.
        degrees_of_freedom: Independent replicates minus one, for Student's t;
            ``None`` uses the normal quantile.
        top_k: How many features get a bar of their own.
        title: Title of the axes.
        label: What is measured, with its unit.
        axes: Where to draw; ``None`` makes a new figure.

    Returns:
        The figure; it is not shown, nor known to pyplot.

    Raises:
        InputError: If lengths do not agree, values are not finite, or an option is out
            of its range.

    Example:
        >>> import torch
        >>> figure = feature_bars(torch.tensor([0.1, -2.0]), names=["age", "dose"])
        >>> [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
        ['dose', 'age']
    """
    values = _one_example("attributions", as_floats("attributions", attributions))
    labels = _checked_names(names, len(values))
    if top_k < 1:
        raise InputError(f"top_k must be at least 1; got {top_k}.")
    order = np.argsort(-np.abs(values), kind="stable")
    first, others = order[:top_k], order[top_k:]
    if axes is None:
        rows = len(first) + bool(len(others))
        figure = Figure(figsize=(7.2, 1.2 + 0.34 * rows), layout="constrained")
        axes = figure.subplots()
    widths = None
    if standard_errors is not None:
        errors = as_floats("standard_errors", standard_errors, finite=False)
        widths = half_widths(
            _matching(_one_example("standard_errors", errors), values),
            confidence=confidence,
            degrees_of_freedom=degrees_of_freedom,
        )[first]
        label = f"{label}  (lines: {100 * confidence:g}% intervals)"
    _draw_bars(axes, values[first], widths)
    ticks = [labels[i] for i in first]
    if len(others):
        _draw_others(axes, len(first), float(values[others].sum()))
        ticks.append("1 other" if len(others) == 1 else f"sum of {len(others)} others")
    _dress(axes, ticks, title, label)
    return axes.figure.figure


def _one_example(name: str, values: Floats) -> Floats:
    if values.ndim == 2 and len(values) == 1:
        values = values[0]
    if values.ndim != 1:
        raise InputError(
            f"{name} must be those of one example and output, (n,) or (1, n); got "
            f"shape {values.shape}. Choose one, e.g. {name}[0]."
        )
    return values


def _matching(errors: Floats, values: Floats) -> Floats:
    if errors.shape != values.shape:
        raise InputError(
            f"standard_errors must have one per attribution, {len(values)}; got "
            f"{len(errors)}. Pass what attribute() returned beside the attributions."
        )
    return errors


def _checked_names(names: Sequence[str] | None, count: int) -> list[str]:
    if names is None:
        return [f"feature {i}" for i in range(count)]
    if len(names) != count:
        raise InputError(
            f"names must have one per attribution, {count}; got {len(names)}."
        )
    return [str(name) for name in names]


def _draw_bars(axes: Axes, values: Floats, widths: Floats | None) -> None:
    rows = np.arange(len(values))
    colours = np.where(values < 0, NEGATIVE, POSITIVE)
    axes.barh(rows, values, color=colours, height=0.72)
    if widths is not None:
        axes.errorbar(
            values, rows, xerr=widths, fmt="none", ecolor=INK, elinewidth=1.3, capsize=3
        )
    for row, value in enumerate(values):
        _print_value(axes, row, rounded(value, None if widths is None else widths[row]))


def _draw_others(axes: Axes, row: int, total: float) -> None:
    # Their joint interval would need covariances, so none is drawn.
    axes.barh(row, total, color="0.88", edgecolor="0.55", height=0.72, linewidth=0.8)
    _print_value(axes, row, rounded(total, None))


def _print_value(axes: Axes, row: int, text: str) -> None:
    axes.annotate(
        text,
        (1.02, row),
        xycoords=axes.get_yaxis_transform(),
        va="center",
        fontsize="small",
        color=INK,
        annotation_clip=False,
    )


def _dress(axes: Axes, names: list[str], title: str | None, label: str) -> None:
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_yticks(range(len(names)), labels=names)
    axes.set_ylim(len(names) - 0.4, -0.6)  # the first, and largest, on top
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel(label)
    if title:
        axes.set_title(title, wrap=True)
