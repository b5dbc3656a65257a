"""Helpers and opponents, found without the matrix."""

from __future__ import annotations

import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.influence.calculators.test_lazy_chunk_sequences import table
from tests.influence.cases import classifier_mlp, randn
from tests.influence.cases import with_random_curvature as fitted
from torchattr.errors import InputError
from torchattr.influence.calculators.nested_lazy_chunk_sequence import (
    Columns,
    NestedLazyChunkSequence,
)
from torchattr.influence.calculators.sequential_influence_calculator import (
    SequentialInfluenceCalculator,
)
from torchattr.influence.influence_mode import InfluenceMode


@given(
    entries=st.lists(st.lists(st.integers(-2, 2), min_size=6, max_size=6), min_size=1),
    k=st.integers(1, 6),
    cut=st.integers(1, 5),
    by_columns=st.booleans(),
)
@settings(max_examples=20, deadline=None)
def test_ends_are_those_of_the_sorted_rows(entries, k, cut, by_columns):
    whole = torch.tensor(entries, dtype=torch.float64)
    rows = [1] * len(whole)
    lazy = table(whole, rows, [cut, 6 - cut], by_columns=by_columns)
    found = lazy.top_k(k)
    for ends, sign in ((found.helpers, -1), (found.opponents, 1)):
        # Lists of pairs are sorted by value, and where that is the same by index.
        expected = [
            [i for _, i in sorted((sign * v, i) for i, v in enumerate(row))][:k]
            for row in entries
        ]
        assert ends.indices.tolist() == expected
        assert torch.equal(ends.values, whole.gather(1, ends.indices))


@pytest.mark.parametrize("by_columns", [False, True])
def test_of_many_equals_the_first_come_first(by_columns):
    lazy = table(torch.zeros(2, 1000), [2], [500, 500], by_columns=by_columns)
    for ends in lazy.top_k(3):
        assert ends.indices.tolist() == [[0, 1, 2]] * 2


@pytest.mark.parametrize("swapped", [False, True])
def test_helpers_and_opponents_of_influences(swapped):
    case = classifier_mlp(n=9, n_test=5)
    influence = fitted(case)
    sides = [[(case.x_test, case.y_test)], case.batches(4)][:: -1 if swapped else 1]
    lazy = SequentialInfluenceCalculator(influence).influences(*sides)
    whole = influence.influences(case.x_test, case.y_test, case.x, case.y)
    whole = whole.T if swapped else whole
    helpers, opponents = lazy.top_k(3)
    assert torch.equal(helpers.indices, whole.topk(3).indices)
    assert torch.equal(opponents.indices, whole.topk(3, largest=False).indices)
    torch.testing.assert_close(opponents.values, whole.gather(1, opponents.indices))


def test_the_matrix_is_not_held():
    seen: list[weakref.ref[torch.Tensor]] = []

    def columns():
        for i in range(20):
            assert sum(block() is not None for block in seen) <= 3
            column = [randn(4, 2, seed=i)]
            seen.append(weakref.ref(column[0]))
            yield column

    NestedLazyChunkSequence(lambda: Columns(columns())).top_k(2)


@pytest.mark.parametrize("by_columns", [False, True])
@pytest.mark.parametrize("k", [0, -1, 1.5, True, "1", 5])
def test_a_k_that_cannot_be_is_refused(k, by_columns):
    with pytest.raises(InputError, match="k must be"):
        table(randn(2, 4), [1, 1], [2, 2], by_columns=by_columns).top_k(k)


def test_features_are_not_ranked():
    case = classifier_mlp(n=3, n_test=2)
    calculator = SequentialInfluenceCalculator(fitted(case))
    lazy = calculator.influences(
        [(case.x_test, case.y_test)], case.batches(), InfluenceMode.Perturbation
    )
    with pytest.raises(InputError, match=r"InfluenceMode\.Up"):
        lazy.top_k(1)
