"""Any type in; float64 is kept, integers give floating Shapley values."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from tests.attr.cases import TABULAR, mlp, normal
from torchattr import attr
from torchattr.errors import InputError

SHAPLEY = [attr.ShapleyValues, attr.ShapleyValueSampling, attr.KernelShap]
FLOATING = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
WHOLE = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
DEFAULT = torch.float32


@pytest.mark.parametrize("method", [*SHAPLEY, attr.FeatureAblation])
@pytest.mark.parametrize("dtype", FLOATING)
def test_the_type_of_the_output_is_kept(method, dtype, device):
    x = torch.tensor([[1, 2, 4]], dtype=dtype, device=device)
    values, errors = method(lambda x: x.sum(1)).attribute(x, return_standard_error=True)
    assert values.dtype == errors.dtype == dtype
    assert values.device.type == device.type
    torch.testing.assert_close(values, x)


@pytest.mark.parametrize("method", [*SHAPLEY, attr.FeatureAblation])
@pytest.mark.parametrize("dtype", WHOLE)
def test_inputs_of_any_type(method, dtype):
    x = torch.tensor([[1, 0, 1]]).to(dtype)
    seen = []

    def forward(x):
        seen.append(x.dtype)
        return x.float() @ torch.tensor([1.0, 2.0, 4.0])

    assert method(forward).attribute(x).tolist() == [[1.0, 0.0, 4.0]]
    assert set(seen) == {dtype}


@pytest.mark.parametrize("method", SHAPLEY)
@pytest.mark.parametrize("dtype", WHOLE)
def test_whole_outputs_have_floating_shapley_values(method, dtype):
    values = method(lambda x: x.prod(1).to(dtype)).attribute(torch.tensor([[1, 1]]))
    assert values.dtype == DEFAULT
    torch.testing.assert_close(values.sum(1), torch.ones(1))


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(torch.int64, torch.int64), (torch.int16, torch.int16), (torch.int8, torch.int8)],
)
def test_ablation_of_whole_outputs_is_whole(dtype, expected):
    x = torch.tensor([[3, -2]])
    values = attr.FeatureAblation(lambda x: x.sum(1).to(dtype)).attribute(x)
    assert values.dtype == expected
    assert values.tolist() == [[3, -2]]


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8])
def test_ablation_of_an_unsigned_output_goes_below_zero(dtype):
    x = torch.tensor([[0, 1]])
    method = attr.FeatureAblation(lambda x: (x.sum(1) == 0).to(dtype))
    values = method.attribute(x)
    assert values.tolist() == [[0, -1]]
    assert values.dtype == torch.int64


@pytest.mark.parametrize("method", [*SHAPLEY, attr.FeatureAblation])
def test_python_numbers(method):
    x = torch.tensor([[3, 4]])
    for forward in (lambda x: int(x.sum()), lambda x: float(x.sum())):
        values = method(forward).attribute(x)
        assert values.tolist() == [[3.0, 4.0]]
    assert values.dtype == DEFAULT
    assert (
        attr.FeatureAblation(lambda x: int(x.sum())).attribute(x).dtype == torch.int64
    )


def test_python_floats_are_doubles_until_the_difference_is_taken():
    x = torch.tensor([[1, 2]])
    for method in (*SHAPLEY, attr.FeatureAblation):
        values = method(lambda x: 1e9 + float(x.sum())).attribute(x)
        assert values.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("method", SHAPLEY)
def test_sums_are_in_float64_even_for_half_precision(method):
    # Each bfloat16 output is exact; a mean in bfloat16 of many of them would not be.
    x = torch.ones(1, 8, dtype=torch.bfloat16)
    values = method(lambda x: x.sum(1) ** 2).attribute(x)
    assert float((values.double().sum() - 64).abs()) < 0.5


@pytest.mark.parametrize("method", [*SHAPLEY, attr.FeatureAblation, attr.Occlusion])
def test_a_bfloat16_model(method, device):
    model = deepcopy(mlp()).to(device=device, dtype=torch.bfloat16)
    x = TABULAR.to(device=device, dtype=torch.bfloat16)
    arguments = ((2,),) if method is attr.Occlusion else ()
    torch.manual_seed(0)
    values = method(model).attribute(x, *arguments, target=1)
    assert values.dtype == torch.bfloat16
    torch.manual_seed(0)
    expected = method(mlp()).attribute(TABULAR, *arguments, target=1)
    torch.testing.assert_close(values.cpu().float(), expected, atol=0.03, rtol=0.03)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_overlapping_windows_do_not_lose_the_precision_of_a_half(dtype):
    x = torch.full((1, 40, 40), 0.1).to(dtype)
    values = attr.Occlusion(lambda x: x[:, 20, 20]).attribute(x, (20, 20))
    assert values.dtype == dtype
    exact = attr.Occlusion(lambda x: x[:, 20, 20]).attribute(x.double(), (20, 20))
    torch.testing.assert_close(values, exact.to(dtype))


def test_windows_do_not_depend_on_the_precision_of_matrix_products():
    x = normal(1, 6, 6)
    before = torch.get_float32_matmul_precision()
    expected = attr.Occlusion(lambda x: x.sum((1, 2))).attribute(x, (3, 3))
    torch.set_float32_matmul_precision("medium")
    try:
        values = attr.Occlusion(lambda x: x.sum((1, 2))).attribute(x, (3, 3))
    finally:
        torch.set_float32_matmul_precision(before)
    assert torch.equal(values, expected)


def test_a_distribution_of_baselines_is_averaged_in_float64():
    # The mean, 257, is no bfloat16; the difference to it, -1, is.
    samples = torch.tensor([[258.0], [256.0]], dtype=torch.bfloat16)
    x = torch.full((1, 1), 256.0, dtype=torch.bfloat16)
    for method in (*SHAPLEY, attr.FeatureAblation):
        values = method(lambda x: x.sum(1)).attribute(
            x, attr.BaselineDistribution(samples)
        )
        assert values.dtype == torch.bfloat16
        assert values.tolist() == [[-1.0]]


def test_the_default_type_is_pytorchs():
    torch.set_default_dtype(torch.float64)
    try:
        values = attr.ShapleyValues(lambda x: int(x.sum())).attribute(torch.ones(1, 2))
    finally:
        torch.set_default_dtype(torch.float32)
    assert values.dtype == torch.float64


@pytest.mark.filterwarnings("ignore:Casting complex values:UserWarning")
@pytest.mark.parametrize("method", SHAPLEY)
def test_complex_outputs_are_refused(method):
    with pytest.raises(InputError, match="real"):
        method(lambda x: x.sum(1) * 1j).attribute(torch.ones(1, 2))


def test_half_precision_inputs_keep_their_baselines():
    x = torch.ones(1, 2, dtype=torch.float16)
    values = attr.FeatureAblation(lambda x: x.sum(1)).attribute(
        x, torch.full((2,), 0.5)
    )
    assert values.dtype == torch.float16
    assert values.tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [(0.5, [[0.5, -0.5]]), (True, [[0, -1]]), (2, [[-1, -2]])],
)
def test_a_baseline_that_a_bool_cannot_hold_promotes(baseline, expected):
    x = torch.tensor([[True, False]])
    values = attr.FeatureAblation(lambda x: x.sum(1)).attribute(x, baseline)
    assert values.tolist() == expected
