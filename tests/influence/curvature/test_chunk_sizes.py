"""Chunks hold all examples, each once."""

from __future__ import annotations

import pytest
import torch

from torchattr.games.examples import Examples
from torchattr.influence.curvature.chunk_sizes import example_chunks


@pytest.mark.parametrize(("size", "expected"), [(0, [1] * 5), (2, [2, 2, 1]), (9, [5])])
def test_all_examples_are_in_chunks(size, expected):
    chunks = list(example_chunks(Examples(torch.eye(5), torch.arange(5)), size))
    assert [len(chunk) for chunk in chunks] == expected
    assert torch.cat([chunk.targets for chunk in chunks]).tolist() == list(range(5))
