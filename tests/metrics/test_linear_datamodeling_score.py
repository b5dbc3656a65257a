"""LDS against SciPy, query by query, and where there is no order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from torchattr.errors import InputError
from torchattr.metrics import linear_datamodeling_score

WHOLE = st.integers(-3, 3).map(float)  # few distinct values: most draws have ties
CASES = st.tuples(
    arrays(np.float64, (2, 5), elements=WHOLE),
    arrays(np.bool_, (7, 5)),
    arrays(np.float64, (7, 2), elements=WHOLE),
)


def drawn(n_test=3, n_train=11, n_subsets=20, seed=0):
    generator = torch.Generator().manual_seed(seed)
    kept = torch.rand(n_subsets, n_train, generator=generator) < 0.5
    attributions = torch.randn(n_test, n_train, generator=generator).double()
    return attributions, kept, torch.randn(n_subsets, n_test, generator=generator)


@given(CASES)
def test_is_that_of_scipy(case):
    attributions, kept, values = case
    found = linear_datamodeling_score(attributions, kept, torch.from_numpy(values))
    assert found.shape == (2,)
    assert found.dtype == torch.float64
    for score, tau, true in zip(found.tolist(), attributions, values.T, strict=True):
        predicted = kept @ tau
        if np.ptp(predicted) and np.ptp(true):
            expected = spearmanr(true, predicted).statistic
            assert score == pytest.approx(expected, abs=1e-12)
        else:
            assert np.isnan(score)


def test_of_many_queries_is_that_of_scipy_in_either_precision():
    attributions, kept, values = drawn(n_test=30)
    found = linear_datamodeling_score(attributions.float(), kept, values.float())
    exact = attributions.float().double().numpy()
    expected = [
        spearmanr(values[:, j], kept.numpy() @ exact[j]).statistic for j in range(30)
    ]
    assert found.numpy() == pytest.approx(expected, abs=1e-12)


def test_what_a_linear_game_is_worth_is_foretold():
    attributions, kept, _ = drawn()
    values = kept.double() @ attributions.T
    found = linear_datamodeling_score(attributions, kept, values)
    assert found.tolist() == [1, 1, 1]
    found = linear_datamodeling_score(-attributions, kept, values)
    assert found.tolist() == pytest.approx([-1, -1, -1], abs=1e-12)


def test_increasing_functions_of_the_values_leave_it_alone():
    attributions, kept, values = drawn()
    found = linear_datamodeling_score(attributions, kept, values)
    same = linear_datamodeling_score(3 * attributions, kept, values.exp())
    assert torch.equal(found, same)


def test_an_even_share_for_all_has_no_order_among_subsets_of_one_size():
    generator = torch.Generator().manual_seed(0)
    kept = torch.rand(20, 400, generator=generator).argsort(1).argsort(1) < 133
    shares = torch.tensor(
        [0.1, 1 / 3, 0.7, 0.0], dtype=torch.float64
    )  # sums are rounded
    even = shares[:, None].expand(-1, 400)
    _, _, values = drawn(n_test=4)
    assert linear_datamodeling_score(even, kept, values).isnan().all()
    one_less = kept.clone()
    one_less[0, kept[0].nonzero()[0]] = False
    found = linear_datamodeling_score(even, one_less, values)
    assert found.isnan().tolist() == [False, False, False, True]


def test_a_constant_that_rounding_blurs_is_constant():
    attributions, kept, values = drawn()
    values[:, 1] = 0.1
    found = linear_datamodeling_score(attributions, kept, values)
    assert found.isnan().tolist() == [False, True, False]


def test_one_subset_has_no_order():
    attributions, kept, values = drawn(n_subsets=1)
    assert linear_datamodeling_score(attributions, kept, values).isnan().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attributions": torch.zeros(11)}, r"attributions must be \(n_test, n_train"),
        ({"values": torch.zeros(20)}, r"values must be \(K, n_test\); got.*\(20,\)"),
        ({"values": torch.zeros(3, 20)}, r"each of the 20 subsets.*got \(3, 20\)"),
        ({"values": torch.full((20, 3), torch.nan)}, "values must be finite"),
        ({"kept": torch.ones(20, 11)}, r"float32 \(20, 11\).*kept\.bool\(\)"),
        ({"kept": torch.ones(11, 20).bool()}, r"must be \(K, 11\) booleans"),
        ({"kept": torch.ones(11).bool()}, r"must be \(K, 11\) booleans"),
    ],
)
def test_refuses(change, message):
    attributions, kept, values = drawn()
    case = {"attributions": attributions, "kept": kept, "values": values, **change}
    with pytest.raises(InputError, match=message):
        linear_datamodeling_score(**case)
