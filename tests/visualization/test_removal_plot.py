"""Removal plots: each curve as it is, with its name."""

from __future__ import annotations

import pytest
import torch
from matplotlib import pyplot

from torchattr.errors import InputError
from torchattr.metrics import RemovalCurve
from torchattr.visualization import feature_bars, removal_plot

FRACTIONS = torch.tensor([0.0, 0.25, 0.5])


def curve(*scores):
    return RemovalCurve(FRACTIONS[: len(scores)], torch.tensor(scores))


def test_one_curve_needs_no_legend():
    axes = removal_plot(curve(0.9, 0.5, 0.75), label="accuracy").axes[0]
    assert axes.lines[0].get_xdata().tolist() == [0, 0.25, 0.5]
    assert axes.lines[0].get_ydata().tolist() == pytest.approx([0.9, 0.5, 0.75])
    assert axes.get_legend() is None
    assert axes.get_ylabel() == "accuracy"


def test_several_are_told_apart():
    curves = {f"seed {i}": curve(1.0, i / 10) for i in range(9)}
    axes = removal_plot(curves).axes[0]
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == list(curves)
    looks = {(line.get_color(), line.get_linestyle()) for line in axes.lines}
    assert len(looks) == 9


def test_nothing_reaches_pyplot(tmp_path):
    figure = feature_bars(FRACTIONS)
    assert removal_plot(curve(1.0), axes=figure.axes[0], title="x") is figure
    removal_plot(curve(1.0, 0.5), title="y").savefig(tmp_path / "removal.png")
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ({}, "at least one; got none"),
        ({"a": RemovalCurve(FRACTIONS, torch.ones(2))}, "'a' has scores"),
        (RemovalCurve(FRACTIONS, torch.ones(3, 4)), "Choose an output"),
        (curve(torch.nan), "1 NaN"),
    ],
)
def test_refuses(curves, message):
    with pytest.raises(InputError, match=message):
        removal_plot(curves)
