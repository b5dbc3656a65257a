"""Moments can be merged in any way, and stay exact far from zero."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.estimation.moments import Moments

numbers = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8)


def of(values):
    return Moments.of(torch.tensor(values, dtype=torch.float64))


def none():
    return Moments.none((), torch.device("cpu"))


def same(one, other):
    assert one.count == other.count
    torch.testing.assert_close(one.mean, other.mean, atol=1e-9, rtol=0)
    torch.testing.assert_close(one.squares, other.squares, atol=1e-6, rtol=1e-9)


@given(left=numbers, right=numbers)
def test_merging_is_as_if_all_had_come_at_once(left, right):
    same(of(left).merged(of(right)), of(left + right))


@given(left=numbers, middle=numbers, right=numbers)
def test_the_order_of_merging_does_not_matter(left, middle, right):
    one, two, three = map(of, (left, middle, right))
    same(one.merged(two).merged(three), three.merged(one.merged(two)))


@given(values=numbers)
def test_none_is_neutral(values):
    same(none().merged(of(values)), of(values))
    same(of(values).merged(none()), of(values))


@given(values=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=9))
def test_the_standard_error_of_the_mean(values):
    expected = torch.tensor(values, dtype=torch.float64).std() / len(values) ** 0.5
    torch.testing.assert_close(
        of(values).standard_error, expected, atol=1e-9, rtol=1e-9
    )


def test_one_replicate_has_no_standard_error():
    assert Moments.of(torch.ones(1, 3)).standard_error.isnan().tolist() == [True] * 3
    assert none().standard_error.isnan()


def test_each_entry_has_its_own():
    moments = Moments.of(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    assert moments.mean.tolist() == [2, 5]
    assert moments.standard_error.tolist() == [1, 0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.int64])
def test_everything_is_summed_in_float64(dtype):
    moments = Moments.of(torch.tensor([1, 2]).to(dtype))
    assert moments.mean.dtype == moments.squares.dtype == torch.float64


def test_small_differences_far_from_zero():
    values = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64) + 1e9
    parts = [Moments.of(part) for part in values.split(1)]
    merged = parts[0].merged(parts[1]).merged(parts[2])
    assert float(merged.squares) == pytest.approx(2, rel=1e-6)
