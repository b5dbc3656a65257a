"""The model, the inputs and the random state are left as they were."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from tests.attr.cases import TABULAR, Recorder, mlp, seeded
from torchattr import attr
from torchattr.errors import InputError


def perturbed(original, **kwargs):
    return original * torch.bernoulli(torch.full_like(original, 0.5))


def lime_base(forward):
    return attr.LimeBase(
        forward,
        attr.Lasso(),
        lambda *arguments: 1.0,
        perturbed,
        perturb_interpretable_space=False,
        from_interp_rep_transform=None,
        to_interp_rep_transform=lambda sample, original: (sample[:1] != 0).float(),
    )


METHODS = {
    "FeatureAblation": (attr.FeatureAblation, {}),
    "FeaturePermutation": (attr.FeaturePermutation, {}),
    "KernelShap": (attr.KernelShap, {"n_samples": 20}),
    "Lime": (attr.Lime, {}),
    "Lime with functions": (
        lambda f: attr.Lime(f, None, lambda *a, **k: 1.0),
        {},
    ),
    "LimeBase": (lime_base, {}),
    "Occlusion": (attr.Occlusion, {"sliding_window_shapes": (2,)}),
    "Shapley": (attr.Shapley, {"budget": 20}),
    "ShapleyValueSampling": (attr.ShapleyValueSampling, {"n_samples": 3}),
    "ShapleyValues": (attr.ShapleyValues, {}),
}
by_method = pytest.mark.parametrize(
    ("method", "options"), METHODS.values(), ids=METHODS
)
# With functions of one's own Lime explains one row at a time: no batch statistics.
BATCHED = {name: method for name, method in METHODS.items() if "functions" not in name}
by_batched = pytest.mark.parametrize(
    ("method", "options"), BATCHED.values(), ids=BATCHED
)
DRAWING = {
    "FeaturePermutation": (attr.FeaturePermutation, {"n_samples": 2}),
    "KernelShap": METHODS["KernelShap"],
    "Lime": METHODS["Lime"],
    "Shapley": METHODS["Shapley"],
    "Lime with functions": METHODS["Lime with functions"],
    **{
        sampling: (attr.ShapleyValueSampling, {"n_samples": 3, "sampling": sampling})
        for sampling in ("permutation", "antithetic", "orthogonal")
    },
}


class Stateful(nn.Module):
    """Batch statistics, dropout, and buffers that are changed in both ways."""

    def __init__(self, fails_after=None, *, adds_up=False):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Dropout(0.1), nn.Linear(4, 1)
        )
        self.register_buffer("n_calls", torch.zeros(()))
        self.register_buffer("seen", torch.zeros(5))
        self.fails_after = fails_after
        self.adds_up = adds_up

    def forward(self, x):
        self.n_calls = torch.add(self.n_calls, 1)
        self.seen.add_(x.mean(0))
        if self.fails_after is not None and self.n_calls > self.fails_after:
            raise RuntimeError("out of luck")
        outputs = self.layers(x)[:, 0]
        return outputs.sum() if self.adds_up else outputs


def state(model):
    tensors = [*model.parameters(), *model.buffers()]
    return {
        "values": [tensor.detach().clone() for tensor in tensors],
        "identities": [id(tensor) for tensor in tensors],
        "gradients": [(p.grad, p.requires_grad) for p in model.parameters()],
        "modes": [module.training for module in model.modules()],
        "hooks": [
            len(module._forward_hooks) + len(module._forward_pre_hooks)
            for module in model.modules()
        ],
    }


def unchanged(before, after):
    for one, other in zip(before.pop("values"), after.pop("values"), strict=True):
        assert torch.equal(one, other)
    assert before == after


@by_batched
@pytest.mark.parametrize("training", [True, False])
def test_a_model_is_left_as_it_was(method, options, training):
    model = Stateful(adds_up=method is lime_base).train(training)
    if not training:
        model.layers[1].train()  # a mixture of modes
    before = state(model)
    method(model).attribute(TABULAR, **options)
    unchanged(before, state(model))


@by_batched
@pytest.mark.parametrize("fails_after", [0, 1, 2])
def test_also_after_an_error(method, options, fails_after):
    model = Stateful(fails_after)
    before = state(model)
    with pytest.raises(RuntimeError, match="out of luck"):
        method(model).attribute(TABULAR, perturbations_per_eval=1, **options)
    unchanged(before, state(model))


@by_method
def test_also_when_the_output_is_refused(method, options):
    model = nn.Sequential(nn.BatchNorm1d(5), nn.Flatten())
    before = state(model)
    with pytest.raises(InputError, match="target"):
        method(model).attribute(TABULAR, target=9, **options)
    unchanged(before, state(model))


@by_batched
def test_a_method_of_a_module_counts_as_the_module(method, options):
    model = Stateful(adds_up=method is lime_base)
    before = state(model)
    method(model.forward).attribute(TABULAR, **options)
    method(partial(model.forward)).attribute(TABULAR, **options)
    unchanged(before, state(model))


@by_method
@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("perturbations_per_eval", [1, None])
def test_no_forward_runs_with_gradients(
    method, options, wrapped, perturbations_per_eval
):
    forward = Recorder(lambda x: x.prod(1).sum())
    x = TABULAR.clone().requires_grad_()
    method = method(forward)
    arguments = {"perturbations_per_eval": perturbations_per_eval, **options}
    if wrapped:
        values = method.attribute.__wrapped__(method, x, **arguments)
    else:
        values = method.attribute(x, **arguments)
    assert forward.grads
    assert not any(forward.grads)
    assert not values.requires_grad
    assert torch.is_grad_enabled()
    assert x.grad is None


def test_no_future_is_asked_for_with_gradients():
    def forward(x):
        grads.append(torch.is_grad_enabled())
        future = torch.futures.Future()
        future.set_result(x.prod(1))
        return future

    for method in (attr.FeatureAblation, attr.ShapleyValueSampling, attr.ShapleyValues):
        grads = []
        method = method(forward)
        x = TABULAR.clone().requires_grad_()
        method.attribute_future.__wrapped__(method, x).wait()
        assert grads
        assert not any(grads)


@by_method
def test_inputs_are_left_alone(method, options):
    x = TABULAR.clone()
    method(lambda x: x.mul_(0).sum()).attribute(x, **options)
    assert torch.equal(x, TABULAR)


@pytest.mark.parametrize(("method", "options"), DRAWING.values(), ids=DRAWING)
def test_with_a_generator_the_global_one_is_untouched(method, options):
    before = torch.get_rng_state()
    one, other = (
        method(mlp()).attribute(TABULAR, generator=seeded(3), **options)
        for _ in range(2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, other)


@pytest.mark.parametrize(("method", "options"), DRAWING.values(), ids=DRAWING)
def test_a_generator_is_used_and_moved_on(method, options):
    generator = seeded(3)
    one, other = (
        method(mlp()).attribute(TABULAR, generator=generator, **options)
        for _ in range(2)
    )
    assert not torch.equal(one, other)


@by_method
def test_what_is_not_random_draws_nothing(method, options):
    if method in {attr.FeatureAblation, attr.Occlusion, attr.ShapleyValues}:
        before = torch.get_rng_state()
        method(mlp()).attribute(TABULAR, **options)
        assert torch.equal(torch.get_rng_state(), before)


def test_the_random_stream_is_one_randperm_for_each_permutation():
    torch.manual_seed(5)
    attr.ShapleyValueSampling(mlp()).attribute(TABULAR, n_samples=7)
    found = torch.get_rng_state()
    torch.manual_seed(5)
    for _ in range(7):
        torch.randperm(5)
    assert torch.equal(found, torch.get_rng_state())


def test_inference_mode_is_allowed():
    with torch.inference_mode():
        model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4))
        values = attr.ShapleyValues(model).attribute(TABULAR)
    assert values.shape == (4, 4, 5)
