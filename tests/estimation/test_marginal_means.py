import numpy as np
import pytest

from torchattr.errors import InputError
from torchattr.estimation.marginal_means import MarginalMeans

RNG = np.random.default_rng(0)


def means_of(players, contributions, replicates, n=2, **more):
    means = MarginalMeans(n)
    means.add(np.array(players), np.array(contributions, float),
              replicates=np.array(replicates), **more)  # fmt: skip
    return means


def test_a_replicate_counts_once():
    # Two antithetic pairs: means 2 and 6, whatever the halves.
    means = means_of([0, 0, 0, 0], [1, 3, 9, 3], [0, 0, 1, 1], n=1)
    assert means.values == [4]
    assert means.standard_errors == [2]
    assert means.n_replicates == [2]
    assert means.counts == [4]
    assert means.variances[0] == pytest.approx(np.var([1, 3, 9, 3], ddof=1))


def test_nothing_is_known_from_one_replicate_or_none():
    means = means_of([0], [1], [0])
    np.testing.assert_array_equal(means.values, [1, np.nan])
    assert np.isnan(means.standard_errors).all()
    assert means.counts.tolist() == [1, 0]


def test_constants_are_exact():
    means = means_of([0] * 9, [0.1] * 9, [0, 0, 0, 1, 1, 1, 2, 2, 2], n=1)
    assert means.values == [0.1]
    assert means.variances == means.standard_errors == [0]


def test_strata_are_weighted():
    means = MarginalMeans(1, np.array([0.25, 0.75]))
    means.add(np.zeros(5, np.int64), np.array([1.0, 3, 10, 20, 30]),
              replicates=np.arange(5), strata=np.array([0, 0, 1, 1, 1]))  # fmt: skip
    assert means.values == [0.25 * 2 + 0.75 * 20]
    expected = 0.25**2 * 2 / 2 + 0.75**2 * 100 / 3
    assert means.standard_errors[0] == pytest.approx(expected**0.5, abs=1e-12)


def spread_and_errors(scales, counts, trend, runs=4000):
    """Root mean square of reported errors over the spread of the values."""
    n_strata = len(counts)
    weights = np.ones(n_strata) / n_strata
    strata = np.repeat(np.arange(n_strata), counts)
    values, squares = [], []
    for _ in range(runs):
        means = MarginalMeans(1, weights)
        noise = RNG.normal(size=len(strata)) * scales[strata]
        means.add(np.zeros(len(strata), np.int64), trend * strata + noise,
                  replicates=np.arange(len(strata)), strata=strata)  # fmt: skip
        values.append(means.values[0])
        squares.append(means.standard_errors[0] ** 2)
    return np.sqrt(np.mean(squares)) / np.std(values)


@pytest.mark.parametrize(
    ("counts", "trend"),
    [([4, 3, 2, 2], 5.0), ([4, 2, 1, 1, 1], 5.0), ([1, 1, 1, 1, 1, 1], 5.0)],
    ids=["many", "borrowed", "single"],
)
def test_stratified_errors_are_calibrated(counts, trend):
    ratio = spread_and_errors(np.ones(len(counts)), np.array(counts), trend, runs=800)
    assert 0.85 < ratio < 1.15


def test_a_stratum_of_one_coalition_is_known_after_one_sample():
    n = 8
    means = MarginalMeans(n, np.array([0.5, 0.5]))
    players = np.tile(np.arange(n), 3)
    strata = np.repeat([0, 1, 1], n)
    means.add(players, RNG.normal(size=3 * n), replicates=np.arange(3 * n),
              strata=strata, sizes=np.repeat([0, 4, 4], n))  # fmt: skip
    cells = means.replicates.squares.reshape(2, n)[1]
    np.testing.assert_allclose(means.standard_errors, np.sqrt(cells / 2) / 2)


def test_players_that_are_alone_borrow_from_nobody_else():
    means = MarginalMeans(2, np.array([0.5, 0.5]))
    means.add(np.array([0, 0, 0, 1]), np.array([1.0, 2, 3, 4]),
              replicates=np.arange(4), strata=np.array([0, 0, 1, 0]))  # fmt: skip
    assert np.isfinite(means.standard_errors[0])
    assert np.isnan(means.standard_errors[1])


@pytest.mark.parametrize("weights", [None, np.array([0.3, 0.7])])
def test_parts_can_be_merged_and_gone_on_with(weights):
    n, whole = 5, MarginalMeans(5, weights)
    first, second = MarginalMeans(n, weights), MarginalMeans(n, weights)
    for part, rows in ((first, 40), (second, 60)):
        players = RNG.integers(0, n, rows)
        strata = None if weights is None else RNG.integers(0, 2, rows)
        replicates = np.arange(rows) // 4
        values = RNG.normal(size=rows)
        for means in (part, whole):
            means.add(players, values, replicates=replicates, strata=strata)
    agree(first.merged(second), whole)
    again = MarginalMeans(n, weights)
    again.restore(
        values=first.values, variances=first.variances, counts=first.counts,
        standard_errors=first.standard_errors, n_replicates=first.n_replicates,
        state=first.state(),
    )  # fmt: skip
    agree(again.merged(second), whole)


def agree(means, whole):
    for name in ("values", "counts", "variances", "n_replicates", "standard_errors"):
        np.testing.assert_allclose(
            getattr(means, name), getattr(whole, name), rtol=1e-12, err_msg=name
        )


def test_other_strata_are_refused():
    left, right = MarginalMeans(2), MarginalMeans(2, np.ones(2) / 2)
    with pytest.raises(InputError, match="1 and 2 strata"):
        left.merged(right)
    with pytest.raises(InputError, match="2 strata of 2 players"):
        right.restore(
            values=left.values, variances=left.variances, counts=left.counts,
            standard_errors=left.standard_errors, n_replicates=left.n_replicates,
            state={},
        )  # fmt: skip
