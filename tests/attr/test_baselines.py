"""Baselines in all forms, their distributions, and what removing means."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from tests.attr.cases import PAIR, TABULAR, mlp, normal, product_of_two, seeded
from torchattr import attr
from torchattr.errors import InputError

METHODS = {
    "FeatureAblation": lambda f: attr.FeatureAblation(f).attribute,
    "KernelShap": lambda f: attr.KernelShap(f).attribute,
    "Lime": lambda f: attr.Lime(f).attribute,
    "Occlusion": lambda f: (
        lambda x, *a, **k: attr.Occlusion(f).attribute(x, (2,), None, *a, **k)
    ),
    "Shapley": lambda f: partial(attr.Shapley(f).attribute, budget=20),
    "ShapleyValueSampling": lambda f: attr.ShapleyValueSampling(f).attribute,
    "ShapleyValues": lambda f: attr.ShapleyValues(f).attribute,
}
by_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
# All methods hand their baselines to the same game: two try every form.
FEW = {name: METHODS[name] for name in ("FeatureAblation", "ShapleyValueSampling")}
by_few = pytest.mark.parametrize("method", FEW.values(), ids=FEW)
ROW = normal(1, 5, seed=7)
FORMS = {
    "None": (None, torch.zeros(4, 5)),
    "an int": (1, torch.ones(4, 5)),
    "a float": (0.25, torch.full((4, 5), 0.25)),
    "a bool": (True, torch.ones(4, 5)),
    "a tensor without dimensions": (torch.tensor(0.25), torch.full((4, 5), 0.25)),
    "a row": (ROW, ROW.repeat(4, 1)),
    "a row without a batch": (ROW[0], ROW.repeat(4, 1)),
    "a column": (TABULAR[:, :1], TABULAR[:, :1].repeat(1, 5)),
    "another type": (ROW.double(), ROW.repeat(4, 1)),
    "a function": (lambda x: x.mean(0, keepdim=True), TABULAR.mean(0).repeat(4, 1)),
    "a function to a number": (lambda x: 0.25, torch.full((4, 5), 0.25)),
    "one sample": (attr.BaselineDistribution(ROW), ROW.repeat(4, 1)),
}


def explained(method, baselines, forward=None, x=TABULAR):
    torch.manual_seed(0)
    return method(forward or mlp())(x, baselines)


@by_few
@pytest.mark.parametrize(("baselines", "same"), FORMS.values(), ids=FORMS)
def test_it_is_as_if_all_had_been_written_out(method, baselines, same):
    torch.testing.assert_close(
        explained(method, baselines), explained(method, same), atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize("method", [attr.FeatureAblation, attr.ShapleyValues])
def test_one_for_each_of_several_inputs(method):
    method = method(product_of_two)
    rows = tuple(
        torch.full_like(x, value) for x, value in zip(PAIR, (1, 2), strict=True)
    )
    expected = method.attribute(PAIR, rows)
    for baselines in (
        (1, 2.0),
        (torch.ones(1, 3), 2),
        lambda a, *rest: (1, 2),
        lambda inputs: (torch.ones_like(inputs[0]), 2),
        (attr.BaselineDistribution(torch.ones(1, 3)), 2),
    ):
        for one, other in zip(method.attribute(PAIR, baselines), expected, strict=True):
            torch.testing.assert_close(one, other)
    for number in (None, 0, 0.0):
        answers = method.attribute(PAIR, number), method.attribute(PAIR, (0, None))
        assert all(torch.equal(*pair) for pair in zip(*answers, strict=True))


WRONG = {
    "a string": ("mean", r"baselines\[0\] must be a number, a tensor.*got str"),
    "a list": ([0.0] * 5, r"baselines\[0\] must be a number.*got list"),
    "too many entries": ((0, 1), "baselines must hold one entry for each of the 1"),
    "too many features": (torch.zeros(1, 6), r"baselines\[0\] .*\(1, 6\).*\(4, 5\)"),
    "too many rows": (torch.zeros(8, 5), r"baselines\[0\] .*\(8, 5\).*\(4, 5\)"),
    "too few rows": (torch.zeros(2, 5), r"baselines\[0\] .*\(2, 5\).*\(4, 5\)"),
    "too many dimensions": (torch.zeros(1, 1, 5), r"baselines\[0\] .*\(1, 1, 5\)"),
    "samples of another size": (
        attr.BaselineDistribution(torch.zeros(7, 4)),
        r"baselines\[0\] \(each sample\) .*\(4,\).*\(5,\)",
    ),
    "a function to a list": (lambda x: [x], r"baselines\[0\] must be a number"),
}


@by_method
def test_every_method_takes_baselines(method):
    for form in ("a float", "a row", "a function"):
        baselines, same = FORMS[form]
        answers = explained(method, baselines), explained(method, same)
        torch.testing.assert_close(*answers, atol=1e-6, rtol=1e-4)


@by_few
@pytest.mark.parametrize(("baselines", "message"), WRONG.values(), ids=WRONG)
def test_what_is_no_baseline(method, baselines, message):
    with pytest.raises(InputError, match=message):
        method(mlp())(TABULAR, baselines)


@pytest.mark.parametrize("baselines", [torch.zeros(3, 3), (0,), (0, 0, 0)])
def test_too_few_for_several_inputs(baselines):
    with pytest.raises(
        InputError, match="baselines must hold one entry for each of the 2"
    ):
        attr.FeatureAblation(product_of_two).attribute(PAIR, baselines)


@pytest.mark.parametrize(
    "samples", [torch.zeros(0, 5), torch.tensor(1.0), [0.0], (torch.zeros(2, 5), None)]
)
def test_what_is_no_distribution(samples):
    with pytest.raises(InputError, match="samples must"):
        attr.BaselineDistribution(samples)


def test_distributions_of_several_inputs_have_one_size():
    with pytest.raises(InputError, match="same number of samples"):
        attr.BaselineDistribution((torch.zeros(2, 3), torch.zeros(3, 2)))
    with pytest.raises(InputError, match="same number of samples"):
        attr.FeatureAblation(product_of_two).attribute(
            PAIR,
            tuple(
                attr.BaselineDistribution(normal(k, x.shape[1]))
                for k, x in zip((2, 3), PAIR, strict=True)
            ),
        )


# Distributions: the mean over the samples, with their spread


SAMPLES = normal(6, 5, seed=9)
NOT_LINEAR = {"KernelShap", "Lime", "Shapley"}  # in the values, nor in their mean
BY_SAMPLE = {name: METHODS[name] for name in METHODS if name not in NOT_LINEAR}
by_sample = pytest.mark.parametrize("method", BY_SAMPLE.values(), ids=BY_SAMPLE)


def one_by_one(method, **options):
    answers = []
    for sample in SAMPLES:
        torch.manual_seed(0)
        answers.append(method(mlp())(TABULAR, sample[None], **options))
    return answers


@by_sample
def test_values_are_means_over_the_samples(method):
    expected = torch.stack(one_by_one(method)).mean(0)
    found = explained(method, attr.BaselineDistribution(SAMPLES))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_a_value_and_its_spread_by_hand():
    x, samples = torch.tensor([[3.0]]), torch.tensor([[0.0], [1.0], [5.0]])
    for method in (attr.FeatureAblation, attr.ShapleyValues, attr.ShapleyValueSampling):
        values, errors = method(lambda x: x.square().sum(1)).attribute(
            x, attr.BaselineDistribution(samples), return_standard_error=True
        )
        differences = torch.tensor([9.0, 8.0, -16.0])
        torch.testing.assert_close(values[0, 0], differences.mean())
        torch.testing.assert_close(errors[0, 0], differences.std() / 3**0.5)


@pytest.mark.parametrize("method", [attr.FeatureAblation, attr.ShapleyValues])
def test_the_error_of_an_exact_method_is_that_of_the_samples(method):
    answers = torch.stack(one_by_one(lambda f: method(f).attribute))
    _, errors = method(mlp()).attribute(
        TABULAR, attr.BaselineDistribution(SAMPLES), return_standard_error=True
    )
    expected = answers.std(0) / len(SAMPLES) ** 0.5
    torch.testing.assert_close(errors, expected, atol=1e-6, rtol=1e-4)


def test_squares_of_both_errors_add_up():
    def sampled(baselines):
        return attr.ShapleyValueSampling(mlp()).attribute(
            TABULAR,
            baselines,
            n_samples=6,
            generator=seeded(),
            return_standard_error=True,
        )

    answers = torch.stack([sampled(sample[None])[0] for sample in SAMPLES])
    spread = answers.var(0) / len(SAMPLES)
    averaged = attr.ShapleyValueSampling(
        lambda x: torch.stack([
            mlp()(torch.where(x.bool(), TABULAR, sample)) for sample in SAMPLES
        ]).mean(0)
    )
    _, of_permutations = averaged.attribute(
        torch.ones(4, 5),
        n_samples=6,
        generator=seeded(),
        return_standard_error=True,
        perturbations_per_eval=1,
    )
    _, errors = sampled(attr.BaselineDistribution(SAMPLES))
    expected = (of_permutations.square() + spread).sqrt()
    torch.testing.assert_close(errors, expected, atol=1e-6, rtol=1e-4)


def test_one_sample_says_nothing_about_the_spread():
    _, errors = attr.ShapleyValues(mlp()).attribute(
        TABULAR, attr.BaselineDistribution(ROW), return_standard_error=True
    )
    assert bool(errors.isnan().all())


def test_samples_of_several_inputs_go_together():
    samples = tuple(normal(4, x.shape[1], seed=k) for k, x in enumerate(PAIR))
    method = attr.ShapleyValues(product_of_two)
    answers = [
        method.attribute(PAIR, tuple(part[k : k + 1] for part in samples))
        for k in range(4)
    ]
    found = method.attribute(PAIR, attr.BaselineDistribution(samples))
    for index in range(2):
        expected = torch.stack([answer[index] for answer in answers]).mean(0)
        torch.testing.assert_close(found[index], expected, atol=1e-6, rtol=1e-5)


def test_a_distribution_for_one_input_and_a_number_for_the_other():
    samples = normal(4, 3)
    method = attr.ShapleyValues(product_of_two)
    answers = [method.attribute(PAIR, (sample[None], 0.5)) for sample in samples]
    found = method.attribute(PAIR, (attr.BaselineDistribution(samples), 0.5))
    for index in range(2):
        expected = torch.stack([answer[index] for answer in answers]).mean(0)
        torch.testing.assert_close(found[index], expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    "forward",
    [lambda x: x.prod(1).sum(), lambda x: (x > 0).sum(1), lambda x: x.cumsum(1)],
)
def test_distributions_with_any_output(forward):
    answers = [
        attr.ShapleyValues(forward).attribute(TABULAR, sample[None])
        for sample in SAMPLES
    ]
    found = attr.ShapleyValues(forward).attribute(
        TABULAR, attr.BaselineDistribution(SAMPLES)
    )
    expected = torch.stack(answers).mean(0)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_lime_weights_each_example_by_its_own_similarity():
    baselines = attr.BaselineDistribution(SAMPLES)
    together, *apart = (
        attr.Lime(mlp(), attr.Lasso(1e-4)).attribute(
            x, baselines, n_samples=15, generator=seeded()
        )
        for x in (TABULAR, *TABULAR[:, None])
    )
    torch.testing.assert_close(together, torch.cat(apart), atol=1e-5, rtol=1e-5)


def test_lime_with_samples_of_ones_own_and_a_distribution():
    def coins(original, num_interp_features, **kwargs):
        generator = seeded()
        while True:
            yield (torch.rand(1, num_interp_features, generator=generator) < 0.5).long()

    lime = attr.Lime(mlp(), attr.Lasso(1e-4), perturb_func=coins)
    baselines = attr.BaselineDistribution(SAMPLES)
    together, *apart = (
        lime.attribute(x, baselines, n_samples=15) for x in (TABULAR, *TABULAR[:, None])
    )
    torch.testing.assert_close(together, torch.cat(apart), atol=1e-5, rtol=1e-5)


def test_lime_with_a_baseline_of_as_many_features_as_examples():
    lime = attr.Lime(mlp(4, 2), attr.Lasso(1e-4), lambda *a, **k: 1.0)
    x, row = normal(4, 4), normal(4, seed=1)
    answers = [
        lime.attribute(x, baselines, n_samples=15, generator=seeded())
        for baselines in (row, row.repeat(4, 1))
    ]
    assert torch.equal(*answers)
