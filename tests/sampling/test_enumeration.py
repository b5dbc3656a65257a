"""Blocks hold every coalition once, numbered in binary."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.sampling.enumeration import coalition_block


@given(st.data())
def test_blocks_together_are_all_coalitions_in_order(data):
    n = data.draw(st.integers(1, 8))
    n_low = data.draw(st.integers(1, n))
    blocks = [coalition_block(n, n_low, high) for high in range(2 ** (n - n_low))]
    numbers = (torch.cat(blocks).long() * 2 ** torch.arange(n)).sum(1)
    assert torch.equal(numbers, torch.arange(2**n))


def test_a_block_belongs_to_its_caller(device):
    coalition_block(4, 4, 0, device=device).fill_(True)
    again = coalition_block(4, 4, 0, device=device)
    assert again.sum(1).tolist() == [number.bit_count() for number in range(16)]
    assert again.device.type == device.type
