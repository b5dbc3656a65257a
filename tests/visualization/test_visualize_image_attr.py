"""Captum's picture with captum's arguments, and without captum's failures."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from matplotlib import pyplot
from matplotlib.figure import Figure

from torchattr.errors import InputError
from torchattr.visualization import visualize_image_attr, visualize_image_attr_multiple

captum = pytest.importorskip("captum.attr._utils.visualization")

SIGNS = ["positive", "negative", "absolute_value", "all"]
METHODS = [
    "heat_map",
    "blended_heat_map",
    "original_image",
    "masked_image",
    "alpha_scaling",
]
RANDOM = np.random.default_rng(0)
ATTR = RANDOM.normal(size=(7, 5, 3))
IMAGE = RANDOM.random((7, 5, 3))


@pytest.fixture(autouse=True)
def nothing_reaches_pyplot():
    yield
    assert pyplot.get_fignums() == []


def drawn(axis):
    return axis.images[-1].get_array()


@pytest.mark.peer
@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("outlier_perc", [0, 2, 30, 99])
def test_scaled_as_captum_scales(sign, outlier_perc):
    arguments = {"sign": sign, "outlier_perc": outlier_perc, "use_pyplot": False}
    _, ours = visualize_image_attr(ATTR, **arguments)
    _, theirs = captum.visualize_image_attr(ATTR, **arguments)
    np.testing.assert_allclose(drawn(ours), drawn(theirs), rtol=1e-12)
    assert ours.images[0].get_clim() == theirs.images[0].get_clim()


@pytest.mark.peer
@pytest.mark.parametrize("method", METHODS)
def test_composed_as_captum_composes(method):
    arguments = {"method": method, "sign": "positive", "use_pyplot": False}
    _, ours = visualize_image_attr(ATTR, IMAGE, **arguments)
    _, theirs = captum.visualize_image_attr(ATTR, IMAGE, **arguments)
    ours, theirs = np.array(drawn(ours)), np.array(drawn(theirs))
    if method in {"original_image", "masked_image", "alpha_scaling"}:
        theirs = np.true_divide(theirs, 255)  # captum draws bytes, rounded down twice
    np.testing.assert_allclose(ours, theirs, atol=2.01 / 255)


@pytest.mark.peer
@pytest.mark.parametrize(
    "name", ["visualize_image_attr", "visualize_image_attr_multiple"]
)
def test_arguments_are_captums(name):
    ours = inspect.signature(globals()[name]).parameters
    theirs = inspect.signature(getattr(captum, name)).parameters
    assert list(ours) == list(theirs)
    different = {k for k in ours if ours[k].default != theirs[k].default}
    assert different == {"use_pyplot"}


@pytest.mark.parametrize("sign", SIGNS)
def test_default_colours_keep_captums_meaning(sign):
    _, axis = visualize_image_attr(ATTR, sign=sign)
    expected = dict(zip(SIGNS, ["Greens", "Reds", "Blues", "PRGn"], strict=True))
    assert axis.images[0].get_cmap().name == expected[sign]


@pytest.mark.parametrize("attr", [torch.tensor(ATTR), torch.tensor(ATTR).half(), ATTR])
def test_tensors_and_arrays_are_drawn_alike(attr):
    _, axis = visualize_image_attr(attr, torch.tensor(IMAGE), sign="all")
    _, expected = visualize_image_attr(np.asarray(attr, dtype=float), sign="all")
    np.testing.assert_allclose(drawn(axis), drawn(expected))


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("attr", [np.zeros((4, 4)), np.full((4, 4), 1e-300)])
def test_attributions_of_nothing_are_drawn(sign, attr):
    _, axis = visualize_image_attr(attr, sign=sign)
    assert np.isfinite(drawn(axis)).all()
    assert attr.any() or not drawn(axis).any()


def test_a_sign_that_does_not_occur_is_an_empty_picture():
    _, axis = visualize_image_attr(-np.abs(ATTR), sign="positive")
    assert not drawn(axis).any()


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (IMAGE, IMAGE),
        ((IMAGE * 255).astype(np.uint8), np.floor(IMAGE * 255) / 255),
        (IMAGE * 255, IMAGE),
        (torch.tensor(IMAGE).movedim(-1, 0), IMAGE),
        (IMAGE * 3 - 2, (IMAGE - IMAGE.min()) / np.ptp(IMAGE)),
        (np.full((7, 5), 1, dtype=np.uint8), np.full((7, 5, 3), 1 / 255)),
        (IMAGE[..., 0], np.repeat(IMAGE[..., :1], 3, axis=2)),
        (np.full((7, 5), -3.0), np.zeros((7, 5, 3))),
    ],
)
def test_images_of_any_range_and_layout(image, expected):
    _, axis = visualize_image_attr(ATTR, image, "original_image")
    np.testing.assert_allclose(drawn(axis), expected, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 1), (7, 5, 4), (7, 5, 2)])
def test_every_method_takes_every_number_of_channels(method, shape):
    figure, _ = visualize_image_attr(ATTR[..., 0], np.ones(shape), method, "positive")
    figure.canvas.draw()


def test_the_original_image_needs_no_attributions():
    _, axis = visualize_image_attr(None, IMAGE, "original_image")
    np.testing.assert_allclose(drawn(axis), IMAGE)


def test_drawn_on_given_axes_with_title():
    figure = Figure()
    axis = figure.subplots()
    result = visualize_image_attr(ATTR, plt_fig_axis=(figure, axis), title="seven")
    assert result == (figure, axis)
    assert axis.get_title() == "seven"


def test_the_blended_map_is_as_opaque_as_asked():
    _, axis = visualize_image_attr(
        ATTR, IMAGE, "blended_heat_map", alpha_overlay=0.3, cmap="viridis"
    )
    gray, colours = axis.images
    assert (gray.get_cmap().name, colours.get_cmap().name) == ("gray", "viridis")
    assert (gray.get_alpha(), colours.get_alpha()) == (None, 0.3)


def test_pictures_align_with_and_without_a_colour_bar():
    figure, axes = visualize_image_attr_multiple(
        ATTR,
        IMAGE,
        ["original_image", "heat_map", "masked_image"],
        ["all", "all", "positive"],
        ["a", "b", "c"],
        show_colorbar=True,
    )
    figure.canvas.draw()
    bottoms = [axis.get_position().y0 for axis in axes]
    np.testing.assert_allclose(bottoms, bottoms[0], atol=1e-3)
    assert [axis.get_title() for axis in axes] == ["a", "b", "c"]


def test_one_picture_gives_its_axes_alone():
    figure, axis = visualize_image_attr_multiple(ATTR, None, ["heat_map"], ["all"])
    assert figure.axes == [axis]


def test_pyplot_knows_the_figure_on_request(monkeypatch):
    monkeypatch.setattr(pyplot, "show", lambda: pytest.fail("shown"))
    pyplot.switch_backend("agg")
    figure, _ = visualize_image_attr(ATTR, use_pyplot=True)
    known = pyplot.get_fignums() == [figure.number]
    pyplot.close(figure)
    assert known


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((ATTR, None, "masked_image"), "original_image is None"),
        ((ATTR, IMAGE, "masked_image", "all"), "cannot show both signs"),
        ((ATTR, IMAGE, "alpha_scaling", "all"), "cannot show both signs"),
        ((ATTR, IMAGE, "glow"), "method must be one of .*; got 'glow'"),
        ((ATTR, IMAGE, "heat_map", "both"), "sign must be .*; got 'both'"),
        ((ATTR, IMAGE[:3]), r"original_image must have .* \(7, 5\)"),
        ((ATTR[None],), r"attr\[0\].permute\(1, 2, 0\)"),
        ((ATTR, None, "heat_map", "all", None, 101), "outlier_perc must lie"),
        ((None,), "attr is None"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(InputError, match=message):
        visualize_image_attr(*arguments)


@pytest.mark.parametrize(
    ("methods", "signs", "titles"),
    [([], [], None), (["heat_map"], [], None), (["heat_map"], ["all"], ["a", "b"])],
)
def test_refuses_sequences_that_do_not_match(methods, signs, titles):
    with pytest.raises(InputError, match="one entry per picture"):
        visualize_image_attr_multiple(ATTR, IMAGE, methods, signs, titles)
