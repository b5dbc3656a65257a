import numpy as np

from torchattr.estimation.lone_replicates import lone_variances

RNG = np.random.default_rng(0)
NONE = np.zeros(8)


def test_noise_is_told_from_what_players_differ_in():
    # Contributions in proportion to a player's weight, and noise of one half.
    weights, slopes = np.arange(1.0, 9), np.array([[5.0], [3], [2], [1]])
    everything = np.ones((4, 8), bool)
    found = [
        lone_variances(
            slopes * weights + RNG.normal(0, 0.5, (4, 8)),
            everything,
            everything,
            NONE,
            NONE,
        )
        for _ in range(300)
    ]
    mean = np.mean(found, 0)
    # The other strata, by which a line predicts, are noisy too: never too little.
    assert 0.22 < mean.mean() < 0.45
    # Between players there is 25 times as much variance.
    assert mean.max() < 1


def test_players_that_are_noisier_are_found():
    sigma = np.array([0.1, 0.1, 0.1, 0.1, 1, 1, 1, 1])
    everything = np.ones((6, 8), bool)
    found = [
        lone_variances(
            RNG.normal(0, sigma, (6, 8)), everything, everything, NONE, NONE
        ).mean(0)
        for _ in range(200)
    ]
    quiet, loud = np.mean(found, 0)[:4].mean(), np.mean(found, 0)[4:].mean()
    assert loud > 3 * quiet


def test_without_noise_there_is_no_variance():
    everything = np.ones((4, 8), bool)
    values = np.arange(4.0)[:, None] * np.arange(8.0)
    np.testing.assert_allclose(
        lone_variances(values, everything, everything, NONE, NONE), 0, atol=1e-25
    )


def test_a_few_players_borrow_from_their_own_strata():
    seen = np.ones((3, 2), bool)
    lone = np.array([[False, True], [False, True], [True, True]])
    y = np.array([[1.0, 1], [2, 2], [3, 4]])
    pooled, freedom = np.array([0.7, 0.0]), np.array([4.0, 0.0])
    variances = lone_variances(y, lone, seen, pooled, freedom)
    # The second difference of 1, 2, 4 is 1, of variance six times that of a value.
    np.testing.assert_allclose(variances, [[0, 1 / 6], [0, 1 / 6], [0.7, 1 / 6]])


def test_nothing_is_known_of_a_single_value():
    one = np.ones((1, 1))
    assert np.isnan(lone_variances(one, one > 0, one > 0, NONE[:1], NONE[:1]))
    two = lone_variances(
        np.array([[1.0], [3.0]]),
        np.ones((2, 1), bool),
        np.ones((2, 1), bool),
        NONE[:1],
        NONE[:1],
    )
    np.testing.assert_allclose(two, 2)
