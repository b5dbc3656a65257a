"""Bars: order, signs, intervals, and that they add up."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot
from matplotlib.colors import to_hex
from scipy.stats import t

from torchattr.errors import InputError
from torchattr.visualization import feature_bars
from torchattr.visualization.palette import NEGATIVE, POSITIVE

VALUES = torch.tensor([0.5, -2.0, 0.0, 1.0], dtype=torch.float64)


def widths(figure):
    return np.array([bar.get_width() for bar in figure.axes[0].patches])


def intervals(figure):
    (container,) = [
        c for c in figure.axes[0].containers if c.get_label().startswith("_")
    ][-1:]
    return np.array([s[:, 0] for s in container.lines[2][0].get_segments()])


def names(figure):
    return [tick.get_text() for tick in figure.axes[0].get_yticklabels()]


def printed(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("kind", ["tensor", "row", "numpy"])
def test_sorted_by_size_with_names_along(kind):
    given = {"tensor": VALUES, "row": VALUES[None], "numpy": VALUES.numpy()}[kind]
    figure = feature_bars(given, names=list("abcd"))
    assert names(figure) == ["b", "d", "a", "c"]
    assert widths(figure).tolist() == [-2.0, 1.0, 0.5, 0.0]


def test_the_largest_is_on_top():
    low, high = feature_bars(VALUES).axes[0].get_ylim()
    assert low > high


def test_colours_are_the_signs():
    bars = feature_bars(VALUES).axes[0].patches
    assert [to_hex(bar.get_facecolor()) for bar in bars[:2]] == [NEGATIVE, POSITIVE]


def test_intervals_are_at_the_t_quantile():
    figure = feature_bars(
        VALUES, standard_errors=torch.full((4,), 0.1), degrees_of_freedom=4
    )
    half = t.ppf(0.975, 4) * 0.1
    expected = np.array([-2.0, 1.0, 0.5, 0.0])[:, None] + [[-half, half]]
    np.testing.assert_allclose(intervals(figure), expected, rtol=1e-6)
    assert figure.axes[0].get_xlabel() == "attribution  (lines: 95% intervals)"


def test_intervals_go_with_their_own_feature():
    errors = torch.tensor([0.1, 0.2, 0.3, 0.4])
    drawn = intervals(feature_bars(VALUES, standard_errors=errors, confidence=0.5))
    ratio = np.ptp(drawn, axis=1) / np.ptp(drawn, axis=1)[0]
    np.testing.assert_allclose(ratio, [1.0, 2.0, 0.5, 1.5], rtol=1e-6)


def test_printed_to_the_digits_of_the_interval():
    errors = torch.tensor([0.01, 0.0, torch.nan, 5.0])
    figure = feature_bars(VALUES * 100, standard_errors=errors)
    minus = "\N{MINUS SIGN}"
    assert printed(figure) == [
        f"{minus}200 exact",
        "+100.0 ± 9.8",
        "+50.000 ± 0.020",
        "+0",
    ]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), st.integers(1, 12))
def test_bars_add_up_to_all_attributions(values, top_k):
    figure = feature_bars(np.array(values), top_k=top_k)
    assert len(widths(figure)) == min(len(values), top_k) + (len(values) > top_k)
    np.testing.assert_allclose(widths(figure).sum(), sum(values), atol=1e-9)


def test_the_others_are_named_also_when_one_is_the_first():
    figure = feature_bars(torch.tensor([0.0, 1.0]), top_k=1)
    assert names(figure) == ["feature 1", "1 other"]


def test_nothing_reaches_pyplot(tmp_path):
    feature_bars(VALUES, standard_errors=VALUES.abs()).savefig(tmp_path / "bars.png")
    assert pyplot.get_fignums() == []


def test_drawn_on_given_axes():
    figure = feature_bars(VALUES)
    assert feature_bars(VALUES, axes=figure.axes[0], title="x") is figure
    assert figure.axes[0].get_title() == "x"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attributions": torch.zeros(2, 4)}, r"one example and output.*\(2, 4\)"),
        ({"names": ["a"]}, "one per attribution, 4; got 1"),
        ({"standard_errors": torch.zeros(3)}, "one per attribution, 4; got 3"),
        ({"top_k": 0}, "top_k must be at least 1; got 0"),
        ({"attributions": torch.tensor([torch.inf])}, "1 NaN or infinite of 1"),
        ({"standard_errors": torch.ones(4), "confidence": 1.0}, "between 0 and 1"),
    ],
)
def test_refuses(change, message):
    arguments = {"attributions": VALUES, **change}
    with pytest.raises(InputError, match=message):
        feature_bars(arguments.pop("attributions"), **arguments)
