"""AUROC against counting pairs, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tests.metrics.results import SortedResult
from torchattr.errors import InputError
from torchattr.metrics import mislabel_auroc

# Few distinct values, so that most draws have ties.
POINTS = st.lists(
    st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30
).filter(lambda points: len({flipped for _, flipped in points}) == 2)


def by_pairs(values, flipped):
    bad = [v for v, f in zip(values, flipped, strict=True) if f]
    good = [v for v, f in zip(values, flipped, strict=True) if not f]
    wins = sum((b < g) + 0.5 * (b == g) for b in bad for g in good)
    return wins / (len(bad) * len(good))


@given(POINTS)
def test_is_the_share_of_pairs_in_order(points):
    values, flipped = zip(*points, strict=True)
    found = mislabel_auroc(torch.tensor(values), torch.tensor(flipped))
    assert found == pytest.approx(by_pairs(values, flipped), abs=1e-12)
    assert found == pytest.approx(roc_auc_score(flipped, -np.array(values)), abs=1e-12)


@given(POINTS)
def test_opposite_values_have_the_opposite_area(points):
    values, flipped = map(torch.tensor, zip(*points, strict=True))
    both = mislabel_auroc(values, flipped) + mislabel_auroc(-values, flipped)
    assert both == pytest.approx(1, abs=1e-12)


def test_low_is_suspicious():
    assert mislabel_auroc([0.0, 1.0, 2.0], [True, False, False]) == 1
    assert mislabel_auroc([2.0, 0.0, 1.0], [True, False, False]) == 0


def test_equal_values_are_guessing():
    assert mislabel_auroc(np.zeros(5), np.array([1, 0, 0, 1, 0])) == pytest.approx(0.5)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_sorted_result_keeps_its_points(reverse):
    values = np.array([0.4, -1.0, 0.1, 3.0])
    flipped = torch.tensor([False, True, True, False])
    result = SortedResult(values).sorted(reverse=reverse)
    assert mislabel_auroc(result, flipped) == mislabel_auroc(values, flipped) == 1


def test_part_of_a_result_is_looked_up_in_the_whole_mask():
    part = SortedResult([5.0, -1.0], indices=[1, 3])
    assert mislabel_auroc(part, [True, False, True, True]) == 1


@pytest.mark.parametrize(
    ("values", "flipped", "message"),
    [
        ([0.0, 1.0], [True], "one number for each point; got 2 and 1"),
        ([0.0, np.nan], [True, False], "1 NaN or infinite of 2.*leave it out"),
        ([0.0, 1.0, 2.0], [0, 2, 1], "mask of booleans.*positions"),
        ([0.0, 1.0], [False, False], "got 0 of 2 marked"),
        ([0.0, 1.0], [True, True], "got 2 of 2 marked"),
        (torch.zeros(2, 2), [True, False], r"Sum a matrix"),
        ("no", [True, False], "got str"),
        ([], [], "at least one"),
        (torch.zeros(2, dtype=torch.complex64), [True, False], "real"),
        (SortedResult([0.0, 1.0], indices=[5, 9]), [True, False], "up to 9; got 2"),
    ],
)
def test_refuses(values, flipped, message):
    with pytest.raises(InputError, match=message):
        mislabel_auroc(values, flipped)
