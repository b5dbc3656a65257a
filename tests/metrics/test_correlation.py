"""Correlations of rows that rounding, or their size, could spoil."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from torchattr.metrics.correlation import correlations

ROWS = torch.randn(4, 9, generator=torch.Generator().manual_seed(0)).double()


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_numbers_of_any_size_correlate(size):
    found = correlations(size * ROWS, ROWS[0], "pearson")
    expected = np.corrcoef(ROWS.numpy())[0]
    assert found.numpy() == pytest.approx(expected, abs=1e-12)
    assert found[0] == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
@pytest.mark.parametrize("constant", [0.1, 1e20, -3.3e-7])
def test_a_constant_has_no_correlation(kind, constant):
    rows = torch.full((1, 9), constant, dtype=torch.float64)
    assert correlations(rows, ROWS, kind).isnan().all()
