"""Heat maps: units, limits, what is hatched, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib import pyplot
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch

from torchattr.errors import InputError
from torchattr.visualization import image_heatmap

SHAPES = [(6, 5), (1, 6, 5), (3, 6, 5), (1, 3, 6, 5)]


@pytest.fixture
def attributions():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 6, 5, generator=generator, dtype=torch.float64)


def colours(figure):
    return figure.axes[0].images[0]


def hatched(figure):
    """Mask of the pixels whose centre lies in the hatched patch."""
    height, width = colours(figure).get_array().shape
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    (patch,) = [p for p in figure.axes[0].patches if isinstance(p, PathPatch)]
    mask = np.zeros((height, width), dtype=bool)
    for rectangle in np.split(patch.get_path().vertices, len(patch.get_path()) // 5):
        low, high = rectangle.min(axis=0), rectangle.max(axis=0)
        mask |= ((grid > low) & (grid < high)).all(axis=-1)
    return mask


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["float32", "bfloat16", "int64", "numpy"])
def test_a_pixel_shows_the_sum_of_its_channels(shape, kind):
    values = torch.arange(np.prod(shape)).reshape(shape) % 7 - 3
    given = values.numpy() if kind == "numpy" else values.to(getattr(torch, kind))
    drawn = colours(image_heatmap(given)).get_array()
    assert drawn.tolist() == values.reshape(-1, 6, 5).sum(0).tolist()


def test_the_input_is_neither_changed_nor_needs_to_be_detached(attributions):
    kept = attributions.clone()
    image_heatmap(attributions.requires_grad_())
    assert torch.equal(attributions.detach(), kept)


def test_limits_are_symmetric_at_the_percentile(attributions):
    image = colours(image_heatmap(attributions, percentile=80))
    expected = np.percentile(attributions.sum(0).abs().numpy(), 80)
    np.testing.assert_allclose(image.get_clim(), (-expected, expected))


def test_zero_is_white_and_positive_red():
    image = colours(image_heatmap(torch.tensor([[1.0, 0.0, -1.0]])))
    red, white, blue = image.to_rgba(image.get_array())[0, :, :3]
    assert white.min() > 0.95
    assert red[0] > red[2]
    assert blue[2] > blue[0]


def test_a_pointed_colour_bar_says_that_values_are_clipped(attributions):
    clipped = image_heatmap(attributions, percentile=50)
    whole = image_heatmap(attributions, percentile=100)
    assert colours(clipped).colorbar.extend == "both"
    assert colours(whole).colorbar.extend == "neither"


def test_given_limit_is_used(attributions):
    assert colours(image_heatmap(attributions, limit=2.5)).get_clim() == (-2.5, 2.5)


def test_sparse_and_zero_attributions_have_limits():
    sparse = torch.zeros(40, 40)
    sparse[0, 0] = 3.0
    assert colours(image_heatmap(sparse)).get_clim() == (-3.0, 3.0)
    assert colours(image_heatmap(torch.zeros(4, 4))).get_clim() == (-1.0, 1.0)


def test_a_group_is_counted_once_per_pixel():
    mask = torch.tensor([[0, 0, 1], [0, 0, 1]])
    values = torch.tensor([2.0, -1.0])[mask].expand(1, 3, -1, -1)
    drawn = colours(image_heatmap(values, feature_mask=mask)).get_array()
    assert drawn.tolist() == [[2, 2, -1], [2, 2, -1]]


def test_two_players_in_a_pixel_are_both_counted():
    mask = torch.tensor([0, 0, 1]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2)
    values = torch.tensor([5.0, 0.5])[mask]
    drawn = colours(image_heatmap(values, feature_mask=mask)).get_array()
    np.testing.assert_allclose(drawn, 5.5)


def test_borders_run_between_players_only():
    mask = torch.tensor([[0, 0, 1], [0, 0, 1]])
    figure = image_heatmap(torch.ones(2, 3), feature_mask=mask)
    lines = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
    pieces = {tuple(map(tuple, piece)) for piece in lines[0].get_segments()}
    assert pieces == {((1.5, -0.5), (1.5, 0.5)), ((1.5, 0.5), (1.5, 1.5))}


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [(None, [True, False, False]), (4, [True, True, False])],
)
def test_hatched_where_the_interval_has_both_signs(degrees, expected):
    values = torch.tensor([[1.9, 2.0, -3.0]])  # the quantiles are 1.96 and 2.78
    figure = image_heatmap(
        values, standard_errors=torch.ones(1, 3), degrees_of_freedom=degrees
    )
    assert hatched(figure).tolist() == [expected]
    assert figure.axes[0].get_xlabel() == "hatched: sign uncertain at 95%"


def test_exact_values_are_not_hatched_and_unknown_errors_are():
    errors = torch.tensor([[0.0, 0.0, torch.nan]])
    figure = image_heatmap(torch.tensor([[1e-9, 0.0, 9.0]]), standard_errors=errors)
    assert hatched(figure).tolist() == [[False, False, True]]


def test_no_patch_when_every_sign_is_certain():
    figure = image_heatmap(torch.ones(2, 2), standard_errors=torch.zeros(2, 2))
    assert not figure.axes[0].patches


def test_errors_of_a_groups_channels_are_counted_once():
    mask = torch.zeros(2, 2, dtype=torch.long)
    values = torch.full((3, 2, 2), 2.5)
    figure = image_heatmap(
        values, feature_mask=mask, standard_errors=torch.ones(3, 2, 2)
    )
    assert not figure.axes[0].patches


@pytest.mark.parametrize("overlay", ["shade", "outline"])
@pytest.mark.parametrize("shape", [(6, 5), (3, 6, 5), (1, 1, 6, 5), (6, 5, 3)])
def test_the_image_leaves_values_and_frame_alone(attributions, shape, overlay):
    image = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    alone = image_heatmap(attributions)
    with_image = image_heatmap(attributions, image, overlay=overlay)
    assert (colours(alone).get_array() == colours(with_image).get_array()).all()
    assert with_image.axes[0].get_xlim() == alone.axes[0].get_xlim()
    assert with_image.axes[0].get_ylim() == alone.axes[0].get_ylim()


def test_the_outline_follows_the_bright_part():
    image = torch.zeros(9, 9)
    image[3:6, 3:6] = 1.0
    figure = image_heatmap(torch.zeros(9, 9), image, overlay="outline")
    (path,) = figure.axes[0].collections[0].get_paths()
    middle = (path.vertices.min(axis=0) + path.vertices.max(axis=0)) / 2
    np.testing.assert_allclose(middle, 4.0, atol=0.05)
    np.testing.assert_allclose(np.ptp(path.vertices, axis=0), 3.0, atol=0.5)


def test_a_flat_image_has_no_outline():
    figure = image_heatmap(torch.ones(3, 3), torch.ones(3, 3), overlay="outline")
    assert not figure.axes[0].collections


def test_title_label_and_shared_axes(attributions):
    figure = Figure()
    left, _ = figure.subplots(1, 2)
    drawn = image_heatmap(attributions, title="seven", label="logit", axes=left)
    assert drawn is figure
    assert left.get_title() == "seven"
    assert colours(drawn).colorbar.ax.get_ylabel() == "logit"


def test_nothing_reaches_pyplot(attributions, tmp_path):
    image_heatmap(attributions).savefig(tmp_path / "map.png")
    assert pyplot.get_fignums() == []
    assert (tmp_path / "map.png").stat().st_size > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attributions": torch.zeros(2, 3, 6, 5)}, r"one image.*\(2, 3, 6, 5\)"),
        ({"attributions": torch.zeros(0, 5)}, "attributions is empty"),
        ({"attributions": [[1.0]]}, "torch.Tensor or a numpy array; got list"),
        ({"attributions": torch.full((6, 5), torch.nan)}, "30 NaN or infinite"),
        ({"attributions": torch.zeros(6, 5, dtype=torch.cfloat)}, "real numbers"),
        ({"image": torch.zeros(3, 5, 6)}, r"\(6, 5\) of the attributions; got shape"),
        ({"feature_mask": torch.zeros(2, 6, 5)}, "feature_mask must broadcast"),
        ({"feature_mask": torch.full((6, 5), 0.5)}, "whole numbers"),
        ({"standard_errors": torch.zeros(6, 5)}, "standard_errors must have"),
        ({"standard_errors": -torch.ones(3, 6, 5)}, "must not be negative; got -1"),
        ({"standard_errors": torch.ones(3, 6, 5), "confidence": 95}, "0.95 for 95%"),
        (
            {"standard_errors": torch.ones(3, 6, 5), "degrees_of_freedom": 0},
            "degrees_of_freedom must be positive; got 0",
        ),
        ({"percentile": 0}, "percentile must lie above 0"),
        ({"limit": 0.0}, "limit must be positive"),
        ({"image": torch.rand(6, 5), "overlay": "blend"}, '"shade" or "outline"'),
    ],
)
def test_refuses(attributions, change, message):
    arguments = {"attributions": attributions, **change}
    with pytest.raises(InputError, match=message):
        image_heatmap(arguments.pop("attributions"), **arguments)
