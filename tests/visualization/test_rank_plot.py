"""Rank plots: order, intervals, the two ends, and what is pointed out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib import pyplot
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from scipy.stats import norm, t

from tests.metrics.results import SortedResult
from torchattr.errors import InputError
from torchattr.valuation import ValuationResult
from torchattr.visualization import rank_plot
from torchattr.visualization.palette import INK, MARKED
from torchattr.visualization.rank_plot import SINGLE_POINTS

VALUES = torch.tensor([0.5, -2.0, 0.0, 1.0, 3.0], dtype=torch.float64)


def curve(figure):
    return figure.axes[-1]


def drawn(figure):
    return curve(figure).lines[0].get_ydata().tolist()


def verticals(figure, which=0):
    segments = curve(figure).collections[which].get_segments()
    return np.array([segment[:, 1] for segment in segments])


@pytest.mark.parametrize("kind", ["tensor", "numpy", "float32", "sorted result"])
def test_values_rise_with_their_rank(kind):
    given = {
        "tensor": VALUES,
        "numpy": VALUES.numpy(),
        "float32": VALUES.float().requires_grad_(),
        "sorted result": SortedResult(VALUES.numpy()).sorted(reverse=True),
    }[kind]
    assert drawn(rank_plot(given)) == [-2, 0, 0.5, 1, 3]


@pytest.mark.parametrize(
    ("replicates", "quantile"),
    [([5, 3, 9], t.ppf(0.975, 2)), ([5, 1, 9], norm.ppf(0.975))],
)
def test_intervals_know_of_few_replicates(replicates, quantile):
    values, errors = np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3])
    result = ValuationResult(
        values=values, stderr=errors, counts=replicates, replicates=replicates
    )
    expected = np.stack([values - quantile * errors, values + quantile * errors], 1)
    np.testing.assert_allclose(verticals(rank_plot(result)), expected)


@pytest.mark.parametrize("as_result", [False, True])
def test_intervals_go_with_their_values(as_result):
    errors = torch.tensor([0.1, 0.2, 0.3, np.nan, 0.0])
    if as_result:
        result = SortedResult(VALUES.numpy(), stderr=errors.numpy())
        figure = rank_plot(result.sorted(reverse=True))
    else:
        figure = rank_plot(VALUES, standard_errors=errors)
    half = norm.ppf(0.975) * np.array([0.2, 0.3, 0.1, 0, 0])
    middle = np.array([-2, 0, 0.5, 1, 3])
    expected = np.stack([middle - half, middle + half], axis=1)
    np.testing.assert_allclose(verticals(figure), expected, rtol=1e-6)
    assert "95% intervals" in curve(figure).get_ylabel()


def test_many_points_have_a_band_at_the_same_quantile():
    n = SINGLE_POINTS + 1
    figure = rank_plot(
        torch.zeros(n), standard_errors=torch.ones(n), confidence=0.9, extremes=0
    )
    (band,) = curve(figure).collections
    assert isinstance(band, PolyCollection)
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(norm.ppf(0.95))
    assert heights.min() == pytest.approx(-norm.ppf(0.95))


def test_both_ends_by_name_the_outermost_first():
    figure = rank_plot(VALUES, names=list("abcde"), extremes=2)
    lowest, highest, _ = figure.axes
    assert [tick.get_text() for tick in lowest.get_yticklabels()] == ["b", "c"]
    assert [tick.get_text() for tick in highest.get_yticklabels()] == ["e", "d"]
    assert lowest.get_ylim()[0] > lowest.get_ylim()[1]
    assert lowest.get_title() == "lowest 2"


def test_no_point_is_at_both_ends():
    lowest, highest, _ = rank_plot(VALUES).axes
    assert len(lowest.get_yticklabels()) == len(highest.get_yticklabels()) == 2


def test_a_single_point_has_no_ends():
    assert len(rank_plot(torch.ones(1)).axes) == 1


@pytest.mark.parametrize("layout", ["gray", "first", "last", "two channels"])
def test_thumbnails_are_those_of_the_points(layout):
    # Image i has the brightness i / 5 everywhere.
    shape = {
        "gray": (5, 4, 6),
        "first": (5, 3, 4, 6),
        "last": (5, 4, 6, 3),
        "two channels": (5, 2, 4, 6),
    }[layout]
    images = (torch.arange(5.0) / 5).reshape(5, *[1] * (len(shape) - 1)).expand(shape)
    figure = rank_plot(VALUES, images=images, extremes=2)
    *thumbnails, _ = figure.axes
    shown = [axes.images[0].get_array() for axes in thumbnails]
    assert {picture.shape[:2] for picture in shown} == {(4, 6)}
    assert [p.mean() for p in shown] == pytest.approx([0.2, 0.4, 0.8, 0.6])
    assert [axes.images[0].get_clim() for axes in thumbnails] == [(0, 1)] * 4


@pytest.mark.parametrize(
    ("images", "means"),
    [
        (torch.tensor([0, 51, 102, 153, 255]).byte(), [0.2, 0.4, 1, 0.6]),
        (torch.tensor([0.0, 4, 6, 10, 16]), [0, 1 / 6, 1, 0.5]),
        (torch.tensor([-9.0, -1, 0, 0.5, 3]), [0, 0.25, 1, 0.375]),
        (torch.full((5,), 7.0), [0, 0, 0, 0]),
    ],
)
def test_brightness_has_one_scale(images, means):
    figure = rank_plot(VALUES, images=images[:, None, None].expand(5, 2, 2), extremes=2)
    shown = [axes.images[0].get_array().mean() for axes in figure.axes[:-1]]
    assert shown == pytest.approx(means)


def test_captions_name_value_and_interval():
    errors = torch.tensor([0.1, 0.2, 0.3, np.nan, 0.0]) / norm.ppf(0.975)
    figure = rank_plot(
        VALUES, standard_errors=errors, images=torch.rand(5, 2, 2), extremes=2
    )
    assert [axes.get_xlabel() for axes in figure.axes[:-1]] == [
        "1\n\N{MINUS SIGN}2.00\n± 0.20",
        "2\n+0.00\n± 0.30",
        "4\n+3\nexact",
        "3\n+1",
    ]


def test_marked_points_stand_out_everywhere():
    marked = [False, True, False, True, False]
    figure = rank_plot(
        VALUES, marked=marked, marked_label="flipped", images=torch.rand(5, 2, 2)
    )
    colours = [axes.xaxis.label.get_color() for axes in figure.axes[:-1]]
    assert colours == [MARKED, INK, INK, MARKED]
    dots = curve(figure).collections[-1]
    assert dots.get_offsets().tolist() == [[1, -2], [4, 1]]
    assert to_hex(dots.get_facecolor()[0]) == MARKED
    (text,) = curve(figure).get_legend().get_texts()
    assert text.get_text() == "flipped (2)"


def test_many_marked_points_leave_the_curve_visible():
    n = 10_000
    marked = torch.arange(n) % 10 == 0
    figure = rank_plot(torch.linspace(-1, 1, n), marked=marked, extremes=0)
    (strokes,) = curve(figure).collections
    assert len(strokes.get_segments()) == 1000
    (text,) = curve(figure).get_legend().get_texts()
    assert text.get_text() == "marked (1,000)"
    low, high = curve(figure).get_ylim()
    assert low + 0.1 * (high - low) < -1, "the strokes lie below the curve"


def test_names_images_and_marks_are_found_by_data_index():
    result = SortedResult([3.0, 1.0], indices=[4, 2], names=["four", "two"])
    images = (torch.arange(5.0) / 5)[:, None, None].expand(5, 2, 2)
    marked = np.array([False, False, True, False, False])
    figure = rank_plot(result, images=images, marked=marked)
    low, high, _ = figure.axes
    assert low.get_xlabel().startswith("two")
    assert low.images[0].get_array().mean() == pytest.approx(0.4)
    assert [a.xaxis.label.get_color() for a in (low, high)] == [MARKED, INK]
    assert rank_plot(result, names=list("abcde")).axes[0].get_yticklabels()[
        0
    ].get_text() == ("c")


def test_long_names_are_cut():
    figure = rank_plot(VALUES, names=["x" * 100] * 5)
    (text, *_) = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert len(text) == 32
    assert text.endswith("x…")


def test_points_without_a_value_are_left_out_and_counted():
    values = torch.tensor([1.0, np.nan, 0.0])
    figure = rank_plot(values, standard_errors=torch.tensor([0.5, np.nan, 0.1]))
    assert drawn(figure) == [0, 1]
    half = norm.ppf(0.975) * np.array([0.1, 0.5])
    np.testing.assert_allclose(verticals(figure)[:, 1], half + np.arange(2), rtol=1e-6)
    assert "1 without a value left out" in curve(figure).get_xlabel()


def test_nothing_reaches_pyplot(tmp_path):
    rank_plot(VALUES, images=torch.rand(5, 3, 4, 4)).savefig(tmp_path / "ranks.png")
    assert pyplot.get_fignums() == []


def test_drawn_in_a_part_of_a_figure(tmp_path):
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, _ = figure.subfigures(1, 2)
    assert rank_plot(VALUES, figure=left, images=torch.rand(5, 4, 4)) is figure
    figure.savefig(tmp_path / "parts.png")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": torch.zeros(2, 4)}, r"\(n,\), one for each point.*\(2, 4\)"),
        ({"values": torch.tensor(1.0)}, r"got shape \(\)"),
        ({"values": torch.tensor([0.0, torch.inf])}, "1 infinite of 2"),
        ({"values": torch.tensor([np.nan])}, "must not all be NaN"),
        ({"values": torch.ones(0)}, "empty"),
        ({"standard_errors": torch.zeros(3)}, r"one for each value.*\(3,\)"),
        ({"standard_errors": -torch.ones(5)}, "must not be negative"),
        (
            {"standard_errors": VALUES.abs(), "confidence": 95},
            "between 0 and 1; got 95",
        ),
        ({"names": ["a"]}, "each data index, up to 4; got 1"),
        ({"marked": [1, 3]}, "mask of booleans"),
        ({"marked": [True]}, "each data index, up to 4; got 1"),
        ({"images": torch.rand(5, 64)}, r"images must be .n, H, W.*\(5, 64\)"),
        ({"images": torch.rand(4, 8, 8)}, "images must have one.*up to 4; got 4"),
        ({"extremes": -1}, "must not be negative; got -1"),
    ],
)
def test_refuses(change, message):
    arguments = {"values": VALUES, **change}
    with pytest.raises(InputError, match=message):
        rank_plot(arguments.pop("values"), **arguments)


def test_refuses_what_has_no_values():
    with pytest.raises(InputError, match=r"torch\.Tensor or a numpy array; got list"):
        rank_plot([1.0, 2.0])
