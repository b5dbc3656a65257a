"""A result never changes, and says the same about a point in any order."""

from __future__ import annotations

import copy
import math
import pickle
import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError, MissingExtraError
from torchattr.valuation.result import Status, ValuationResult, ValueItem


def result(**changes):
    arguments = {
        "values": [3.0, -1.0, 2.0, 0.5],
        "variances": [4.0, 9.0, 0.0, 1.0],
        "counts": [4, 9, 2, 1],
        "indices": [10, 7, 30, 5],
        "data_names": ["d", "a", "c", "b"],
        "algorithm": "shapley",
        "subsidy": 0.25,
    }
    return ValuationResult(**arguments | changes)


def rows(of):
    return [(i.idx, i.name, i.value, i.variance, i.count, i.stderr) for i in of]


ROWS = [
    (10, "d", 3.0, 4.0, 4, 1.0),
    (7, "a", -1.0, 9.0, 9, 1.0),
    (30, "c", 2.0, 0.0, 2, 0.0),
    (5, "b", 0.5, 1.0, 1, 1.0),
]


# What it holds


def test_iteration_gives_items_in_order():
    assert rows(result()) == ROWS
    assert len(result()) == 4
    assert next(iter(result())) == ValueItem(10, "d", 3.0, 4.0, 4, 1.0)


def test_defaults_claim_nothing():
    plain = ValuationResult(values=[1.0, math.nan])
    assert plain.counts.tolist() == [1, 0]
    assert np.isnan(plain.variances).all()
    assert np.isnan(plain.stderr).all()
    assert plain.indices.tolist() == [0, 1]
    assert plain.names.tolist() == ["0", "1"]
    assert plain.algorithm == ""
    assert plain.status is Status.Pending


def test_standard_errors_are_of_means_of_independent_contributions():
    known = ValuationResult(values=[1.0] * 3, variances=[4.0, 2, 1], counts=[16, 2, 0])
    np.testing.assert_array_equal(known.stderr, [0.5, 1.0, math.nan])


def test_better_standard_errors_are_taken():
    known = result(stderr=[0.1, 0.2, 0.3, 0.4], replicates=[2, 3, 1, 1])
    assert known.stderr.tolist() == [0.1, 0.2, 0.3, 0.4]
    assert known.replicates.tolist() == [2, 3, 1, 1]


def test_tensors_of_any_type_are_taken():
    values = torch.tensor([1.0, 2.0], dtype=torch.bfloat16, requires_grad=True)
    taken = ValuationResult(values=values, counts=torch.tensor([2, 3]))
    assert taken.values.tolist() == [1.0, 2.0]
    assert taken.values.dtype == np.float64
    assert taken.counts.dtype == np.int64


def test_extras_are_attributes():
    told = result(curve=torch.arange(3), score=np.float32(2), note={"a": [1, 2]})
    assert told.extras["subsidy"] is told.subsidy
    assert told.curve.tolist() == [0, 1, 2]
    assert told.note == {"a": [1, 2]}
    assert set(told.extras) == {"subsidy", "curve", "score", "note"}
    with pytest.raises(AttributeError, match=r"no 'n_failures'.*subsidy"):
        _ = told.n_failures


def test_it_is_an_array_of_its_values():
    assert np.asarray(result()).tolist() == [3.0, -1.0, 2.0, 0.5]
    with pytest.raises(ValueError, match="read-only"):
        result().values[0] = 1.0


def test_its_repr_is_short():
    assert repr(result()[:1]) == "ValuationResult(shapley, Pending, n=1: d: 3 ± 1)"
    assert len(repr(ValuationResult(values=np.ones(10_000)))) < 120


# What it refuses


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": [[1.0]]}, "one dimension"),
        ({"values": ["a", "b", "c", "d"]}, "real numbers"),
        ({"values": [1.0, math.inf, 1, 1]}, "finite.*position 1"),
        ({"values": [1.0, math.nan, 1, 1]}, "NaN where the count is 0.*position 1"),
        ({"values": [1.0]}, "length of values"),
        ({"variances": [1.0, 1, 1]}, "variances must have the length"),
        ({"variances": [1.0, 1, 1, -1]}, "variances must not be negative"),
        ({"stderr": [1.0, 1, 1, -1]}, "stderr must not be negative"),
        ({"counts": [1, 1, 1, -1]}, "counts must not be negative"),
        ({"counts": [1, 1, 1, 1.5]}, "counts must be integers"),
        ({"replicates": [0, 1, 1, 1]}, "replicates must be at least 1"),
        ({"indices": [3, 1, 3, 0]}, "indices must be distinct, but 3 occurs 2"),
        ({"indices": ["a", "b", "c", "d"]}, "indices must be integers"),
        ({"data_names": ["a"]}, "data_names must have the length"),
        ({"status": "converged"}, "status must be a Status"),
        ({"sort": 1}, "extras cannot be called sort"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        result(**arguments)


def test_a_result_never_changes():
    one = result(curve=np.arange(3.0))
    for change in (lambda: setattr(one, "values", 1), lambda: delattr(one, "subsidy")):
        with pytest.raises(FrozenInstanceError, match="never changes"):
            change()
    columns = ("values", "variances", "counts", "stderr", "indices", "names", "curve")
    for column in columns:
        assert not getattr(one, column).flags.writeable, column
    with pytest.raises(TypeError):
        one.extras["subsidy"] = 1


def test_what_it_was_made_of_may_change():
    values, curve = np.ones(2), torch.zeros(2)
    one = ValuationResult(values=values, curve=curve)
    values[:], curve[:] = 5, 5
    assert one.values.tolist() == [1, 1]
    assert one.curve.tolist() == [0, 0]


# Rows


def test_an_int_a_slice_and_a_list_give_results():
    assert rows(result()[3]) == ROWS[3:]
    assert rows(result()[-1]) == ROWS[3:]
    assert rows(result()[:2]) == ROWS[:2]
    assert rows(result()[[1, 3]]) == [ROWS[1], ROWS[3]]
    assert rows(result()[np.array([False, True, False, True])]) == [ROWS[1], ROWS[3]]
    assert rows(result()[[]]) == []
    part = result()[[1, 3]]
    assert (part.algorithm, part.subsidy) == ("shapley", 0.25)


def test_no_such_row_is_an_index_error_and_an_input_error():
    for wrong in (4, [0, -5], "a"):
        with pytest.raises(IndexError) as caught:
            result()[wrong]
        assert isinstance(caught.value, InputError)


def test_get_is_by_index_in_the_data_whatever_the_order():
    assert result().get(7).name == "a"
    assert result().sort().get(7) == result().get(7)
    for wrong in (0, "a"):
        with pytest.raises(InputError, match="no index"):
            result().get(wrong)
    assert result().positions([5, 10]).tolist() == [3, 0]


@pytest.mark.parametrize(
    ("key", "names"),
    [("value", "abcd"), ("variance", "cbda"), ("index", "badc"), ("name", "abcd")],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_all_columns_follow_the_order(key, names, reverse):
    one = result()
    ordered = one.sort(key, reverse=reverse)
    assert "".join(ordered.names) == (names[::-1] if reverse else names)
    assert sorted(rows(ordered)) == sorted(ROWS)
    assert rows(one) == ROWS


def test_ties_keep_their_order_and_the_unknown_comes_last():
    tied = ValuationResult(values=[1.0, math.nan, 1.0, 2.0, math.nan, 1.0])
    assert tied.sort().indices.tolist() == [0, 2, 5, 3, 1, 4]
    assert tied.sort(reverse=True).indices.tolist() == [3, 0, 2, 5, 1, 4]


def test_sorting_by_another_key_or_in_place_is_refused():
    with pytest.raises(InputError, match="key must be one of value, variance"):
        result().sort("count")
    with pytest.raises(InputError, match=r"result = result\.sort"):
        result().sort(inplace=True)


def test_items_are_ordered_by_value():
    assert max(result()).name == "d"
    assert [item.name for item in sorted(result())] == list("abcd")


# Equality


@given(st.permutations(range(4)))
def test_equal_whatever_the_order(order):
    assert result()[order] == result()


@pytest.mark.parametrize(
    "change",
    [
        {"values": [3.0, -1.0, 2.0, 0.6]},
        {"values": [-1.0, 3.0, 2.0, 0.5]},  # the same values in the same order ...
        {"indices": [7, 10, 30, 5]},  # ... of other indices
        {"variances": [4.0, 9.0, 0.0, 1.1]},
        {"counts": [4, 9, 2, 2]},
        {"stderr": [1.0, 1.0, 0.0, 2.0]},
        {"data_names": ["d", "a", "c", "e"]},
        {"algorithm": "banzhaf"},
        {"status": Status.Converged},
        {"subsidy": 0.26},
        {"curve": np.arange(3)},
    ],
)
def test_different_in_any_part(change):
    assert result(**change) != result()


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (np.arange(3), np.arange(3), True),
        (np.arange(3), np.arange(4), False),
        (np.array([1.0, math.nan]), np.array([1.0, math.nan]), True),
        (np.array(["a"]), np.array(["a"]), True),
        (np.array(["a"]), np.array([1.0]), False),
        (math.nan, math.nan, True),
        (math.nan, 1.0, False),
        ([1, {"a": np.ones(2)}], (1, {"a": np.ones(2)}), True),
        ([1, {"a": np.ones(2)}], (1, {"a": np.zeros(2)}), False),
        ({"a": 1}, {"b": 1}, False),
        ([1], [1, 2], False),
        (1, "1", False),
    ],
)
def test_extras_are_compared_by_content(left, right, same):
    assert (result(extra=left) == result(extra=right)) is same


def test_unlike_anything_else():
    assert result() != [3.0, -1.0, 2.0, 0.5]
    with pytest.raises(TypeError, match="unhashable"):
        hash(result())


@pytest.mark.parametrize(
    "duplicate",
    [ValuationResult.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))],
)
def test_copies_are_equal_in_the_same_order(duplicate):
    one = result(curve=np.arange(3), stderr=[0.1] * 4, replicates=[1] * 4).sort()
    other = duplicate(one)
    assert other == one
    assert rows(other) == rows(one)
    assert other.replicates.tolist() == one.replicates.tolist()
    assert other is not one


# Scaling, and results out of nothing


def test_scaling_scales_values_variances_and_standard_errors():
    scaled = result().scale(-2)
    assert scaled.values.tolist() == [-6, 2, -4, -1]
    assert scaled.variances.tolist() == [16, 36, 0, 4]
    assert scaled.stderr.tolist() == [2, 2, 0, 2]
    assert scaled.counts.tolist() == [4, 9, 2, 1]


def test_scaling_some_indices_leaves_the_others():
    scaled = result().scale(10, data_indices=[30, 7])
    assert scaled.values.tolist() == [3, -10, 20, 0.5]
    assert rows(scaled[[0, 3]]) == [ROWS[0], ROWS[3]]


def test_random_values_have_the_sum_asked_for_and_follow_the_seed():
    drawn = ValuationResult.from_random(50, total=3.0, seed=1)
    assert drawn.values.sum() == pytest.approx(3, abs=1e-12)
    assert drawn == ValuationResult.from_random(50, total=3.0, seed=1)
    assert drawn != ValuationResult.from_random(50, total=3.0, seed=2)
    assert (drawn.algorithm, drawn.status) == ("random", Status.Converged)
    named = ValuationResult.from_random(2, seed=0, data_names=["a", "b"])
    assert named.names.tolist() == ["a", "b"]
    assert np.abs(named.values).max() <= 1
    with pytest.raises(InputError, match="size"):
        ValuationResult.from_random(0)


def test_empty_and_zeros():
    assert len(ValuationResult.empty()) == 0
    zeros = ValuationResult.zeros("shapley", indices=[4, 2], data_names=["x", "y"])
    assert zeros.values.tolist() == zeros.counts.tolist() == [0, 0]
    assert np.isnan(zeros.stderr).all()
    assert len(ValuationResult.zeros(size=3)) == 3


# Tables


@pytest.mark.parametrize("use_names", [False, True])
def test_a_table_has_the_rows_of_the_sorted_result(use_names):
    table = result().sort(reverse=True).to_dataframe(use_names=use_names)
    assert table.columns.tolist() == [
        "shapley",
        "shapley_variances",
        "shapley_counts",
        "shapley_stderr",
    ]
    index = [10, 30, 5, 7]
    assert table.index.tolist() == (list("dcba") if use_names else index)
    assert table["shapley"].tolist() == [3.0, 2.0, 0.5, -1.0]
    assert table["shapley_variances"].tolist() == [4.0, 0.0, 1.0, 9.0]
    assert table["shapley_counts"].tolist() == [4, 2, 1, 9]
    assert table["shapley_stderr"].tolist() == [1.0, 0.0, 1.0, 1.0]


def test_a_table_may_be_named_otherwise_and_be_changed():
    one = result()
    assert one.to_dataframe(column="worth").columns[1] == "worth_variances"
    assert one.to_dataframe(column=None).columns[0] == "shapley"
    table = one.to_dataframe()
    table.loc[10, "shapley"] = 99
    assert one.values.tolist()[0] == 3


def test_a_table_without_pandas_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"torchattr\[sklearn\]"):
        result().to_dataframe()
