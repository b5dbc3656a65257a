"""Windows against their definition, written as loops over positions."""

from __future__ import annotations

from itertools import product
from math import ceil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.games.sliding_windows import SlidingWindows


@st.composite
def windows(draw):
    """A shape with a window and strides that fit."""
    shape = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    window = tuple(draw(st.integers(1, length)) for length in shape)
    strides = tuple(draw(st.integers(1, size)) for size in window)
    return tuple(shape), window, strides


def covers(shape, window, strides):
    """``(n, *shape)``: which elements each position covers."""
    starts = [
        [k * t for k in range(ceil((length - w) / t) + 1)]
        for length, w, t in zip(shape, window, strides, strict=True)
    ]
    masks = []
    for corner in product(*starts):
        mask = torch.zeros(shape, dtype=torch.bool)
        mask[tuple(slice(c, c + w) for c, w in zip(corner, window, strict=True))] = True
        masks.append(mask)
    return torch.stack(masks)


@given(case=windows(), seed=st.integers(0, 999))
def test_an_element_stays_if_no_removed_window_covers_it(case, seed):
    masks = covers(*case)
    players = SlidingWindows((torch.zeros(2, *case[0]),), *case[1:])
    assert players.n_players == len(masks)
    generator = torch.Generator().manual_seed(seed)
    asked = torch.rand(4, len(masks), generator=generator) < 0.5
    (stay,) = players.spread(asked)
    for row, found in zip(asked, stay, strict=True):
        gone = masks[~row].any(0) if bool((~row).any()) else torch.zeros_like(masks[0])
        assert torch.equal(found[0], ~gone)


@given(case=windows(), seed=st.integers(0, 999))
def test_the_value_of_an_element_is_the_mean_over_its_windows(case, seed):
    masks = covers(*case).double()
    players = SlidingWindows((torch.zeros(2, *case[0]),), *case[1:])
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(2, len(masks), generator=generator, dtype=torch.float64)
    (found,) = players.gather(values)
    expected = torch.tensordot(values, masks, 1) / masks.sum(0)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


def test_several_inputs_have_windows_of_their_own():
    inputs = (torch.zeros(1, 4), torch.zeros(1, 2, 2))
    players = SlidingWindows(inputs, ((2,), (1, 2)), ((2,), 1))
    assert players.n_players == 2 + 2
    one, other = players.spread(torch.tensor([[True, False, True, False]]))
    assert one[0, 0].tolist() == [True, True, False, False]
    assert other[0, 0].tolist() == [[True, True], [False, False]]
    values = players.gather(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert [part.tolist() for part in values] == [[1, 1, 2, 2], [[3, 3], [4, 4]]]


@pytest.mark.parametrize("shapes", [2, (2, 2), ((2, 2),)])
@pytest.mark.parametrize("strides", [None, 1, (1,), (1, 1), ((1, 1),)])
def test_ways_to_say_the_same(shapes, strides):
    players = SlidingWindows((torch.zeros(1, 3, 3),), shapes, strides)
    assert players.n_players == 4


def test_an_input_of_one_number_for_each_example():
    players = SlidingWindows((torch.zeros(4),), ())
    assert players.n_players == 1
    assert torch.equal(players.gather(torch.tensor([3.0]))[0], torch.tensor(3.0))
    assert players.spread(torch.tensor([[False]]))[0].shape == (1, 1)


def test_whole_values_have_floating_means():
    players = SlidingWindows((torch.zeros(1, 3),), (2,))
    (found,) = players.gather(torch.tensor([1, 2]))
    assert found.tolist() == [1.0, 1.5, 2.0]
    assert found.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_means_keep_the_type(dtype):
    players = SlidingWindows((torch.zeros(1, 3),), (2,))
    (found,) = players.gather(torch.tensor([1, 2], dtype=dtype))
    assert found.dtype == dtype


@pytest.mark.parametrize(
    ("shapes", "strides", "message"),
    [
        ((5,), None, r"sliding_window_shapes\[0\] \(5,\) must not exceed .*\(4,\)"),
        ((2, 1), None, r"sliding_window_shapes\[0\] must hold 1 positive ints"),
        ((0,), None, r"sliding_window_shapes\[0\] must hold 1 positive ints"),
        ((-1,), None, r"sliding_window_shapes\[0\] must hold 1 positive ints"),
        (2.0, None, "sliding_window_shapes must hold one tuple of ints"),
        ([2], None, "sliding_window_shapes must hold one tuple of ints"),
        (((2,), (2,)), None, "for each of the 1 inputs"),
        (((2.0,),), None, r"sliding_window_shapes\[0\] must hold 1 positive ints"),
        (("2",), None, r"sliding_window_shapes\[0\] must hold 1 positive ints"),
        ((2,), (3,), r"strides\[0\] \(3,\) must not exceed sliding_window_shapes\[0\]"),
        ((2,), (0,), r"strides\[0\] must hold 1 positive ints"),
        ((2,), (1, 1), r"strides\[0\] must hold 1 positive ints"),
    ],
)
def test_windows_that_do_not_fit(shapes, strides, message):
    with pytest.raises(InputError, match=message):
        SlidingWindows((torch.zeros(1, 4),), shapes, strides)


def test_everything_is_on_the_device_of_the_inputs(device):
    players = SlidingWindows((torch.zeros(1, 4, device=device),), (2,), (2,))
    asked = torch.tensor([[True, False]], device=device)
    assert players.spread(asked)[0].device.type == device.type
    assert players.gather(torch.ones(2, device=device))[0].device.type == device.type
