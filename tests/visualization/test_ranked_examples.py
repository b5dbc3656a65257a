"""Ranked examples: who is shown where, with which words, and in which colour."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib import pyplot
from matplotlib.figure import Figure

from torchattr.errors import InputError
from torchattr.visualization import ranked_examples
from torchattr.visualization.palette import INK, NEGATIVE, POSITIVE

SCORES = torch.tensor([0.5, -2.0, 0.0, 1.0, -3.0, np.nan])
# Image i has the brightness i / 10 everywhere.
IMAGES = (torch.arange(6.0) / 10)[:, None, None].expand(6, 4, 6)


def brightness(axes):
    return [round(float(a.images[0].get_array().mean()), 3) for a in axes if a.images]


def test_highest_above_and_lowest_below_the_outermost_first():
    figure = ranked_examples(SCORES, IMAGES, count=2)
    assert brightness(figure.axes[:2]) == [0.3, 0.0]
    assert brightness(figure.axes[2:]) == [0.4, 0.1]
    assert [axes.images[0].get_clim() for axes in figure.axes] == [(0, 1)] * 4


def test_a_row_has_one_sign_only_and_no_zero():
    figure = ranked_examples(SCORES, IMAGES, count=4)
    assert brightness(figure.axes[:4]) == [0.3, 0.0]
    assert brightness(figure.axes[4:]) == [0.4, 0.1]
    empty = figure.axes[2]
    assert not any(spine.get_visible() for spine in empty.spines.values())


@pytest.mark.parametrize("sign", [1, -1])
def test_a_row_may_be_empty(sign):
    figure = ranked_examples(sign * torch.ones(3), IMAGES, example=IMAGES[5], count=2)
    example, *rows = figure.axes
    assert brightness([example]) == [0.5]
    filled, empty = (rows[:2], rows[2:]) if sign > 0 else (rows[2:], rows[:2])
    assert len(brightness(filled)) == 2
    assert not brightness(empty)


def test_words_and_colours():
    figure = ranked_examples(
        SCORES,
        IMAGES,
        example=IMAGES[5],
        caption="a five",
        names=list("abcdef"),
        count=1,
        helpers="for",
        opponents="against",
        label="units",
        title="why",
    )
    texts = [axes.get_xlabel() for axes in figure.axes]
    assert texts == ["a five", "d\n+1", "e\n\N{MINUS SIGN}3"]
    assert [axes.xaxis.label.get_color() for axes in figure.axes] == [
        INK,
        POSITIVE,
        NEGATIVE,
    ]
    assert [axes.get_ylabel() for axes in figure.axes[1:]] == ["for", "against"]
    assert figure.subfigs[0].get_supxlabel() == "units"
    assert figure.get_suptitle() == "why"


def test_one_scale_for_the_example_and_the_others():
    figure = ranked_examples(
        SCORES, 100 * IMAGES, example=torch.full((4, 6), -10.0), count=1
    )
    assert brightness(figure.axes) == pytest.approx([0, 0.8, 1])


def test_channels_first_and_last():
    first = IMAGES[:, None].expand(6, 3, 4, 6)
    for images in (first, first.movedim(1, -1)):
        figure = ranked_examples(SCORES, images, example=images[5], count=1)
        assert [a.images[0].get_array().shape for a in figure.axes] == [(4, 6, 3)] * 3
        assert brightness(figure.axes) == [0.5, 0.3, 0.4]


def test_drawn_in_a_part_of_a_figure(tmp_path):
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, _ = figure.subfigures(1, 2)
    part = ranked_examples(SCORES, IMAGES, example=IMAGES[0], figure=left)
    assert part is figure
    figure.savefig(tmp_path / "parts.png")
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "at least 1; got 0"),
        ({"scores": torch.zeros(6)}, "all 0"),
        ({"scores": torch.zeros(2, 3)}, r"\(n,\), one for each point"),
        ({"images": IMAGES[:3]}, "images must have one.*up to 4; got 3"),
        ({"images": torch.rand(6, 64)}, r"images must be .n, H, W"),
        ({"names": ["a"]}, "each data index, up to 5; got 1"),
        ({"example": torch.rand(8, 8)}, r"like the others, \(4, 6\); got shape \(8, 8"),
    ],
)
def test_refuses(change, message):
    arguments = {"scores": SCORES, "images": IMAGES, **change}
    with pytest.raises(InputError, match=message):
        ranked_examples(**arguments)
