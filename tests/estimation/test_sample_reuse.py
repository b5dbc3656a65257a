"""Every coalition tells of every player: exact where enumerated, honest where drawn."""

from __future__ import annotations

import itertools
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.estimation.exact import exact
from torchattr.estimation.sample_reuse import SampleReuse, sample_reuse
from torchattr.estimation.stopping import MaxEvaluations, StandardErrorBelow
from torchattr.games.additive_game import AdditiveGame
from torchattr.games.cached import Cached
from torchattr.games.counted import Counted
from torchattr.games.semivalues import (
    banzhaf,
    beta_shapley,
    leave_one_out,
    shapley,
    weighted_banzhaf,
)
from torchattr.games.synthetic import RandomGame, ShoesGame

MODULE = sys.modules[sample_reuse.__module__]
SEMIVALUES = {
    "banzhaf": banzhaf,
    "shapley": shapley,
    "beta": beta_shapley(4, 1),
    "weighted": weighted_banzhaf(0.3),
    "leave one out": leave_one_out,
}
by_semivalue = pytest.mark.parametrize("name", SEMIVALUES)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def game(n, seed=0, n_outputs=None):
    return RandomGame(n, 12, generator=seeded(seed), n_outputs=n_outputs)


def everyone(n):
    return torch.tensor(list(itertools.product([False, True], repeat=n)))


@by_semivalue
@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_law_and_the_weights_give_the_value_exactly(name, n):
    # Each coalition as often as the law says: the two means are then the true ones.
    reuse = SampleReuse(n, semivalue=SEMIVALUES[name])
    coalitions, inner = everyone(n), game(n, n_outputs=2)
    values = inner(coalitions)
    sizes = coalitions.sum(1)
    chance = reuse.size_law / torch.bincount(sizes, minlength=n + 1)
    weights = reuse._weights * chance
    means = [
        ((weights[side, sizes, None] * members)[..., None] * values[:, None]).sum(0)
        for side, members in enumerate((coalitions, ~coalitions))
    ]
    expected = exact(inner, SEMIVALUES[name]).values
    torch.testing.assert_close(means[0] - means[1], expected, atol=1e-10, rtol=0)
    assert reuse.size_law.sum().item() == pytest.approx(1, abs=1e-12)


@by_semivalue
def test_within_five_standard_errors(name):
    inner = game(6, n_outputs=3)
    estimate = sample_reuse(
        inner, 4000, semivalue=SEMIVALUES[name], generator=seeded(1)
    )
    truth = exact(inner, SEMIVALUES[name]).values
    if name == "leave one out":  # nothing varies: there is one coalition on each side
        torch.testing.assert_close(estimate.values, truth, atol=1e-10, rtol=0)
        assert estimate.standard_errors.max() < 1e-6
        return
    z = (estimate.values - truth) / estimate.standard_errors
    assert z.abs().max() < 5
    assert z.square().mean() < 3


@pytest.mark.parametrize("antithetic", [False, True])
@pytest.mark.parametrize("name", ["banzhaf", "shapley"])
def test_standard_errors_are_those_of_repeated_runs(antithetic, name):
    if antithetic and name == "shapley":
        return
    inner = Cached(game(6))
    generator = seeded(2)
    runs = [
        sample_reuse(
            inner,
            100,
            semivalue=SEMIVALUES[name],
            antithetic=antithetic,
            generator=generator,
        )
        for _ in range(250)
    ]
    spread = torch.stack([run.values for run in runs]).std(0)
    reported = torch.stack([run.standard_errors for run in runs]).square().mean(0)
    ratio = reported.sqrt() / spread
    assert 0.85 < ratio.min() <= ratio.max() < 1.18


def test_banzhaf_is_mean_with_minus_mean_without():
    inner, coalitions = (
        game(5, n_outputs=2),
        torch.rand(50, 5, generator=seeded()) < 0.5,
    )
    values, reuse = inner(coalitions), SampleReuse(5)
    for part in (slice(7), slice(7, 50)):
        reuse.add(coalitions[part], values[part])
    estimate = reuse.estimate()
    for player in range(5):
        joined, stayed = values[coalitions[:, player]], values[~coalitions[:, player]]
        difference = joined.mean(0) - stayed.mean(0)
        variance = joined.var(0) / len(joined) + stayed.var(0) / len(stayed)
        torch.testing.assert_close(estimate.values[player], difference)
        torch.testing.assert_close(
            estimate.standard_errors[player], variance.sqrt(), atol=1e-9, rtol=1e-7
        )


def test_pairs_are_one_replicate_each():
    inner = Counted(game(5, n_outputs=2))
    reuse = SampleReuse(5, antithetic=True)
    coalitions = reuse.draw(20, seeded())
    assert torch.equal(coalitions[1::2], ~coalitions[::2])
    values = inner(coalitions)
    reuse.add(coalitions, values)
    odd = values[::2] - values[1::2]
    each = (2 * coalitions[::2].double() - 1)[..., None] * odd[:, None]
    estimate = reuse.estimate()
    torch.testing.assert_close(estimate.values, each.mean(0))
    torch.testing.assert_close(estimate.standard_errors, each.std(0) / 20**0.5)
    assert (estimate.n_draws, estimate.n_evaluations) == (20, 40)
    again = sample_reuse(inner, 39, antithetic=True, generator=seeded())
    torch.testing.assert_close(again.values, estimate.values)


def test_pairs_are_exact_on_additive_games_with_equal_values_elsewhere():
    inner = AdditiveGame(torch.tensor([1.0, 0, 0], dtype=torch.float64), offset=7)
    estimate = sample_reuse(inner, 40, antithetic=True, generator=seeded())
    assert estimate.values[0].item() == pytest.approx(1, abs=1e-12)
    assert estimate.standard_errors[0].item() == pytest.approx(0, abs=1e-7)


@by_semivalue
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_how_many_are_drawn_at_once_changes_nothing(name, sizes):
    reuse, generator = SampleReuse(9, semivalue=SEMIVALUES[name]), seeded()
    parts = [reuse.draw(size, generator) for size in sizes]
    assert torch.equal(torch.cat(parts), reuse.draw(sum(sizes), seeded()))


def test_sizes_follow_the_law():
    for name in ("banzhaf", "shapley", "beta"):
        reuse = SampleReuse(6, semivalue=SEMIVALUES[name])
        sizes = reuse.draw(20_000, seeded()).sum(1).bincount(minlength=7) / 20_000
        spread = (reuse.size_law * (1 - reuse.size_law) / 20_000).sqrt()
        assert ((sizes - reuse.size_law).abs() <= 5 * spread + 1e-12).all()


def test_blocks_change_nothing(monkeypatch):
    whole = sample_reuse(game(6), 300, generator=seeded())
    monkeypatch.setattr(MODULE, "_BLOCK_BYTES", 1)
    parts = sample_reuse(game(6), 300, generator=seeded())
    torch.testing.assert_close(parts.values, whole.values, atol=1e-12, rtol=0)
    torch.testing.assert_close(parts.standard_errors, whole.standard_errors)


def test_stopping():
    inner = Counted(game(6))
    rule = StandardErrorBelow(0.2)
    estimate = sample_reuse(inner, 10**6, generator=seeded(), stopping=rule)
    assert estimate.standard_errors.max() <= 0.2
    assert 32 <= estimate.n_evaluations == inner.n_evaluations < 10**5
    for antithetic in (False, True):
        limited = sample_reuse(
            inner, 10**6, antithetic=antithetic, stopping=MaxEvaluations(101)
        )
        assert limited.n_evaluations == (100 if antithetic else 101)
    with pytest.raises(InputError, match="at least 2 evaluation"):
        sample_reuse(inner, 9, antithetic=True, stopping=MaxEvaluations(1))


def test_a_player_on_one_side_only_has_no_value():
    estimate = sample_reuse(ShoesGame(1, 1), 1, generator=seeded())
    assert estimate.values.isnan().all()
    assert estimate.standard_errors.isnan().all()


def test_thousands_of_players():
    values = torch.rand(3000, generator=seeded(), dtype=torch.float64)
    estimate = sample_reuse(AdditiveGame(values), 200, generator=seeded())
    z = (estimate.values - values) / estimate.standard_errors
    assert z.abs().max() < 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SampleReuse(0), "n_players must be at least 1"),
        (lambda: SampleReuse(3, semivalue=shapley, antithetic=True), "Banzhaf"),
        (lambda: SampleReuse(3000, semivalue=shapley), "Group the players"),
        (lambda: SampleReuse(3).estimate(), "add coalitions first"),
        (lambda: sample_reuse(game(3), 0), "n_samples must be at least 1"),
        (
            lambda: SampleReuse(3).add(torch.ones(2, 2).bool(), torch.ones(2)),
            "expected coalitions",
        ),
        (
            lambda: SampleReuse(2, antithetic=True).add(
                torch.ones(3, 2).bool(), torch.ones(3)
            ),
            "multiple of 2",
        ),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
