"""Spearman's correlation against SciPy's, row by row."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata, spearmanr

from tests.metrics.results import SortedResult
from torchattr.errors import InputError
from torchattr.metrics import rank_correlation
from torchattr.metrics.correlation import average_ranks

TIED = arrays(np.float64, (3, 7), elements=st.integers(-3, 3).map(float))


@given(TIED)
def test_ranks_are_those_of_scipy(values):
    found = average_ranks(torch.from_numpy(values))
    assert np.array_equal(found.numpy(), rankdata(values, axis=1))


@given(TIED, TIED)
def test_rows_are_those_of_scipy(a, b):
    found = rank_correlation(a, torch.from_numpy(b))
    assert found.shape == (3,)
    for row, x, y in zip(found.tolist(), a, b, strict=True):
        if np.ptp(x) and np.ptp(y):
            assert row == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)
        else:
            assert np.isnan(row)


def test_monotone_changes_leave_it_alone():
    values = torch.randn(50, generator=torch.Generator().manual_seed(0))
    found = rank_correlation(values, values.exp())
    assert found.shape == ()
    assert found.item() == pytest.approx(1, abs=1e-12)
    assert rank_correlation(values, -values).item() == pytest.approx(-1, abs=1e-12)


def test_one_row_is_compared_with_every_row():
    a = torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    assert rank_correlation(a, [0.0, 1.0, 5.0]).tolist() == pytest.approx([1, -1])
    assert rank_correlation([0.0, 1.0, 5.0], a).tolist() == pytest.approx([1, -1])


def test_results_are_joined_by_their_indices():
    a = SortedResult([0.3, 0.1, 0.2], indices=[7, 3, 5])
    b = SortedResult([1.0, 2.0, 3.0], indices=[3, 5, 7])
    assert rank_correlation(a, b).item() == pytest.approx(1)
    assert rank_correlation(a.sorted(reverse=True), b).item() == pytest.approx(1)
    by_position = torch.tensor([0, 0, 0, 1.0, 0, 2.0, 0, 3.0])
    assert rank_correlation(by_position, a).item() == pytest.approx(1)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(2, 3), torch.zeros(3, 3), r"same number of rows.*\(2, 3\)"),
        (torch.zeros(3), torch.zeros(4), "got 3 and 4"),
        (SortedResult([0.0], [1]), SortedResult([0.0], [2]), "same data indices"),
        ([0.0, np.inf], [0.0, 1.0], "a must be finite"),
    ],
)
def test_refuses(a, b, message):
    with pytest.raises(InputError, match=message):
        rank_correlation(a, b)
