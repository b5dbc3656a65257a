"""Merged parts say what the whole says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.valuation.result import Status, ValuationResult


def of_contributions(contributions, **changes):
    """``(count, n)`` independent contributions to each of n points."""
    count, n = contributions.shape
    unknown = np.full(n, math.nan)
    return ValuationResult(
        values=contributions.mean(0) if count else unknown,
        variances=contributions.var(0, ddof=1) if count > 1 else unknown,
        counts=[count] * n,
        **changes,
    )


def of_blocks(blocks, **changes):
    """``(r, b, n)``: r independent blocks of b correlated contributions."""
    means = blocks.mean(1)
    return ValuationResult(
        values=means.mean(0),
        variances=blocks.reshape(-1, blocks.shape[-1]).var(0, ddof=1),
        counts=[blocks.shape[0] * blocks.shape[1]] * blocks.shape[-1],
        stderr=(
            means.std(0, ddof=1) / math.sqrt(len(means))
            if len(means) > 1
            else np.full(blocks.shape[-1], math.nan)
        ),
        replicates=[len(means)] * blocks.shape[-1],
        **changes,
    )


def agree(left, right, tolerance=1e-12):
    assert left.indices.tolist() == right.indices.tolist()
    for column in ("values", "variances", "stderr", "counts", "replicates"):
        np.testing.assert_allclose(
            getattr(left, column), getattr(right, column), rtol=tolerance, atol=0
        )


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(lambda s: sum(s) > 1),
    st.integers(0, 100),
)
def test_splits_of_contributions_merge_to_the_whole(sizes, seed):
    draws = 1000 + np.random.default_rng(seed).normal(size=(sum(sizes), 3))
    parts = np.split(draws, np.cumsum(sizes)[:-1])
    merged = of_contributions(parts[0])
    for part in parts[1:]:
        merged += of_contributions(part)
    agree(merged, of_contributions(draws), 1e-9)


@given(st.lists(st.integers(1, 4), min_size=2, max_size=5), st.integers(0, 100))
def test_splits_of_blocks_merge_to_the_whole(sizes, seed):
    draws = np.random.default_rng(seed).normal(size=(sum(sizes), 2, 3))
    draws[:, 1] -= draws[:, 0]  # as antithetic pairs are
    parts = [of_blocks(part) for part in np.split(draws, np.cumsum(sizes)[:-1])]
    merged = sum(parts[1:], start=parts[0])
    agree(merged, of_blocks(draws), 1e-9)


def test_blocks_keep_their_numbers_through_slices_sorts_and_files(tmp_path):
    draws = np.random.default_rng(0).normal(size=(9, 2, 4))
    left, right = of_blocks(draws[:4]), of_blocks(draws[4:])
    left.save(tmp_path / "left")
    stored = ValuationResult.load(tmp_path / "left")
    whole = of_blocks(draws).sort("index")
    agree((stored + right.sort()).sort("index"), whole)
    agree(left[[2, 0]].sort("index") + right[[0, 2]], whole[[0, 2]])


def test_updates_of_one_point_give_pydvls_example():
    first = of_contributions(np.array([[1.0], [1.0]]))
    second = of_contributions(np.array([[2.0], [4.0], [3.0]]))
    assert second.values.tolist() == [3]
    assert second.variances.tolist() == [1]
    merged = first + second
    assert merged.values.tolist() == pytest.approx([2.2])
    assert merged.variances.tolist() == pytest.approx([1.7])


def test_the_union_of_the_indices_in_the_order_of_the_first():
    left = of_contributions(np.array([[1.0, 5.0], [3.0, 5.0]]), indices=[4, 9])
    right = of_contributions(np.array([[7.0, 2.0], [9.0, 2.0]]), indices=[0, 4])
    merged = left + right
    assert merged.indices.tolist() == [4, 9, 0]
    assert merged.values.tolist() == [2, 5, 8]
    assert merged.counts.tolist() == [4, 2, 2]
    assert right + left == merged


def test_nothing_adds_nothing_to_the_last_bit():
    one = of_contributions(
        np.random.default_rng(0).normal(size=(3, 2)), algorithm="a", subsidy=1
    )
    for nothing in (
        ValuationResult.empty(),
        ValuationResult.empty("a"),
    ):
        assert one + nothing == nothing + one == one
    zeros = ValuationResult.zeros("a", size=2, subsidy=1)
    assert one + zeros == zeros + one == one
    unknown = ValuationResult(values=[math.nan, 1.0], variances=[0, 0], counts=[0, 3])
    assert math.isnan((unknown + unknown).values[0])


def test_exact_results_stay_exact():
    exact = ValuationResult(
        values=[0.1, 0.7], variances=[3.0, 2.0], counts=[8, 8], stderr=[0.0, 0.0]
    )
    merged = exact + exact
    assert merged.values.tolist() == [0.1, 0.7]
    assert merged.stderr.tolist() == [0, 0]


def test_another_name_for_the_same_index_is_refused():
    left = ValuationResult(values=[1.0, 2.0], data_names=["a1", "b"])
    right = ValuationResult(values=[1.0, 2.0], data_names=["a9", "b"])
    with pytest.raises(InputError, match="a1 in one result and a9"):
        left + right
    assert (left + right[1:]).names.tolist() == ["a1", "b"]
    longer = ValuationResult(values=[1.0], indices=[7], data_names=["a long name"])
    assert (left + longer).names.tolist() == ["a1", "b", "a long name"]


def test_names_nobody_gave_are_the_indices():
    merged = ValuationResult(values=[1.0]) + ValuationResult(values=[2.0], indices=[3])
    assert merged.names.tolist() == ["0", "3"]
    named = ValuationResult(values=[1.0], indices=[3], data_names=["c"])
    assert (ValuationResult(values=[2.0]) + named).names.tolist() == ["0", "c"]


def test_another_method_is_refused():
    with pytest.raises(InputError, match="'shapley' and 'banzhaf'"):
        ValuationResult(values=[1.0], algorithm="shapley") + ValuationResult(
            values=[1.0], algorithm="banzhaf"
        )


def test_another_type_is_refused():
    with pytest.raises(TypeError):
        ValuationResult(values=[1.0]) + 1


def test_statuses_combine_by_and():
    done = ValuationResult(values=[1.0], status=Status.Converged)
    assert (done + done).status is Status.Converged
    assert (done + ValuationResult(values=[1.0])).status is Status.Pending


def test_counts_of_runs_add_up_and_what_differs_goes():
    left = ValuationResult(values=[1.0], n_failures=2, subsidy=0.5, note="a", only=1)
    right = ValuationResult(values=[1.0], n_rounds=3, subsidy=0.5, note="b")
    assert dict((left + right).extras) == {
        "n_failures": 2,
        "n_rounds": 3,
        "subsidy": 0.5,
    }
    assert (left + left).n_failures == 4
