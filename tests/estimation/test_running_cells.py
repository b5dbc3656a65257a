import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchattr.estimation.running_cells import RunningCells

numbers = st.floats(-1e6, 1e6)
parts = st.lists(
    st.lists(st.tuples(st.integers(0, 2), numbers), max_size=8), min_size=1, max_size=5
)


def filled(n_cells, *parts):
    cells = RunningCells.none(n_cells)
    for part in parts:
        keys, values = zip(*part, strict=True) if part else ((), ())
        cells.add(np.array(keys, np.int64), np.array(values, np.float64))
    return cells


@given(parts)
def test_cells_hold_the_mean_and_variance_of_what_fell_in(parts):
    cells = filled(3, *parts)
    for cell in range(3):
        values = np.array([x for part in parts for key, x in part if key == cell])
        assert cells.counts[cell] == len(values)
        scale = np.abs(values).max(initial=1.0)
        if len(values):
            assert cells.means[cell] == pytest.approx(values.mean(), abs=1e-13 * scale)
        if len(values) > 1:
            assert cells.variances[cell] == pytest.approx(
                values.var(ddof=1), abs=1e-12 * scale**2
            )
        else:
            assert np.isnan(cells.variances[cell])


@given(parts, parts)
def test_merged_parts_are_the_whole(left, right):
    merged = filled(3, *left)
    merged.merge(filled(3, *right))
    whole = filled(3, *left, *right)
    np.testing.assert_array_equal(merged.counts, whole.counts)
    np.testing.assert_allclose(merged.means, whole.means, rtol=1e-12, atol=1e-8)
    np.testing.assert_allclose(merged.squares, whole.squares, rtol=1e-9, atol=1e-3)


def test_a_few_values_in_many_cells_are_folded_in_as_in_few():
    many, few = RunningCells.none(1000), RunningCells.none(3)
    rng = np.random.default_rng(0)
    for _ in range(5):
        cells, values = rng.integers(0, 3, 7), rng.normal(size=7)
        many.add(cells, values)
        few.add(cells, values)
    for name in ("counts", "means", "squares"):
        np.testing.assert_array_equal(getattr(many, name)[:3], getattr(few, name))
        assert not getattr(many, name)[3:].any()


def test_a_constant_has_no_variance_at_all():
    # Sums of squares and squares of sums gave negative variances for these.
    cells = RunningCells.none(1)
    for size in [1, 3, 7, 1, 200]:
        cells.add(np.zeros(size, np.int64), np.full(size, 0.1))
    assert cells.means.tolist() == [0.1]
    assert cells.variances[0] == 0


def test_common_digits_cost_none_of_the_rest():
    values = 1000 + 1e-6 * np.random.default_rng(0).normal(size=1000)
    cells = RunningCells.none(1)
    for part in np.split(values, 20):
        cells.add(np.zeros(50, np.int64), part)
    assert cells.variances[0] == pytest.approx(values.var(ddof=1), rel=1e-6)


def test_closed_forms():
    cells = filled(1, [(0, 2.0)], [(0, -1.0), (0, 3.0)])
    assert cells.means[0] == pytest.approx(4 / 3, abs=1e-15)
    assert cells.variances[0] == pytest.approx(39 / 9, abs=1e-14)


def test_kept_cells_stay():
    cells, other = filled(2, [(0, 1.0), (1, 1.0)]), filled(2, [(0, 5.0), (1, 5.0)])
    cells.merge(other, np.array([True, False]))
    assert cells.means.tolist() == [1, 3]
    assert cells.counts.tolist() == [1, 2]
