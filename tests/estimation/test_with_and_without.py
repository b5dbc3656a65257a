import numpy as np
import pytest

from torchattr.errors import InputError
from torchattr.estimation.with_and_without import WithAndWithout

RNG = np.random.default_rng(0)


def test_mean_with_minus_mean_without():
    coalitions = RNG.random((50, 4)) < 0.5
    values = RNG.normal(1000, 1e-3, 50)
    means = WithAndWithout(4)
    for part in np.split(np.arange(50), 5):
        means.add(coalitions[part], values[part])
    for player in range(4):
        mine = values[coalitions[:, player]]
        theirs = values[~coalitions[:, player]]
        error = mine.var(ddof=1) / len(mine) + theirs.var(ddof=1) / len(theirs)
        assert means.values[player] == pytest.approx(
            mine.mean() - theirs.mean(), abs=1e-11
        )
        assert means.standard_errors[player] == pytest.approx(error**0.5, rel=1e-6)
        assert means.counts[player] == min(len(mine), len(theirs))
        assert means.variances[player] == pytest.approx(
            error * means.counts[player], rel=1e-6
        )


def test_scales_are_of_members_and_of_others():
    means = WithAndWithout(1)
    means.add(
        np.array([[True], [False]]), np.array([3.0, 5.0]),
        scales=(np.array([2.0, 100.0]), np.array([100.0, 7.0])),
    )  # fmt: skip
    assert means.values == [2 * 3 - 7 * 5]


def test_a_dictator_is_known_without_error():
    coalitions = RNG.random((30, 3)) < 0.5
    means = WithAndWithout(3)
    for part in np.split(np.arange(30), 3):
        means.add(coalitions[part], np.where(coalitions[part, 0], 0.3, 0.1))
    assert means.values[0] == pytest.approx(0.2, abs=1e-15)
    assert means.standard_errors[0] == pytest.approx(0, abs=1e-15)


def test_a_player_always_in_has_no_value():
    means = WithAndWithout(2)
    means.add(np.array([[True, True], [True, False]]), np.array([1.0, 0.0]))
    np.testing.assert_array_equal(means.values, [np.nan, 1])
    assert means.counts.tolist() == [0, 1]
    assert np.isnan(means.standard_errors).all()


def test_kept_players_stay():
    means = WithAndWithout(2)
    coalitions = np.array([[True, True], [False, False]])
    means.add(coalitions, np.array([1.0, 0.0]))
    means.add(coalitions, np.array([3.0, 0.0]), keep=np.array([True, False]))
    assert means.values.tolist() == [1, 2]


def test_parts_can_be_merged_and_gone_on_with():
    first, second, whole = (WithAndWithout(3) for _ in range(3))
    for part in (first, second):
        coalitions, values = RNG.random((20, 3)) < 0.5, RNG.normal(size=20)
        part.add(coalitions, values)
        whole.add(coalitions, values)
    again = WithAndWithout(3)
    again.restore(first.state())
    for both in (first.merged(second), again.merged(second)):
        np.testing.assert_allclose(both.values, whole.values, rtol=1e-12)
        np.testing.assert_allclose(
            both.standard_errors, whole.standard_errors, rtol=1e-12
        )
    with pytest.raises(InputError, match="with and without"):
        again.restore({})
    with pytest.raises(InputError, match="3 and 2"):
        whole.merged(WithAndWithout(2))


def test_replicates_of_a_coalition_and_its_complement():
    half = RNG.random((10, 3)) < 0.5
    coalitions = np.stack([half, ~half], 1).reshape(20, 3)
    values, scales = RNG.normal(size=20), (RNG.random(20), RNG.random(20))
    whole, first = WithAndWithout(3), WithAndWithout(3)
    for part in (slice(0, 12), slice(12, 20)):
        scaled = scales[0][part], scales[1][part]
        whole.add(coalitions[part], values[part], scales=scaled, size=2)
    first.add(
        coalitions[:12], values[:12], scales=(scales[0][:12], scales[1][:12]), size=2
    )
    again, second = WithAndWithout(3), WithAndWithout(3)
    again.restore(first.state())
    rest = slice(12, 20)
    second.add(
        coalitions[rest],
        values[rest],
        scales=(scales[0][rest], scales[1][rest]),
        size=2,
    )
    signed = np.where(
        coalitions, (scales[0] * values)[:, None], -(scales[1] * values)[:, None]
    )
    differences = signed.reshape(10, 2, 3).sum(1)
    for means in (whole, again.merged(second)):
        np.testing.assert_allclose(means.values, differences.mean(0), rtol=1e-12)
        np.testing.assert_allclose(
            means.standard_errors, differences.std(0, ddof=1) / 10**0.5, rtol=1e-12
        )
        assert means.n_replicates.tolist() == [10] * 3
        assert means.counts.tolist() == [10] * 3
    # Once parts are not so, all coalitions count as independent.
    whole.add(half, values[:10])
    plain = WithAndWithout(3)
    plain.add(coalitions, values, scales=scales)
    plain.add(half, values[:10])
    np.testing.assert_allclose(whole.standard_errors, plain.standard_errors, rtol=1e-12)
    whole.add(coalitions, values, size=2)
    assert not whole.halves.counts.any()
