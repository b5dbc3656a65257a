"""Captum's own wrappers take our classes."""

from __future__ import annotations

import captum.attr as captum
import pytest
import torch
from captum.attr._core import dataloader_attr
from captum.attr._core.neuron import neuron_feature_ablation
from captum.metrics import infidelity, sensitivity_max
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tests.attr.cases import IMAGES, TABULAR, convolution, mlp, normal, segments
from torchattr import attr

pytestmark = pytest.mark.peer
by_batch = pytest.mark.parametrize("perturbations_per_eval", [1, 3])


def both(make, **arguments):
    """Our answer, and captum's, from the same random state."""
    answers = []
    for library in (attr, captum):
        torch.manual_seed(3)
        answers.append(make(library).attribute(**arguments))
    return answers


@pytest.mark.parametrize("nt_type", ["smoothgrad", "smoothgrad_sq", "vargrad"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("FeatureAblation", {}),
        ("FeaturePermutation", {}),
        ("Occlusion", {"sliding_window_shapes": (2,)}),
        ("ShapleyValueSampling", {"n_samples": 2}),
        ("ShapleyValues", {}),
    ],
)
def test_noise_tunnel(nt_type, name, options):
    ours, theirs = both(
        lambda library: captum.NoiseTunnel(getattr(library, name)(mlp())),
        inputs=TABULAR,
        nt_type=nt_type,
        nt_samples=4,
        nt_samples_batch_size=2,
        target=1,
        **options,
    )
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_noise_tunnel_over_a_tuple():
    ours, theirs = both(
        lambda library: captum.NoiseTunnel(
            library.FeatureAblation(lambda a, b: a.sum(1) * b[:, 0])
        ),
        inputs=(TABULAR, TABULAR[:, :2]),
        nt_samples=3,
    )
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


class LayerAblation(captum.LayerFeatureAblation):
    @property
    def attributor(self):
        return attr.FeatureAblation


class LayerPermutation(captum.LayerFeaturePermutation):
    @property
    def attributor(self):
        return attr.FeaturePermutation


def layered(*, inplace):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Linear(5, 6),
            nn.SiLU(inplace=inplace),
            nn.Linear(6, 4),
            nn.Hardswish(inplace=inplace),
            nn.Linear(4, 3),
        )


@by_batch
@pytest.mark.parametrize("inplace", [True, False])
@pytest.mark.parametrize("layer", [0, 1, 2, 3])
def test_layer_ablation(perturbations_per_eval, inplace, layer):
    model = layered(inplace=inplace)
    plain = layered(inplace=False)
    expected = captum.LayerFeatureAblation(plain, plain[layer]).attribute(
        TABULAR, target=1
    )
    found = LayerAblation(model, model[layer]).attribute(
        TABULAR, target=1, perturbations_per_eval=perturbations_per_eval
    )
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert not any(module._forward_hooks for module in model.modules())


@by_batch
@pytest.mark.parametrize("rows", [1, 4])
def test_layer_ablation_of_a_layers_input(perturbations_per_eval, rows):
    model, options = layered(inplace=False), {"attribute_to_layer_input": True}
    x = TABULAR[:rows]
    expected = captum.LayerFeatureAblation(model, model[2]).attribute(
        x, target=2, layer_baselines=0.2, **options
    )
    found = LayerAblation(model, model[2]).attribute(
        x,
        target=2,
        layer_baselines=0.2,
        perturbations_per_eval=perturbations_per_eval,
        **options,
    )
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_layer_ablation_of_groups_of_channels():
    model = convolution()
    mask = torch.arange(4).reshape(1, 4, 1, 1) // 2
    options = {"target": 1, "layer_mask": mask, "perturbations_per_eval": 2}
    expected = captum.LayerFeatureAblation(model, model[0]).attribute(IMAGES, **options)
    found = LayerAblation(model, model[0]).attribute(IMAGES, **options)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@by_batch
def test_layer_permutation(perturbations_per_eval):
    model, answers = layered(inplace=False), []
    for wrapper in (LayerPermutation, captum.LayerFeaturePermutation):
        torch.manual_seed(3)
        answers.append(
            wrapper(model, model[2]).attribute(
                TABULAR,
                additional_forward_args=None,
                perturbations_per_eval=perturbations_per_eval,
            )
        )
    ours, theirs = answers
    torch.testing.assert_close(ours.reshape(theirs.shape), theirs, atol=1e-5, rtol=1e-4)


@by_batch
def test_neuron_ablation(monkeypatch, perturbations_per_eval):
    model = convolution()
    arguments = {
        "inputs": IMAGES,
        "neuron_selector": (1, 2, 3),
        "feature_mask": segments(side=2),
        "perturbations_per_eval": perturbations_per_eval,
    }
    expected = captum.NeuronFeatureAblation(model, model[0]).attribute(**arguments)
    monkeypatch.setattr(
        neuron_feature_ablation, "FeatureAblation", attr.FeatureAblation
    )
    found = captum.NeuronFeatureAblation(model, model[0]).attribute(**arguments)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("perturbations_per_pass", [1, 2, 16])
def test_data_loader_attribution(monkeypatch, perturbations_per_pass):
    # Captum allows classes by name; given ours, it needs nothing else of them.
    allowed = {attr.FeatureAblation: None, captum.FeatureAblation: None}
    monkeypatch.setattr(dataloader_attr, "SUPPORTED_METHODS", allowed)
    data = DataLoader(TensorDataset(normal(10, 3), normal(10, 2, seed=1)), batch_size=4)
    ours, theirs = both(
        lambda library: captum.DataLoaderAttribution(
            library.FeatureAblation(lambda a, b: a.sum(1) * b.prod(1))
        ),
        dataloader=data,
        reduce=lambda total, output, _: output.sum() + (0 if total is None else total),
        perturbations_per_pass=perturbations_per_pass,
    )
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_sensitivity_and_infidelity_take_them():
    method = attr.FeatureAblation(mlp())
    sensitivity = sensitivity_max(method.attribute, TABULAR, target=1)
    assert sensitivity.shape == (4,)

    def perturb(x):
        noise = 0.1 * torch.randn_like(x)
        return noise, x - noise

    values = attr.ShapleyValues(mlp()).attribute(TABULAR, target=1)
    assert infidelity(mlp(), perturb, TABULAR, values, target=1).shape == (4,)
