"""Captum's vocabulary: the same positional arguments, defaults, members and types."""

from __future__ import annotations

import inspect

import captum.attr as captum
import pytest
import torch

from tests.attr.cases import PAIR, TABULAR, mlp, product_of_two
from torchattr import attr

NAMES = [
    "FeatureAblation",
    "FeaturePermutation",
    "KernelShap",
    "Lime",
    "LimeBase",
    "Occlusion",
    "ShapleyValueSampling",
    "ShapleyValues",
]
WITH_FUTURE = [
    "FeatureAblation",
    "FeaturePermutation",
    "ShapleyValueSampling",
    "ShapleyValues",
]
by_name = pytest.mark.parametrize("name", NAMES)


def lime_base(library):
    return library.LimeBase(
        mlp(),
        attr.Lasso(),
        lambda *arguments: 1.0,
        lambda original: original,
        perturb_interpretable_space=False,
        from_interp_rep_transform=None,
        to_interp_rep_transform=lambda sample, original: sample,
    )


def made(name, library=attr):
    return lime_base(library) if name == "LimeBase" else getattr(library, name)(mlp())


def signatures(name, method):
    return [
        inspect.signature(getattr(getattr(library, name), method)).parameters.values()
        for library in (attr, captum)
    ]


def positional(parameters):
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


@by_name
@pytest.mark.parametrize("method", ["__init__", "attribute"])
@pytest.mark.peer
def test_positional_arguments_are_captums_in_its_order(name, method):
    ours, theirs = signatures(name, method)
    assert positional(ours) == positional(theirs)
    assert [p.name for p in ours if p.kind is p.VAR_KEYWORD] == [
        p.name for p in theirs if p.kind is p.VAR_KEYWORD
    ]


@by_name
@pytest.mark.peer
def test_defaults_are_captums_but_for_perturbations_per_eval(name):
    ours, theirs = (
        {p.name: p.default for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}
        for parameters in signatures(name, "attribute")
    )
    assert ours.pop("perturbations_per_eval") is None
    assert theirs.pop("perturbations_per_eval") == 1
    assert ours == theirs


@by_name
@pytest.mark.peer
def test_what_is_new_is_keyword_only_and_optional(name):
    ours, theirs = signatures(name, "attribute")
    new = [p for p in ours if p.name not in {q.name for q in theirs}]
    assert all(p.kind is p.KEYWORD_ONLY for p in new)
    assert all(p.default is not p.empty for p in new)


@pytest.mark.parametrize("name", ["FeatureAblation", "FeaturePermutation"])
@pytest.mark.peer
def test_futures_take_the_arguments_of_attribute(name):
    ours, theirs = signatures(name, "attribute_future")
    assert positional(ours) == positional(theirs)


@by_name
@pytest.mark.peer
def test_members_are_captums(name):
    ours, theirs = made(name), made(name, captum)
    assert ours.get_name() == theirs.get_name()
    assert ours.multiplies_by_inputs == theirs.multiplies_by_inputs
    assert ours.has_convergence_delta() is theirs.has_convergence_delta() is False
    assert ours.forward_func is theirs.forward_func
    public = {part for part in dir(captum.FeatureAblation) if part[0] != "_"}
    assert public - {"use_weights"} <= set(dir(ours))


@by_name
def test_names_are_words(name):
    expected = "".join(f" {c}" if c.isupper() else c for c in name).strip()
    assert made(name).get_name() == expected


@by_name
def test_bases_and_wrapped(name):
    method = made(name)
    assert isinstance(method, attr.PerturbationAttribution)
    assert isinstance(method, attr.Attribution)
    assert callable(method.attribute.__wrapped__)
    if name in WITH_FUTURE:
        assert callable(method.attribute_future.__wrapped__)


@by_name
def test_there_is_no_convergence_delta(name):
    with pytest.raises(NotImplementedError, match=name):
        made(name).compute_convergence_delta(TABULAR)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(WITH_FUTURE)))
@pytest.mark.parametrize("arguments", [(), (TABULAR,)])
def test_elsewhere_there_is_no_future(name, arguments):
    with pytest.raises(NotImplementedError, match=name):
        made(name).attribute_future(*arguments)


def test_bases_are_abstract():
    for base in (attr.Attribution, attr.PerturbationAttribution):
        with pytest.raises(TypeError, match="abstract"):
            base(mlp())


def test_the_forward_function_may_be_rebound():
    method = attr.FeatureAblation(lambda x: x.sum(1))
    method.forward_func = lambda x: 2 * x.sum(1)
    assert method.attribute(torch.ones(1, 2)).tolist() == [[2.0, 2.0]]


def test_positional_calls_mean_what_they_mean_in_captum():
    arguments = (TABULAR, 0.5, 1, None, torch.tensor([[0, 0, 1, 1, 2]]))
    torch.manual_seed(0)
    ours = attr.ShapleyValueSampling(mlp()).attribute(*arguments, 3, 2, False)
    torch.manual_seed(0)
    named = attr.ShapleyValueSampling(mlp()).attribute(
        TABULAR, baselines=0.5, target=1, feature_mask=arguments[-1], n_samples=3
    )
    torch.testing.assert_close(ours, named)


@pytest.mark.parametrize(
    ("method", "keyword"),
    [
        (attr.FeatureAblation, "enable_cross_tensor_attribution"),
        (attr.FeaturePermutation, "enable_cross_tensor_attribution"),
        (attr.FeaturePermutation, "baselines"),
    ],
)
def test_further_keywords_are_ignored(method, keyword):
    torch.manual_seed(0)
    plain = method(mlp()).attribute(TABULAR)
    torch.manual_seed(0)
    assert torch.equal(method(mlp()).attribute(TABULAR, **{keyword: False}), plain)


ANSWERS = {
    "FeatureAblation": lambda f, x, **k: attr.FeatureAblation(f).attribute(x, **k),
    "FeaturePermutation": lambda f, x, **k: attr.FeaturePermutation(f).attribute(
        x, **k
    ),
    "KernelShap": lambda f, x, **k: attr.KernelShap(f).attribute(x, **k),
    "Lime": lambda f, x, **k: attr.Lime(f).attribute(x, **k),
    "Occlusion": lambda f, x, **k: attr.Occlusion(f).attribute(
        x, ((1,),) * len(x) if isinstance(x, tuple) else (1,), **k
    ),
    "Shapley": lambda f, x, **k: attr.Shapley(f).attribute(x, budget=20, **k),
    "ShapleyValueSampling": lambda f, x, **k: attr.ShapleyValueSampling(f).attribute(
        x, **k
    ),
    "ShapleyValues": lambda f, x, **k: attr.ShapleyValues(f).attribute(x, **k),
}


@pytest.mark.parametrize("attribute", ANSWERS.values(), ids=ANSWERS)
def test_a_tensor_for_a_tensor_and_a_tuple_for_a_tuple(attribute):
    single = attribute(mlp(), TABULAR)
    assert single.shape == (4, 3, 5)
    (only,) = attribute(mlp(), (TABULAR,))
    assert only.shape == (4, 3, 5)
    both = attribute(product_of_two, PAIR)
    assert isinstance(both, tuple)
    assert [part.shape for part in both] == [x.shape for x in PAIR]


@pytest.mark.parametrize("attribute", ANSWERS.values(), ids=ANSWERS)
def test_standard_errors_are_shaped_like_attributions(attribute):
    values, errors = attribute(mlp(), TABULAR, return_standard_error=True)
    assert values.shape == errors.shape == (4, 3, 5)
    both, their_errors = attribute(product_of_two, PAIR, return_standard_error=True)
    assert [x.shape for x in both] == [x.shape for x in their_errors]


@pytest.mark.parametrize("attribute", ANSWERS.values(), ids=ANSWERS)
def test_one_number_for_the_batch_has_a_leading_one(attribute):
    for forward in (lambda x: x.sum(), lambda x: x.sum().item(), lambda x: 3):
        assert attribute(forward, TABULAR).shape == (1, 5)
    assert attribute(lambda x: x.mean(0)[:2], TABULAR).shape == (2, 5)


def test_shapley_takes_what_the_others_take_and_a_budget():
    parameters = inspect.signature(attr.Shapley.attribute).parameters.values()
    assert positional(parameters) == [
        "self",
        "inputs",
        "baselines",
        "target",
        "additional_forward_args",
        "feature_mask",
    ]
    keywords = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert keywords == {
        "budget": inspect.Parameter.empty,
        "perturbations_per_eval": None,
        "generator": None,
        "return_standard_error": False,
        "show_progress": False,
    }
    assert attr.Shapley.get_name() == "Shapley"
    with pytest.raises(NotImplementedError, match="Shapley"):
        attr.Shapley(mlp()).attribute_future(TABULAR, budget=9)


def test_coefficients_of_groups():
    mask = torch.tensor([[7, 0, 0, 3, 7]])
    for method in (attr.KernelShap, attr.Lime):
        torch.manual_seed(0)
        full = method(mlp()).attribute(TABULAR, feature_mask=mask)
        torch.manual_seed(0)
        flat = method(mlp()).attribute(
            TABULAR, feature_mask=mask, return_input_shape=False
        )
        assert flat.shape == (4, 3, 3)
        assert torch.equal(flat[..., [2, 0, 0, 1, 2]], full)


def test_a_custom_permutation_generator_is_used():
    method = attr.ShapleyValueSampling(lambda x: x.prod(1))
    method.permutation_generator = lambda n, k: [[2, 0, 1]] * k
    values = method.attribute(torch.tensor([[2.0, 3.0, 5.0]]), n_samples=3)
    assert values.tolist() == [[0.0, 30.0, 0.0]]
