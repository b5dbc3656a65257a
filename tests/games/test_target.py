"""Targets index what follows the batch dimension, variants outermost."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.games.target import Target


def outputs(*shape):
    return torch.arange(float(torch.Size(shape).numel())).reshape(shape)


def test_none_is_everything():
    y = outputs(6, 3, 2)
    assert Target(None).select(y, 2) is y


@pytest.mark.parametrize("target", [1, np.int32(1), torch.tensor(1), torch.tensor([1])])
@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 2)])
def test_one_for_all(target, shape):
    y = outputs(*shape)
    assert torch.equal(Target(target).select(y, 2), y[:, 1])


def test_a_tuple_goes_into_as_many_dimensions():
    y = outputs(6, 3, 2, 4)
    assert torch.equal(Target((2, 1)).select(y, 2), y[:, 2, 1])
    assert torch.equal(Target((2, -1, 0)).select(y, 2), y[:, 2, 1, 0])


@given(
    target=st.lists(st.integers(-3, 2), min_size=1, max_size=4),
    n_variants=st.integers(1, 3),
    as_tensor=st.booleans(),
)
def test_one_for_each_example_again_for_each_variant(target, n_variants, as_tensor):
    y = outputs(n_variants * len(target), 3, 2)
    found = Target(torch.tensor(target) if as_tensor else target).select(y, n_variants)
    if as_tensor and len(target) == 1:
        assert torch.equal(found, y[:, target[0]])
        return
    by_hand = [y[row, target[row % len(target)]] for row in range(len(y))]
    assert torch.equal(found, torch.stack(by_hand))


def test_a_tuple_for_each_example():
    y = outputs(4, 3, 2)
    found = Target([(0, 1), (2, 0)]).select(y, 2)
    assert found.tolist() == [y[0, 0, 1], y[1, 2, 0], y[2, 0, 1], y[3, 2, 0]]


@pytest.mark.parametrize(
    "target",
    [1.0, "1", [1.0], [[1]], [], (), ("a",), {1}, [(0,), (0, 1)], [0, (1,)], [None]],
)
def test_what_is_no_target(target):
    with pytest.raises(InputError, match=r"Target type .* is not valid"):
        Target(target)


@pytest.mark.parametrize(
    "target", [torch.tensor([1.0]), torch.tensor([1j]), torch.zeros(2, 2).long()]
)
def test_what_is_no_target_among_tensors(target):
    with pytest.raises(InputError, match="target "):
        Target(target)


@pytest.mark.parametrize("target", [3, -4, (0, 2), [0, 3, 0], torch.tensor([0, 0, -4])])
def test_out_of_range(target):
    with pytest.raises(InputError, match=r"target must lie in \[-\d, \d\)"):
        Target(target).select(outputs(6, 3, 2), 2)


@pytest.mark.parametrize("target", [0, [0, 0, 0], (0,)])
def test_nothing_to_choose_from(target):
    with pytest.raises(InputError, match="pass target=None"):
        Target(target).select(outputs(6), 2)


@pytest.mark.parametrize("target", [[0, 1], [0] * 6, torch.tensor([0, 1])])
def test_not_one_for_each_example(target):
    with pytest.raises(InputError, match="one entry for each example"):
        Target(target).select(outputs(6, 3), 2)


def test_on_the_device_of_the_output(device):
    y = outputs(4, 3).to(device)
    target = torch.tensor([0, 2], device=device)
    assert Target(target).select(y, 2).device.type == device.type
