"""Shuffling between examples: one permutation for a group, never the identity."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.attr.cases import TABULAR, mlp, normal, seeded
from torchattr.attr import FeaturePermutation
from torchattr.attr.feature_permutation import permute_feature
from torchattr.errors import InputError


def shuffled_inputs(inputs, feature_mask=None, **options):
    """Each variant that the model sees after the first, as it came."""
    seen = []

    def forward(*variant):
        seen.append(tuple(part.clone() for part in variant))
        return variant[0].sum(1)

    FeaturePermutation(forward).attribute(
        inputs, feature_mask=feature_mask, perturbations_per_eval=1, **options
    )
    return seen[1:]


@given(seed=st.integers(0, 999), rows=st.integers(2, 6))
def test_only_the_feature_moves_and_it_does_move(seed, rows):
    x = torch.arange(rows * 3.0).reshape(rows, 3)
    for feature, (variant,) in enumerate(shuffled_inputs(x, generator=seeded(seed))):
        others = [k for k in range(3) if k != feature]
        assert torch.equal(variant[:, others], x[:, others])
        assert torch.equal(variant[:, feature].sort().values, x[:, feature])
        assert not torch.equal(variant[:, feature], x[:, feature])


@given(seed=st.integers(0, 999))
def test_a_group_moves_by_one_permutation_also_across_inputs(seed):
    rows = torch.arange(5.0)[:, None]
    inputs = (rows.repeat(1, 3), rows.repeat(1, 2))
    mask = (torch.tensor([[0, 1, 1]]), torch.tensor([[1, 2]]))
    first, second, third = shuffled_inputs(inputs, mask, generator=seeded(seed))
    assert torch.equal(first[1], inputs[1])
    donors = second[0][:, 1]
    assert torch.equal(second[0][:, 2], donors)
    assert torch.equal(second[1][:, 0], donors)
    assert torch.equal(second[1][:, 1], rows[:, 0])
    assert torch.equal(third[0], inputs[0])


def test_permutations_are_uniform_without_the_identity():
    rows, counts = torch.arange(3.0)[:, None], {}
    generator = seeded(1)
    for _ in range(600):
        ((variant,),) = shuffled_inputs(rows, generator=generator)
        order = tuple(variant[:, 0].tolist())
        counts[order] = counts.get(order, 0) + 1
    assert (0.0, 1.0, 2.0) not in counts
    assert len(counts) == 5
    assert all(abs(count - 120) < 5 * 120**0.5 for count in counts.values())


def test_a_group_that_spans_inputs_is_drawn_for_once():
    inputs = (normal(4, 2), normal(4, 2))
    mask = (torch.tensor([[0, 1]]), torch.tensor([[0, 1]]))
    torch.manual_seed(0)
    FeaturePermutation(lambda a, b: a.sum(1)).attribute(inputs, feature_mask=mask)
    found = torch.rand(1)
    torch.manual_seed(0)
    for _ in range(2):
        while torch.equal(torch.randperm(4), torch.arange(4)):
            pass
    assert torch.equal(torch.rand(1), found)


def test_repeated_shuffles_are_averaged_with_their_error():
    generator = seeded(2)
    single = torch.stack([
        FeaturePermutation(mlp()).attribute(TABULAR, generator=generator)
        for _ in range(8)
    ])
    values, errors = FeaturePermutation(mlp()).attribute(
        TABULAR, n_samples=8, generator=seeded(2), return_standard_error=True
    )
    torch.testing.assert_close(values, single.mean(0), atol=1e-6, rtol=1e-5)
    expected = single.std(0) / 8**0.5
    torch.testing.assert_close(errors, expected, atol=1e-6, rtol=1e-4)


def test_one_shuffle_says_nothing_about_its_error():
    _, errors = FeaturePermutation(mlp()).attribute(TABULAR, return_standard_error=True)
    assert bool(errors.isnan().all())


def test_the_importance_of_a_loss():
    x, y = torch.tensor([[1.0, 5.0], [2.0, 5.0]]), torch.tensor([1.0, 2.0])
    values = FeaturePermutation(lambda x, y: (x[:, 0] - y).square().mean()).attribute(
        x, additional_forward_args=y
    )
    assert values.tolist() == [[-1.0, 0.0]]


def test_a_function_of_ones_own_sees_one_feature_at_a_time():
    seen = []

    def reverse(x, feature_mask):
        seen.append(feature_mask.int().tolist())
        return torch.where(feature_mask, x.flip(0), x)

    x = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    values = FeaturePermutation(lambda x: x.sum(1), reverse).attribute(x)
    assert values.tolist() == [[-2.0, -3.0], [2.0, 3.0]]
    assert seen == [[[1, 0]], [[0, 1]]]


def test_the_default_function_may_be_called_directly():
    x = normal(5, 3)
    moved = permute_feature(x, torch.tensor([[True, False, True]]))
    assert torch.equal(moved[:, 1], x[:, 1])
    row = [int((x[:, 0] == value).nonzero()) for value in moved[:, 0]]
    assert torch.equal(moved[:, 2], x[row, 2])
    assert row != list(range(5))


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.bfloat16])
def test_inputs_of_any_type(dtype):
    x = torch.tensor([[1, 0], [0, 1]]).to(dtype)
    for (variant,), column in zip(shuffled_inputs(x), (0, 1), strict=True):
        assert variant.dtype == dtype
        assert torch.equal(variant[:, column], x[:, column].flip(0))


def test_a_group_of_inputs_with_different_rows():
    mask = (torch.tensor([[0, 1]]), torch.tensor([[1, 2]]))
    with pytest.raises(InputError, match=r"feature_mask id 1 spans .* 4 and 3 rows"):
        FeaturePermutation(lambda a, b: a.sum(1)).attribute(
            (normal(4, 2), normal(3, 2)), feature_mask=mask
        )


def test_on_any_device(device):
    x = TABULAR.to(device)
    for generator in (None, torch.Generator(device), seeded()):
        values = FeaturePermutation(lambda x: x.sum(1)).attribute(
            x, generator=generator
        )
        assert values.device.type == device.type
        assert float(values.sum(0).abs().max()) < 1e-5


@pytest.mark.parametrize("rows", [(4, 1), (1, 4)])
def test_a_group_with_a_tensor_of_one_row_is_left_alone(rows):
    inputs = tuple(normal(count, 2, seed=count) for count in rows)
    mask = (torch.tensor([[0, 1]]), torch.tensor([[1, 2]]))
    variants = shuffled_inputs(inputs, mask)
    assert all(torch.equal(*pair) for pair in zip(variants[1], inputs, strict=True))
    moved = variants[0 if rows[0] == 4 else 2]
    assert not all(torch.equal(*pair) for pair in zip(moved, inputs, strict=True))
