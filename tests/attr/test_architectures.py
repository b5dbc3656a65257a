"""Real architectures, explained in 49 segments and compared with what must hold."""

from __future__ import annotations

import captum.attr as captum
import pytest
import torch

from tests.attr.cases import Recorder, normal, seeded, segments
from torchattr import attr

models = pytest.importorskip(
    "torchvision.models", reason="needs torchattr[vision] (torchvision)"
)
SIZE = 112  # 7 x 7 patches of a ViT
MASK = segments(SIZE, SIZE // 7)
IMAGE = normal(1, 3, SIZE, SIZE)


def vision_transformer():
    """ViT-B/16 with a quarter of its depth and width: a tenth of the time."""
    model = models.VisionTransformer(
        image_size=SIZE,
        patch_size=16,
        num_layers=3,
        num_heads=3,
        hidden_dim=192,
        mlp_dim=768,
    )
    # The head of a fresh ViT is zero, and so is every class.
    torch.nn.init.normal_(model.heads.head.weight, std=0.1, generator=seeded())
    return model


@pytest.fixture(scope="module", params=[models.resnet18, vision_transformer])
def classes(request):
    """Two classes of a network with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = request.param().eval()
    yield lambda x: model(x)[:, (7, 300)]
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.peer
def test_ablation_is_captums(classes):
    rows = MASK // 21  # of segments, three of which make a feature
    ours = attr.FeatureAblation(classes).attribute(IMAGE, feature_mask=rows)
    theirs = captum.FeatureAblation(classes).attribute(IMAGE, feature_mask=rows)
    torch.testing.assert_close(ours[0], theirs, atol=1e-5, rtol=1e-3)


def test_sampled_values_of_49_segments_add_up(classes):
    forward = Recorder(classes)
    values = attr.ShapleyValueSampling(forward).attribute(
        IMAGE, baselines=0.1, feature_mask=MASK, n_samples=1
    )
    assert forward.n_rows == 48 + 2
    of_segments = values[0, :, 0, :: SIZE // 7, :: SIZE // 7]
    assert torch.equal(
        values[0], of_segments.flatten(1)[:, MASK[0]].expand(2, 3, -1, -1)
    )
    with torch.no_grad():
        whole, nothing = classes(torch.cat([IMAGE, torch.full_like(IMAGE, 0.1)]))
    torch.testing.assert_close(
        of_segments.sum((1, 2)), whole - nothing, atol=1e-5, rtol=1e-4
    )


def test_occluded_halves_are_captums(classes):
    window = (3, SIZE // 2, SIZE)
    ours = attr.Occlusion(classes).attribute(IMAGE, window, window)
    theirs = captum.Occlusion(classes).attribute(IMAGE, window, window)
    torch.testing.assert_close(ours[0], theirs, atol=1e-5, rtol=1e-3)
