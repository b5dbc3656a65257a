"""The bytes of tensors of any type, layout and stride."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from torchattr.games.tensor_bytes import tensor_bytes

ROWS = torch.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize(
    "tensor",
    [
        ROWS,
        ROWS.T,
        ROWS[1:2, 2],
        ROWS[0, 0].expand(3),
        ROWS[:0],
        torch.tensor(3),
        ROWS > 3,
        ROWS.to_sparse(),
        torch.view_as_complex(ROWS.reshape(6, 2)).conj(),
    ],
)
def test_bytes_are_those_of_the_elements_in_order(tensor, device):
    dense = tensor.to_dense() if tensor.is_sparse else tensor
    expected = np.ascontiguousarray(dense.resolve_conj().numpy()).tobytes()
    assert bytes(tensor_bytes(tensor.to(device))) == expected


def test_types_that_numpy_lacks():
    half = torch.tensor([1.0, -2.0], dtype=torch.bfloat16)
    assert bytes(tensor_bytes(half)) == b"\x80\x3f\x00\xc0"
