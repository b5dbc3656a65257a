"""How variants are batched changes speed and memory, never an answer."""

from __future__ import annotations

import weakref
from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn

from tests.attr.cases import (
    IMAGES,
    TABULAR,
    Recorder,
    convolution,
    mlp,
    normal,
    seeded,
    segments,
)
from torchattr import attr
from torchattr.errors import InputError

BATCHES = (1, 3, None)
METHODS = {
    "FeatureAblation": (attr.FeatureAblation, {}),
    "FeaturePermutation": (attr.FeaturePermutation, {"generator": True}),
    "KernelShap": (attr.KernelShap, {"generator": True, "n_samples": 14}),
    "Lime": (attr.Lime, {"generator": True, "n_samples": 12}),
    "Occlusion": (attr.Occlusion, {"sliding_window_shapes": (2,)}),
    "Shapley": (attr.Shapley, {"generator": True, "budget": 14}),
    "antithetic": (
        attr.ShapleyValueSampling,
        {"generator": True, "n_samples": 4, "sampling": "antithetic"},
    ),
    "ShapleyValueSampling": (
        attr.ShapleyValueSampling,
        {"generator": True, "n_samples": 4},
    ),
    "ShapleyValues": (attr.ShapleyValues, {}),
}
by_method = pytest.mark.parametrize(
    ("method", "options"), METHODS.values(), ids=METHODS
)
# All methods hand their variants to the same forward, in four kinds of order.
FEW = {
    name: METHODS[name]
    for name in ("FeatureAblation", "Shapley", "ShapleyValueSampling", "ShapleyValues")
}
by_few = pytest.mark.parametrize(("method", "options"), FEW.values(), ids=FEW)
# Finding out that a model takes one variant at a time costs two evaluations, which
# Shapley saves elsewhere: only an exact answer is the same without the trial.
ONE_AT_A_TIME = FEW | {"Shapley": (attr.Shapley, {"budget": 34})}
by_method_one_at_a_time = pytest.mark.parametrize(
    ("method", "options"), ONE_AT_A_TIME.values(), ids=ONE_AT_A_TIME
)


def with_two(methods, cases):
    """Each case with Shapley, which counts what a trial costs, and another in turn."""
    others = [name for name in methods if name != "Shapley"]
    return [
        pytest.param(*methods[method], *case, id=f"{name}-{method}")
        for place, (name, case) in enumerate(cases.items())
        for method in ("Shapley", others[place % len(others)])
    ]


def answers(method, options, forward, x=TABULAR, *, sizes=BATCHES, **arguments):
    """The attributions for every size of a batch."""
    options = dict(options)
    drawn = options.pop("generator", False)
    return [
        method(forward).attribute(
            x,
            perturbations_per_eval=size,
            **options,
            **arguments,
            **({"generator": seeded()} if drawn else {}),
        )
        for size in sizes
    ]


def agree(found, expected=None, *, rtol=1e-5):
    expected = found[0] if expected is None else expected
    for one in found:
        torch.testing.assert_close(one, expected, atol=2e-6, rtol=rtol)


@by_method
def test_answers_do_not_depend_on_it(method, options):
    agree(answers(method, options, mlp(), sizes=(1, 2, 3, 4, 7, 64, None)))


@by_method
def test_standard_errors_do_not_depend_on_it(method, options):
    found = answers(method, options, mlp(), return_standard_error=True)
    agree([torch.nan_to_num(errors, nan=-1.0) for _, errors in found], rtol=1e-3)


AGGREGATES = {
    "a number": lambda x: (x.prod(1) + x[:, 0]).sum(),
    "a Python float": lambda x: (x.prod(1) + x[:, 0]).sum().item(),
    "a tensor with one element": lambda x: (x.prod(1) + x[:, 0]).sum().reshape(1),
    "a vector": lambda x: x.cumprod(1).sum(0)[:3],
    "as many numbers as examples": lambda x: x.cumprod(1).sum(0)[: len(TABULAR)],
    "a matrix as long as the batch": lambda x: x.T[: len(TABULAR)] @ x[:, :2],
}
by_aggregate = pytest.mark.parametrize(
    ("method", "options", "forward"),
    with_two(ONE_AT_A_TIME, {name: (forward,) for name, forward in AGGREGATES.items()}),
)


@by_aggregate
def test_forwards_that_aggregate_over_the_batch(method, options, forward):
    agree(answers(method, options, forward))


@by_aggregate
def test_forwards_that_aggregate_over_one_example(method, options, forward):
    agree(answers(method, options, forward, TABULAR[:1]))


@by_method_one_at_a_time
def test_forwards_of_a_fixed_batch_size(method, options):
    def forward(x):
        if len(x) != len(TABULAR):
            raise RuntimeError(f"this engine was built for {len(TABULAR)} rows")
        return mlp()(x)

    agree(answers(method, options, forward), answers(method, options, mlp())[0])


def first_rows(x):
    return mlp()(x)[: len(TABULAR)]


@by_method_one_at_a_time
def test_forwards_that_keep_only_the_first_rows(method, options):
    agree(answers(method, options, first_rows), answers(method, options, mlp())[0])


@by_method_one_at_a_time
def test_a_target_for_each_example_on_a_fixed_batch(method, options):
    agree(answers(method, options, first_rows, target=[0, 2, 1, 1]))


def couples(x):
    return x @ x.T


@by_method_one_at_a_time
def test_forwards_that_compare_the_examples(method, options):
    agree(answers(method, options, couples))


ADDITIONAL = {
    "per example, multiplied": (lambda x, w: mlp()(x)[:, 0] * w, normal(4)),
    "per example, joined": (
        lambda x, w: mlp()(torch.cat([x[:, :3], w], 1)),
        normal(4, 2),
    ),
    "weights of the features": (lambda x, w: (x * w).prod(1), normal(5)),
    "weights of as many features as examples": (
        lambda x, w: (x[:, :4] * w).prod(1),
        normal(4),
    ),
    "a matrix": (lambda x, w: (x[:, :4] @ w).tanh(), normal(4, 2)),
    "a matrix that is not square": (lambda x, w: (x @ w).tanh(), normal(5, 2)),
    "prototypes": (lambda x, w: torch.cdist(x, w), normal(4, 5)),
    "summed inside": (lambda x, w: mlp()(x)[:, 0] * w.sum(), normal(4)),
    "summed inside, products of features": (
        lambda x, w: x[:, 0] * x[:, 1] * w.sum() + x[:, 2] * x[:, 3] * x[:, 4],
        normal(4),
    ),
    "summed inside, saturated": (
        lambda x, w: torch.sigmoid(40 * x.square().prod(1) * w.sum()),
        normal(4).abs(),
    ),
    "summed inside, confident": (
        lambda x, w: torch.sigmoid(x.abs().sum(1) * w.sum() - 3),
        normal(4).abs() + 0.5,
    ),
    "indexed": (lambda x, w: x.prod(1) * w[2], normal(4)),
    "from the end": (lambda x, w: x.prod(1) * w[-1], normal(4)),
    "a scalar": (lambda x, w: x.prod(1) * w, torch.tensor(2.0)),
    "a list": (lambda x, w: x.prod(1) * w[1], [1.0, 2.0]),
    "a flag": (lambda x, w: x.prod(1) if w else x.sum(1), True),
}


@pytest.mark.parametrize(
    ("method", "options", "forward", "extra"), with_two(FEW, ADDITIONAL)
)
def test_additional_arguments(method, options, forward, extra):
    agree(answers(method, options, forward, additional_forward_args=extra))


@by_few
@pytest.mark.parametrize("rows", [1, 4])
def test_several_additional_arguments(method, options, rows):
    def forward(x, scale, weights, nothing, power):
        assert nothing is None
        return ((x @ weights).tanh() * scale[:, None]) ** power

    extra = (normal(rows).abs(), normal(5, 3), None, 2)
    agree(
        answers(method, options, forward, TABULAR[:rows], additional_forward_args=extra)
    )


@by_few
def test_models_that_change_their_input(method, options):
    def forward(x, scale):
        return x.add_(1).mul_(2).prod(1) * scale.sum()

    found = answers(method, options, forward, additional_forward_args=normal(4))
    agree(found)

    def twin(x, scale):
        return ((x + 1) * 2).prod(1) * scale.sum()

    agree(found, answers(method, options, twin, additional_forward_args=normal(4))[0])


@by_method
def test_inputs_and_arguments_are_left_alone(method, options):
    x, scale = TABULAR.clone(), normal(4)
    answers(
        method,
        options,
        lambda x, scale: x.mul_(2).prod(1) * scale,
        x,
        additional_forward_args=scale,
    )
    assert torch.equal(x, TABULAR)
    assert torch.equal(scale, normal(4))


@by_few
@pytest.mark.parametrize("value", [3, 2.5, torch.tensor(2.0), torch.tensor([[1.0]])])
def test_forwards_without_parameters(method, options, value):
    found = answers(method, options, lambda: value)
    agree(found)
    assert not bool(found[0].any())


@by_few
def test_batch_statistics_in_training_mode_are_those_of_the_batch(method, options):
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    agree(answers(method, options, model))
    agree(answers(method, options, model.forward))
    agree(answers(method, options, partial(partial(model))))


def test_batch_statistics_in_evaluation_mode_are_batched():
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4)).eval()
    sizes = []
    model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    attr.ShapleyValues(model).attribute(TABULAR)
    assert max(sizes) > 2 * len(TABULAR)


@by_method
def test_inputs_of_another_batch_size_are_shared(method, options):
    if method is attr.Occlusion:
        options = {"sliding_window_shapes": ((2,), (1,))}
    shared = normal(1, 5)
    found = answers(
        method, options, lambda x, w: (x * w).prod(1) + w.sum(), (TABULAR, shared)
    )
    for size in (0, 1):
        agree([one[size] for one in found])


class Limited:
    """A model whose memory takes only so many rows."""

    def __init__(self, most_rows, error, function=None):
        self.most_rows = most_rows
        self.error = error
        self.function = function or mlp()
        self.sizes = []

    def __call__(self, x):
        self.sizes.append(len(x))
        if len(x) > self.most_rows:
            raise self.error
        return self.function(x)


ERRORS = [
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("MPS backend out of memory"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
]


@pytest.mark.parametrize(
    ("method", "options", "error"),
    [
        *((*method, ERRORS[0]) for method in METHODS.values()),
        *((*METHODS["ShapleyValues"], error) for error in ERRORS[1:]),
    ],
)
def test_a_chunk_that_does_not_fit_is_halved(method, options, error):
    (expected,) = answers(method, options, mlp(), sizes=(1,))
    for most_rows in (len(TABULAR), 3 * len(TABULAR)):
        forward = Limited(most_rows, error)
        agree(answers(method, options, forward, sizes=(None,)), expected)


def test_halving_is_remembered():
    forward = Limited(20, ERRORS[0])
    attr.ShapleyValueSampling(forward).attribute(TABULAR, n_samples=400)
    failures = [size for size in forward.sizes if size > 20]
    assert len(failures) <= 8
    assert failures == sorted(failures, reverse=True)


@by_method
def test_one_variant_that_does_not_fit_is_an_error(method, options):
    with pytest.raises(torch.cuda.OutOfMemoryError, match="2 GiB"):
        answers(method, options, Limited(len(TABULAR) - 1, ERRORS[0]))


@by_method
def test_other_errors_of_the_model_are_its_own(method, options):
    def forward(x):
        raise KeyError("no such weights")

    with pytest.raises(KeyError, match="no such weights"):
        answers(method, options, forward)


def test_the_tensors_of_a_failed_chunk_are_freed():
    previous, left_over = [], []

    def forward(x):
        left_over.append(sum(tensor() is not None for tensor in previous))
        previous[:] = [weakref.ref(x)]
        if len(x) > 2 * len(TABULAR):
            raise MemoryError
        return mlp()(x)

    attr.ShapleyValues(forward).attribute(TABULAR)
    assert len(left_over) > 8
    assert not any(left_over)


def test_default_batches_are_bounded_on_a_cpu():
    forward = Recorder(lambda x: x.sum(1))
    attr.ShapleyValueSampling(forward).attribute(normal(3, 40), n_samples=100)
    assert 500 <= max(forward.sizes) <= 2100
    large = Recorder(lambda x: x.sum((1, 2, 3)))
    attr.FeatureAblation(large).attribute(
        normal(1, 3, 512, 512), feature_mask=segments(512, 64)
    )
    assert max(large.sizes) <= 8


@by_few
def test_sizes_that_are_none_are_refused(method, options):
    options = {key: part for key, part in options.items() if key != "generator"}
    for size in (0, -1, 2.0, "3", True, torch.tensor(2)):
        with pytest.raises(InputError, match="perturbations_per_eval"):
            method(mlp()).attribute(TABULAR, perturbations_per_eval=size, **options)


def test_images_in_segments(device):
    model = deepcopy(convolution()).to(device)
    options = {"feature_mask": segments(side=4).to(device), "target": 1}
    found = answers(attr.ShapleyValues, {}, model, IMAGES.to(device), **options)
    agree(found)
