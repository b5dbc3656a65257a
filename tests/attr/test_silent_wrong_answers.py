"""What captum 0.9.0 gets wrong without a word: the right number, or an InputError."""

from __future__ import annotations

import re
from functools import partial

import pytest
import torch

from tests.attr.cases import TABULAR, mlp, normal
from torchattr import attr
from torchattr.errors import InputError

X = torch.tensor([[1.0, 2.0, 3.0]])
METHODS = {
    "FeatureAblation": lambda f: attr.FeatureAblation(f).attribute,
    "KernelShap": lambda f: attr.KernelShap(f).attribute,
    "Lime": lambda f: attr.Lime(f, attr.Lasso(1e-7)).attribute,
    "Shapley": lambda f: partial(attr.Shapley(f).attribute, budget=40),
    "ShapleyValueSampling": lambda f: attr.ShapleyValueSampling(f).attribute,
    "ShapleyValues": lambda f: attr.ShapleyValues(f).attribute,
}
by_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
without_similarity = pytest.mark.parametrize(
    "method", [attr.FeatureAblation, attr.ShapleyValueSampling, attr.ShapleyValues]
)
nan, inf = torch.nan, torch.inf


def close(actual, expected):
    expected = torch.tensor(expected)
    torch.testing.assert_close(actual, expected, atol=1e-3, rtol=1e-4)


@by_method
@pytest.mark.parametrize(
    "forward", [lambda x: x.sum().reshape(1), torch.sum, lambda x: x.sum().item()]
)
def test_1_an_aggregate_of_one_example_in_batches_of_variants(method, forward):
    close(method(forward)(X, perturbations_per_eval=3), [[1.0, 2.0, 3.0]])


def two_sums(x):
    return torch.stack([x.sum(), 2 * x.sum()])


@by_method
def test_2_an_output_as_long_as_the_batch_that_does_not_grow(method):
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    answer = method(two_sums)(x, perturbations_per_eval=3)
    close(answer, [[4.0, 6.0], [8.0, 12.0]])


def test_3_no_verdict_is_kept_from_an_earlier_call():
    method = attr.FeatureAblation(lambda x: x.sum().reshape(1))
    for perturbations_per_eval in (None, 3, 1, 3):
        answer = method.attribute(X, perturbations_per_eval=perturbations_per_eval)
        close(answer, [[1.0, 2.0, 3.0]])
    method.forward_func = lambda x: x.sum(1)
    close(method.attribute(X.repeat(2, 1), perturbations_per_eval=3), [[1.0, 2, 3]] * 2)


@pytest.mark.parametrize("perturbations_per_eval", [1, 3, None])
def test_4_shuffling_beside_a_tensor_of_one_row(perturbations_per_eval):
    method = attr.FeaturePermutation(lambda x, w: (x * w).sum(1))
    x, w = torch.tensor([[1.0, 5.0], [2.0, 7.0]]), torch.tensor([[3.0, 1.0]])
    ours, shared = method.attribute(
        (x, w), perturbations_per_eval=perturbations_per_eval
    )
    close(ours, [[-3.0, -2.0], [3.0, 2.0]])
    assert not bool(shared.any())


def test_5_float64_is_kept_so_that_values_add_up_at_a_high_dynamic_range():
    x = torch.tensor([[1e9, 1e-3, 1.0]], dtype=torch.float64)
    for method in (attr.ShapleyValues, attr.ShapleyValueSampling):
        values = method(lambda x: x.sum(1)).attribute(x)
        assert values.dtype == torch.float64
        assert float((values - x).abs().max()) < 1e-6


@by_method
@pytest.mark.parametrize("baseline", [0.5, torch.full((1, 2), 0.5), (0.5,)])
def test_6_a_fractional_baseline_for_integers(method, baseline):
    x = torch.tensor([[2, 3]])
    x = (x,) if isinstance(baseline, tuple) else x
    answer = method(lambda x: x.float().sum(1))(x, baseline)
    close(answer[0] if isinstance(answer, tuple) else answer, [[1.5, 2.5]])


def first_feature(x):
    return x[:, 0]


@without_similarity
@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_7_what_is_removed_or_not_used_cannot_leak(method, bad):
    attribute = method(first_feature).attribute
    close(attribute(torch.tensor([[1.0, bad]]), 0.0), [[1.0, 0.0]])
    close(attribute(torch.ones(1, 2), torch.tensor([[0.0, bad]])), [[1.0, 0.0]])


def test_7_lime_refuses_what_has_no_similarity():
    with pytest.raises(InputError, match="must be finite for the default similarity"):
        attr.Lime(first_feature).attribute(torch.tensor([[1.0, nan]]))


@by_method
def test_7_a_value_that_is_not_finite_names_its_coalition(method):
    with pytest.raises(InputError, match=r"forward_func.*finite.*players \{"):
        method(lambda x: 1 / x[:, 0])(X, 0.0, perturbations_per_eval=2)


def test_7_ablation_by_nan_reports_the_feature():
    baselines = torch.tensor([[0.0, nan, 0.0]])
    with pytest.raises(InputError, match=r"players \{0, 2\} \(2 of 3\) stay"):
        attr.FeatureAblation(lambda x: x.sum(1)).attribute(X, baselines)


@by_method
def test_8_a_mask_for_one_of_two_inputs(method):
    with pytest.raises(InputError, match="feature_mask must hold one mask for each"):
        method(lambda a, b: a.sum(1))((X, X), feature_mask=(torch.zeros(1, 3).long(),))
    with pytest.raises(InputError, match="feature_mask must hold one mask for each"):
        method(lambda a, b: a.sum(1))((X, X), feature_mask=torch.zeros(1, 3).long())


@by_method
@pytest.mark.parametrize(
    "mask", [[[0.0, 0.5, 1.0]], [[0, -1, 1]], [[0.0, nan, 1.0]], [[0.0, inf, 1.0]]]
)
def test_8_ids_that_are_no_whole_numbers_from_zero(method, mask):
    with pytest.raises(InputError, match=r"feature_mask\[0\] must hold"):
        method(lambda x: x.sum(1))(X, feature_mask=torch.tensor(mask))


@by_method
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.int32, torch.bool])
def test_8_whole_numbers_of_any_type_are_ids(method, dtype):
    mask = torch.tensor([[1, 0, 1]]).to(dtype)
    close(method(lambda x: x.sum(1))(X, feature_mask=mask), [[4.0, 2.0, 4.0]])


@pytest.mark.parametrize(
    "method",
    [attr.FeaturePermutation, attr.KernelShap, attr.Lime, attr.ShapleyValueSampling],
)
@pytest.mark.parametrize("n_samples", [0, -1, 2.5, "3", None, True])
def test_9_a_number_of_samples_that_is_none(method, n_samples):
    with pytest.raises(InputError, match="n_samples"):
        method(mlp()).attribute(TABULAR, n_samples=n_samples)


@pytest.mark.parametrize("count", [0, 1, -1, 2.5, "3", None, True])
def test_9_a_budget_that_is_none(count):
    with pytest.raises(InputError, match="budget"):
        attr.Shapley(mlp()).attribute(TABULAR, budget=count)
    with pytest.raises(InputError, match="n_samples"):
        attr.KernelShap(mlp()).attribute(TABULAR, n_samples=count)


@by_method
@pytest.mark.parametrize("rows", [2, 5])
def test_9_a_baseline_with_more_rows_than_the_input(method, rows):
    with pytest.raises(InputError, match=rf"baselines\[0\] .*\({rows}, 3\).*\(1, 3\)"):
        method(lambda x: x.sum(1))(X, torch.zeros(rows, 3))


@by_method
def test_9_a_baseline_with_fewer_rows_than_the_input(method):
    with pytest.raises(InputError, match=r"baselines\[0\] .*\(2, 5\).*\(4, 5\)"):
        method(mlp())(TABULAR, torch.zeros(2, 5))


# Item 10, answers out of order, is in test_futures.py.


@by_method
@pytest.mark.parametrize(
    "reshaped",
    [
        lambda mask: mask.expand(4, 5),
        lambda mask: mask.expand(4, 5).T.contiguous().T,
        lambda mask: mask[0],
        lambda mask: mask.repeat(1, 2)[:, :5],
    ],
    ids=["expanded", "transposed", "without a batch", "sliced"],
)
def test_crash_masks_in_any_layout(method, reshaped):
    mask, answers = torch.tensor([[0, 2, 2, 1, 0]]), []
    for layout in (reshaped(mask), mask):
        torch.manual_seed(0)
        answers.append(method(mlp())(TABULAR, feature_mask=layout))
    assert torch.equal(*answers)


def test_crash_a_mask_of_tokens_over_embeddings():
    embedded = normal(2, 3, 4)
    mask = torch.arange(3)[None, :, None].expand_as(embedded)
    values = attr.ShapleyValues(lambda x: x.sum((1, 2))).attribute(
        embedded, feature_mask=mask
    )
    close(values, embedded.sum(2, keepdim=True).expand_as(embedded).tolist())


@by_method
@pytest.mark.parametrize("mask", [torch.tensor(0), torch.tensor([[3]])])
def test_crash_a_mask_without_dimensions_is_one_group(method, mask):
    close(method(lambda x: x.sum(1))(X, feature_mask=mask), [[6.0, 6.0, 6.0]])


@by_method
def test_crash_one_feature(method):
    close(method(lambda x: 3 * x[:, 0])(torch.tensor([[2.0], [1.0]])), [[6.0], [3.0]])


@pytest.mark.parametrize("sampling", ["permutation", "antithetic", "orthogonal"])
def test_crash_one_feature_by_any_sampling(sampling):
    values, errors = attr.ShapleyValueSampling(lambda x: 3 * x[:, 0]).attribute(
        torch.tensor([[2.0]]), sampling=sampling, return_standard_error=True
    )
    assert (values.tolist(), errors.tolist()) == ([[6.0]], [[0.0]])


@by_method
@pytest.mark.parametrize("shape", [(0, 3), (0,)])
def test_crash_an_empty_batch(method, shape):
    with pytest.raises(InputError, match="inputs must have a batch dimension"):
        method(lambda x: x.sum(1))(torch.zeros(shape))


@by_method
def test_crash_no_features(method):
    with pytest.raises(InputError, match="inputs must hold at least one element"):
        method(lambda x: x.sum(1))(torch.zeros(2, 0))


@by_method
def test_crash_an_empty_tensor_beside_another(method):
    for empty in (torch.zeros(1, 0), torch.zeros(0, 4)):
        answer = method(lambda x, y: x.sum(1) + y.sum())((X, empty))
        close(answer[0], X.tolist())
        assert answer[1].shape == (1, *empty.shape[1:])


@by_method
def test_crash_shared_tensors_among_the_additional_arguments(method):
    weights = torch.tensor([[1.0, 2.0], [0.0, 1.0], [1.0, 1.0]])
    answer = method(lambda x, w: (x @ w)[:, 1])(
        X, additional_forward_args=weights, perturbations_per_eval=4
    )
    close(answer, [[2.0, 2.0, 3.0]])


def test_crash_occlusion_of_several_inputs_on_any_device(device):
    x = torch.tensor([[1.0, 2.0, 4.0]], device=device)
    method = attr.Occlusion(lambda a, b: a.sum(1) + 2 * b.sum(1))
    for perturbations_per_eval in (1, 3, None):
        answer = method.attribute(
            (x, x), ((2,), (1,)), perturbations_per_eval=perturbations_per_eval
        )
        close(answer[0].cpu(), [[3.0, 4.5, 6.0]])
        close(answer[1].cpu(), [[2.0, 4.0, 8.0]])


def test_crash_a_batch_of_one_has_nothing_to_shuffle():
    assert attr.FeaturePermutation(mlp()).attribute(TABULAR[:1]).tolist() == [
        [[0.0] * 5] * 3
    ]


def test_masks_for_each_example_on_an_aggregate():
    mask = torch.tensor([[0, 0, 1, 1, 2], [2, 1, 0, 0, 0]]).repeat(2, 1)
    for method in METHODS.values():
        with pytest.raises(InputError, match=r"different masks.*feature_mask"):
            method(lambda x: x.sum())(TABULAR, feature_mask=mask)
        with pytest.raises(InputError, match=r"different masks.*feature_mask"):
            method(lambda x: x.sum(0))(TABULAR, feature_mask=mask)


@by_method
@pytest.mark.parametrize("inputs", [[X], [[1.0, 2.0]], None, 3.0, (), (X, [1.0])])
def test_inputs_that_are_not_tensors(method, inputs):
    with pytest.raises(InputError, match="inputs"):
        method(lambda *x: x[0].sum(1))(inputs)


@by_method
@pytest.mark.parametrize(
    "output", [(torch.zeros(1),), [1.0], {"logits": torch.zeros(1)}, None, "1"]
)
def test_outputs_that_are_no_numbers(method, output):
    with pytest.raises(InputError, match=r"return of forward_func.*wrap the model"):
        method(lambda x: output)(X)


@by_method
def test_outputs_that_change_their_shape(method):
    sizes = iter(range(1, 100))
    with pytest.raises(InputError, match="forward_func must return outputs of one"):
        method(lambda x: torch.zeros(len(x) + next(sizes)))(X)


@by_method
@pytest.mark.parametrize("shape", [(1, 4), (2, 3), (1, 1, 3), (0, 3)])
def test_masks_that_do_not_broadcast_name_both_shapes(method, shape):
    mask = torch.zeros(shape, dtype=torch.int64)
    both = re.escape("(1, 3)") + ".*" + re.escape(str(shape))
    with pytest.raises(InputError, match=rf"feature_mask\[0\].*{both}"):
        method(lambda x: x.sum(1))(X, feature_mask=mask)


@by_method
@pytest.mark.parametrize("mask", [[0, 1, 1], "mask", 3, (torch.zeros(3), None)])
def test_masks_that_are_not_tensors(method, mask):
    with pytest.raises(InputError, match="feature_mask must"):
        method(lambda x: x.sum(1))(X, feature_mask=mask)


def test_ids_that_are_too_large_for_a_table():
    mask = torch.tensor([[0, 10**12, 1]])
    with pytest.raises(InputError, match=r"feature_mask ids must be below"):
        attr.FeatureAblation(mlp()).attribute(X, feature_mask=mask)


@pytest.mark.parametrize("sampling", ["antithetic ", None, "sobol"])
def test_samplings_that_there_are_not(sampling):
    with pytest.raises(InputError, match='sampling must be "permutation"'):
        attr.ShapleyValueSampling(mlp()).attribute(TABULAR, sampling=sampling)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((6,),), r"sliding_window_shapes\[0\] \(6,\) must not exceed"),
        (((0,),), r"sliding_window_shapes\[0\] must hold 1 positive"),
        (((2, 2),), r"sliding_window_shapes\[0\] must hold 1 positive"),
        (((2,), (3,)), r"strides\[0\] \(3,\) must not exceed"),
        (((2,), (0,)), r"strides\[0\] must hold 1 positive"),
        ((((2,), (2,)),), r"sliding_window_shapes must hold one tuple"),
        (([2],), r"sliding_window_shapes must hold one tuple"),
        ((((2.5,),),), r"sliding_window_shapes\[0\] must hold 1 positive"),
        (((None,),), r"sliding_window_shapes\[0\] must hold 1 positive"),
        (((2,), "1"), r"strides must hold one tuple"),
    ],
)
def test_windows_that_do_not_fit(arguments, message):
    with pytest.raises(InputError, match=message):
        attr.Occlusion(mlp()).attribute(TABULAR, *arguments)


def test_handlers_written_for_captum_catch_these_errors():
    for expected in (AssertionError, ValueError):
        with pytest.raises(expected):
            attr.ShapleyValueSampling(mlp()).attribute([TABULAR])
