"""Numbers of subsets, against exact integers."""

from __future__ import annotations

from math import comb, log

import numpy as np
import pytest

from torchattr.sampling.subset_counts import log_n_subsets


@pytest.mark.parametrize("m", [0, 1, 7, 30])
def test_all_sizes(m):
    found = log_n_subsets(m, np.arange(m + 1))
    np.testing.assert_allclose(
        np.exp(found), [comb(m, k) for k in range(m + 1)], rtol=1e-12
    )


def test_thousands_neither_overflow_nor_underflow():
    assert log_n_subsets(5000, 2500) == pytest.approx(log(comb(5000, 2500)), rel=1e-13)


def test_impossible_sizes_have_none():
    assert log_n_subsets(3, [-1, 4]).tolist() == [-np.inf] * 2


def test_both_arguments_broadcast():
    found = np.exp(log_n_subsets([[3], [4]], [1, 2]))
    np.testing.assert_allclose(found, [[3, 3], [4, 6]], rtol=1e-12)
