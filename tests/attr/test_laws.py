"""Laws of every method, on random polynomials of random features in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.attr.cases import seeded
from torchattr import attr

# Every law is tried on several methods: fewer examples of each tell as much.
few_examples = settings(max_examples=7)
SIZES = st.integers(1, 6)
SEEDS = st.integers(0, 10_000)


def drawing(method, **settings):
    """A method that draws the same numbers each time."""

    def made(forward):
        def attribute(*arguments, **options):
            options = {"generator": seeded(), **settings, **options}
            return method(forward).attribute(*arguments, **options)

        return attribute

    return made


def sampled(sampling):
    return drawing(attr.ShapleyValueSampling, n_samples=3, sampling=sampling)


# One row for each method: every law that says so below runs for it.
SHAPLEY = {
    "ShapleyValues": lambda f: attr.ShapleyValues(f).attribute,
    "permutation": sampled("permutation"),
    "antithetic": sampled("antithetic"),
    "orthogonal": sampled("orthogonal"),
}
# Their shrinkage depends on the values, so they are linear in no case but the exact.
REGRESSION = {
    "KernelShap": drawing(attr.KernelShap, n_samples=14),
    "Shapley": drawing(attr.Shapley, budget=14),
}
EXACT = {"ShapleyValues": SHAPLEY["ShapleyValues"]}
LINEAR = SHAPLEY | {
    "FeatureAblation": lambda f: attr.FeatureAblation(f).attribute,
    "Occlusion": lambda f: (
        lambda x, baselines, **options: attr.Occlusion(f).attribute(
            x, (1,), baselines=baselines, **options
        )
    ),
}
UNNAMED = EXACT | {"FeatureAblation": LINEAR["FeatureAblation"]}


def each(methods):
    return pytest.mark.parametrize("method", methods.values(), ids=methods)


def draw(*shape, seed):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def polynomial(n, seed):
    """Two outputs that are sums of products of random sets of features."""
    sets = torch.rand(5, n, generator=seeded(seed)) < 0.5
    scales = draw(5, 2, seed=seed + 1)

    def forward(x):
        factors = torch.where(sets, x.unsqueeze(1), torch.ones_like(x).unsqueeze(1))
        return (factors.prod(2) - (~sets).all(1).double()) @ scales

    return forward


def data(n, seed):
    return draw(3, n, seed=seed + 2), draw(1, n, seed=seed + 3)


def close(actual, expected):
    torch.testing.assert_close(actual, expected, atol=1e-10, rtol=0)


@each(SHAPLEY | REGRESSION)
@few_examples
@given(n=SIZES, seed=SEEDS)
def test_efficiency(method, n, seed):
    forward, (x, baselines) = polynomial(n, seed), data(n, seed)
    values = method(forward)(x, baselines)
    close(values.sum(2), forward(x) - forward(baselines))


@each(LINEAR)
@few_examples
@given(n=SIZES, seed=SEEDS)
def test_a_feature_that_does_nothing_has_no_value(method, n, seed):
    inner, (x, baselines) = polynomial(n, seed), data(n + 1, seed)
    values = method(lambda x: inner(x[:, 1:]))(x, baselines)
    close(values[..., 0], torch.zeros(3, 2, dtype=torch.float64))


@each(LINEAR)
@few_examples
@given(n=SIZES, seed=SEEDS)
def test_a_feature_equal_to_its_baseline_has_no_value(method, n, seed):
    x, baselines = data(n, seed)
    x[:, 0] = baselines[0, 0]
    values = method(polynomial(n, seed))(x, baselines)
    close(values[..., 0], torch.zeros(3, 2, dtype=torch.float64))


@each(LINEAR)
@few_examples
@given(n=SIZES, seed=SEEDS)
def test_linearity_in_the_model(method, n, seed):
    one, other, (x, baselines) = (
        polynomial(n, seed),
        polynomial(n, seed + 50),
        data(n, seed),
    )
    parts = [method(forward)(x, baselines) for forward in (one, other)]
    both = method(lambda x: 2 * one(x) - 3 * other(x) + 7)(x, baselines)
    close(both, 2 * parts[0] - 3 * parts[1])


@each(LINEAR | REGRESSION)
@few_examples
@given(n=SIZES, seed=SEEDS)
def test_an_additive_model_gives_each_feature_its_own(method, n, seed):
    weights, (x, baselines) = draw(n, 2, seed=seed), data(n, seed)
    values = method(lambda x: x.sin() @ weights)(x, baselines)
    close(values, ((x.sin() - baselines.sin()).unsqueeze(1) * weights.T))


@each(SHAPLEY)
@few_examples
@given(n=SIZES, seed=SEEDS)
def test_an_additive_model_needs_one_replicate(method, n, seed):
    weights, (x, baselines) = draw(n, seed=seed), data(n, seed)
    options = {} if method is SHAPLEY["ShapleyValues"] else {"n_samples": 1}
    values = method(lambda x: x @ weights)(x, baselines, **options)
    close(values, (x - baselines) * weights)


@each(UNNAMED)
@given(n=st.integers(2, 6), seed=SEEDS)
def test_symmetric_features_have_one_value(method, n, seed):
    inner, (x, baselines) = polynomial(n, seed), data(n, seed)
    swapped = [1, 0, *range(2, n)]
    x[:, 1], baselines[:, 1] = x[:, 0], baselines[:, 0]
    values = method(lambda x: inner(x) + inner(x[:, swapped]))(x, baselines)
    close(values[..., 0], values[..., 1])


@each(UNNAMED)
@given(n=SIZES, seed=SEEDS)
def test_the_order_of_features_does_not_matter(method, n, seed):
    forward, (x, baselines) = polynomial(n, seed), data(n, seed)
    order = torch.randperm(n, generator=seeded(seed))
    back = order.argsort()
    values = method(lambda x: forward(x[:, back]))(x[:, order], baselines[:, order])
    close(values, method(forward)(x, baselines)[..., order])


@each(LINEAR | REGRESSION)
@few_examples
@given(n=SIZES, seed=SEEDS)
def test_examples_do_not_see_each_other(method, n, seed):
    forward, (x, baselines) = polynomial(n, seed), data(n, seed)
    values = method(forward)(x, baselines)
    for index in range(3):
        close(method(forward)(x[index : index + 1], baselines)[0], values[index])


@each(LINEAR | REGRESSION)
@few_examples
@given(n=SIZES, seed=SEEDS)
def test_outputs_do_not_see_each_other(method, n, seed):
    forward, (x, baselines) = polynomial(n, seed), data(n, seed)
    values = method(forward)(x, baselines)
    for index in range(2):
        close(method(forward)(x, baselines, target=index), values[:, index])


@each(SHAPLEY | {"FeatureAblation": LINEAR["FeatureAblation"]})
@few_examples
@given(n=SIZES, seed=SEEDS)
def test_ids_are_names_and_gaps_are_nobody(method, n, seed):
    forward, (x, baselines) = polynomial(n, seed), data(n, seed)
    if method is SHAPLEY["permutation"] or method is SHAPLEY["antithetic"]:
        spaced = torch.arange(n)[None]  # captum's stream of gaps is another one
    else:
        spaced = 3 * torch.arange(n)[None] + 2
    values = method(forward)(x, baselines, feature_mask=spaced)
    close(values, method(forward)(x, baselines))


@each(UNNAMED)
@given(n=SIZES, seed=SEEDS)
def test_groups_are_features_of_a_coarser_model(method, n, seed):
    forward, (x, baselines) = polynomial(n, seed), data(n, seed)
    groups = torch.randint(3, (n,), generator=seeded(seed))
    present, columns = groups.unique(return_inverse=True)

    def coarse(stay):
        row = torch.arange(3).repeat(len(stay) // 3)
        return forward(torch.where(stay[:, columns] > 0, x[row], baselines))

    values = method(forward)(x, baselines, feature_mask=groups[None])
    expected = method(coarse)(
        torch.ones(3, len(present), dtype=torch.float64),
        torch.zeros(1, len(present), dtype=torch.float64),
    )
    close(values, expected[..., columns])


@given(n=st.integers(2, 6), seed=SEEDS)
def test_different_groups_for_each_example_are_its_own(n, seed):
    forward, (x, baselines) = polynomial(n, seed), data(n, seed)
    groups = torch.stack([
        torch.randperm(n, generator=seeded(seed + k)) % 2 for k in range(3)
    ])
    for method in UNNAMED.values():
        values = method(forward)(x, baselines, feature_mask=groups)
        for index in range(3):
            own = slice(index, index + 1)
            alone = method(forward)(x[own], baselines, feature_mask=groups[own])
            close(alone[0], values[index])


@given(n=SIZES, seed=SEEDS)
def test_values_of_inputs_split_in_two_are_those_of_one(n, seed):
    forward, (x, baselines) = polynomial(n + 1, seed), data(n + 1, seed)

    def of_two(a, b):
        return forward(torch.cat([a, b], 1))

    for method in UNNAMED.values():
        values = method(of_two)(
            (x[:, :1], x[:, 1:]), (baselines[:, :1], baselines[:, 1:])
        )
        close(torch.cat(values, dim=2), method(forward)(x, baselines))


@given(n=st.integers(1, 5), seed=SEEDS)
def test_pairs_of_features_need_one_antithetic_pair(n, seed):
    quadratic, (x, baselines) = draw(n, n, seed=seed), data(n, seed)
    baselines = torch.zeros_like(baselines)

    def forward(x):
        return ((x @ quadratic) * x).sum(1)

    exact = attr.ShapleyValues(forward).attribute(x, baselines)
    close(SHAPLEY["antithetic"](forward)(x, baselines, n_samples=2), exact)


@pytest.mark.parametrize("sampling", ["permutation", "antithetic", "orthogonal"])
def test_sampled_values_are_unbiased_and_their_errors_honest(sampling):
    forward, (x, baselines) = polynomial(6, 4), data(6, 4)
    exact = attr.ShapleyValues(forward).attribute(x, baselines)
    values, errors = attr.ShapleyValueSampling(forward).attribute(
        x,
        baselines,
        n_samples=2000,
        sampling=sampling,
        generator=seeded(1),
        return_standard_error=True,
    )
    known = errors < 1e-9
    scores = ((values - exact) / errors)[~known]
    close(values[known], exact[known])
    assert len(scores) > 10
    assert float(scores.abs().max()) < 5
    assert 0.3 < float(scores.square().mean()) < 3
