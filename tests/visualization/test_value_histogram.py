"""Histograms: every point is counted once, in its colour."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib import pyplot
from matplotlib.colors import to_hex

from tests.metrics.results import SortedResult
from torchattr.errors import InputError
from torchattr.visualization import feature_bars, value_histogram
from torchattr.visualization.palette import MARKED
from torchattr.visualization.value_histogram import MOST_BINS

VALUES = torch.tensor([0.0, 0.1, 0.1, 1.0, 0.9], dtype=torch.float64)


def heights(figure):
    return [
        [bar.get_height() for bar in container]
        for container in figure.axes[0].containers
    ]


@pytest.mark.parametrize("kind", ["tensor", "numpy", "result"])
def test_counts(kind):
    given = {
        "tensor": VALUES,
        "numpy": VALUES.numpy(),
        "result": SortedResult(VALUES.numpy()).sorted(),
    }[kind]
    assert heights(value_histogram(given, bins=2)) == [[3, 2]]


def test_marked_points_are_stacked_on_the_others():
    marked = torch.tensor([True, False, True, True, False])
    figure = value_histogram(VALUES, marked=marked, marked_label="flipped", bins=2)
    assert heights(figure) == [[1, 1], [2, 1]]
    assert to_hex(figure.axes[0].containers[1][0].get_facecolor()) == MARKED
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["others", "flipped (3)"]


def test_marks_follow_the_data_index_of_a_result():
    marked = np.array([False, False, False, False, True])
    result = SortedResult(VALUES.numpy()).sorted(reverse=True)
    assert heights(value_histogram(result, marked=marked, bins=2)) == [[3, 1], [0, 1]]


@pytest.mark.parametrize("n", [1, 2, 100, 10_000])
def test_bars_count_every_point_and_stay_wide_enough(n):
    values = torch.randn(n, generator=torch.Generator().manual_seed(0))
    values[0] = 1e3  # an outlier asks for many bars
    (bars,) = heights(value_histogram(values))
    assert sum(bars) == n
    assert len(bars) <= MOST_BINS


def test_points_without_a_value_are_counted_below():
    figure = value_histogram(torch.tensor([0.0, np.nan, 1.0]), bins=1)
    assert heights(figure) == [[2]]
    assert "1 without a value left out" in figure.axes[0].get_xlabel()


def test_nothing_reaches_pyplot(tmp_path):
    figure = feature_bars(VALUES)
    assert value_histogram(VALUES, axes=figure.axes[0], title="x") is figure
    value_histogram(VALUES, title="y").savefig(tmp_path / "histogram.png")
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bins": 0}, "bins must be at least 1; got 0"),
        ({"values": torch.zeros(2, 2)}, "one for each point"),
        ({"marked": [True]}, "up to 4; got 1"),
    ],
)
def test_refuses(change, message):
    arguments = {"values": VALUES, **change}
    with pytest.raises(InputError, match=message):
        value_histogram(arguments.pop("values"), **arguments)
