"""The mean over draws: exact where nothing varies, honest where it does."""

from __future__ import annotations

import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.estimation.exact import exact
from torchattr.estimation.monte_carlo import monte_carlo
from torchattr.estimation.stopping import (
    MaxEvaluations,
    StandardErrorBelow,
    StoppingRule,
    check_schedule,
)
from torchattr.estimation.truncation import RelativeTruncation, TruncationPolicy
from torchattr.games.additive_game import AdditiveGame
from torchattr.games.counted import Counted
from torchattr.games.function_game import FunctionGame
from torchattr.games.synthetic import RandomGame
from torchattr.sampling import Antithetic, OrthogonalPermutations, Permutations
from torchattr.sampling.permutations import AntitheticPermutations

# The package's attribute of this name is the function.
MODULE = sys.modules[monte_carlo.__module__]
SAMPLERS = {
    "permutations": Permutations,
    "antithetic": lambda n: Antithetic(Permutations(n)),
    "orthogonal": OrthogonalPermutations,
}
by_sampler = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_game(n, seed=0, **options):
    return RandomGame(n, 12, generator=seeded(seed), **options)


@by_sampler
@given(n=st.integers(1, 7), seed=st.integers(0, 999))
def test_additive_games_are_exact_by_one_draw(sampler, n, seed):
    values = torch.randn(n, 2, generator=seeded(seed), dtype=torch.float64)
    estimate = monte_carlo(AdditiveGame(values), sampler(n), 1, generator=seeded())
    torch.testing.assert_close(estimate.values, values, atol=1e-10, rtol=0)


@by_sampler
@given(n=st.integers(1, 7), seed=st.integers(0, 999))
def test_efficiency(sampler, n, seed):
    game = random_game(n, seed, n_outputs=2)
    empty, full = game(game.ends())
    values = monte_carlo(game, sampler(n), 3, generator=seeded(seed)).values
    torch.testing.assert_close(values.sum(0), full - empty, atol=1e-10, rtol=0)


@by_sampler
@pytest.mark.parametrize("n", [1, 2, 5])
def test_evaluations_are_as_announced(sampler, n):
    game, sampler = Counted(random_game(n)), sampler(n)
    estimate = monte_carlo(game, sampler, 3)
    assert game.n_evaluations == 2 + 3 * sampler.n_coalitions
    assert (estimate.n_evaluations, estimate.n_draws) == (game.n_evaluations, 3)


@by_sampler
@pytest.mark.parametrize("block_bytes", [1, 100, 1000])
def test_blocks_change_nothing(monkeypatch, sampler, block_bytes):
    game = random_game(5, n_outputs=3)
    expected = monte_carlo(game, sampler(5), 9, generator=seeded())
    monkeypatch.setattr(MODULE, "_BLOCK_BYTES", block_bytes)
    found = monte_carlo(game, sampler(5), 9, generator=seeded())
    torch.testing.assert_close(found.values, expected.values, atol=1e-10, rtol=0)
    torch.testing.assert_close(found.standard_errors, expected.standard_errors)


@by_sampler
def test_estimates_are_unbiased_and_their_errors_honest(sampler):
    game = random_game(6, 3, n_outputs=2)
    estimate = monte_carlo(game, sampler(6), 1000, generator=seeded(1))
    deviations = estimate.values - exact(game).values
    varying = estimate.standard_errors > 1e-9
    scores = (deviations / estimate.standard_errors)[varying]
    assert float(deviations[~varying].abs().sum()) < 1e-9
    assert float(scores.abs().max()) < 5
    assert 0.2 < float(scores.square().mean()) < 3


def test_the_error_falls_with_the_root_of_the_draws():
    game = random_game(6)
    few, many = (
        monte_carlo(game, Permutations(6), n, generator=seeded()).standard_errors.mean()
        for n in (100, 1600)
    )
    assert 3 < float(few / many) < 5.3


def test_mirror_images_and_orthogonal_blocks_pay():
    game = random_game(8, 5)
    errors = [
        monte_carlo(game, sampler, n, generator=seeded()).standard_errors.mean()
        for sampler, n in (
            (Permutations(8), 560),
            (Antithetic(Permutations(8)), 280),
            (OrthogonalPermutations(8), 40),
        )
    ]
    assert errors[1] < 0.9 * errors[0]
    assert errors[2] < 0.9 * errors[0]


@by_sampler
@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float16])
def test_values_of_any_shape_and_type(sampler, dtype):
    game = FunctionGame(lambda c: c[:, None, :2].expand(-1, 3, 2).to(dtype), 4)
    estimate = monte_carlo(game, sampler(4), 2)
    assert estimate.values.shape == estimate.standard_errors.shape == (4, 3, 2)
    assert estimate.values.dtype == torch.float64
    expected = torch.eye(4, 2, dtype=torch.float64)[:, None].expand(4, 3, 2)
    torch.testing.assert_close(estimate.values, expected)


class Never(StoppingRule):
    """Keeps what it is shown, and goes on."""

    def __init__(self):
        self.seen = []

    def is_met(self, history):
        self.seen.append(history[-1])
        return False


def test_rules_are_asked_on_the_schedule():
    rule = Never()
    estimate = monte_carlo(random_game(5), Permutations(5), 40, stopping=rule)
    assert [now.n_draws for now in rule.seen] == check_schedule(40)
    assert rule.seen[-1] is estimate
    assert [now.n_evaluations for now in rule.seen] == [
        2 + 4 * draws for draws in check_schedule(40)
    ]
    seconds = [now.seconds for now in rule.seen]
    assert seconds == sorted(seconds)


def test_a_stopped_run_is_a_shorter_run():
    game, options = random_game(5), {"stopping": StandardErrorBelow(0.1)}
    stopped = monte_carlo(game, Permutations(5), 10**4, generator=seeded(), **options)
    shorter = monte_carlo(game, Permutations(5), stopped.n_draws, generator=seeded())
    assert 2 < stopped.n_draws < 10**4
    torch.testing.assert_close(stopped.values, shorter.values, atol=1e-12, rtol=0)
    assert float(stopped.standard_errors.max()) <= 0.1


@by_sampler
@pytest.mark.parametrize("limit", [34, 35, 100, 1000])
def test_the_limit_is_never_exceeded(sampler, limit):
    game, sampler = Counted(random_game(5)), sampler(5)
    monte_carlo(game, sampler, 10**6, stopping=MaxEvaluations(limit))
    assert limit - sampler.n_coalitions < game.n_evaluations <= limit


def test_a_limit_below_one_draw_is_refused_before_any_work():
    game = Counted(random_game(5))
    with pytest.raises(InputError, match=r"n_samples .*MaxEvaluations"):
        monte_carlo(game, Permutations(5), 9, stopping=MaxEvaluations(5))
    assert game.n_evaluations == 0


@pytest.mark.parametrize("limit", [2, 3])
def test_a_single_player_needs_no_draw_of_its_own(limit):
    game = Counted(AdditiveGame(torch.tensor([3.0])))
    estimate = monte_carlo(game, Permutations(1), 5, stopping=MaxEvaluations(limit))
    assert estimate.values.tolist() == [3.0]
    assert game.n_evaluations == 2


def test_on_the_device_of_the_game(device):
    game = AdditiveGame(torch.arange(4.0, device=device))
    for sampler in (
        Permutations(4, device),
        Antithetic(Permutations(4, device)),
        OrthogonalPermutations(4, device),
    ):
        for generator in (None, torch.Generator(device)):
            estimate = monte_carlo(game, sampler, 2, generator=generator)
            assert estimate.values.device.type == device.type
            torch.testing.assert_close(
                estimate.values.cpu(), torch.arange(4.0).double()
            )


class Patient(TruncationPolicy):
    """Asks, and lets all go on."""

    def truncated(self, walk, total, n):
        return torch.zeros(len(walk), dtype=torch.bool)


ORDERED = {
    "permutations": Permutations,
    "antithetic": AntitheticPermutations,
    "orthogonal": OrthogonalPermutations,
}


@pytest.mark.parametrize("name", ORDERED)
@pytest.mark.parametrize("rule", [None, StandardErrorBelow(1e-9) & MaxEvaluations(999)])
def test_truncation_that_never_happens_changes_nothing(name, rule):
    game = Counted(random_game(5, n_outputs=3))
    run = {"n_draws": 9, "stopping": rule}
    plain = monte_carlo(game, SAMPLERS[name](5), generator=seeded(), **run)
    asked = game.n_evaluations
    same = monte_carlo(
        game, ORDERED[name](5), generator=seeded(), truncation=Patient(), **run
    )
    torch.testing.assert_close(same.values, plain.values, atol=1e-12, rtol=0)
    torch.testing.assert_close(same.standard_errors, plain.standard_errors)
    assert same.n_evaluations == plain.n_evaluations
    assert game.n_evaluations == 2 * asked


def test_truncation_saves_evaluations_and_gives_the_rest_nothing():
    game = Counted(FunctionGame(lambda c: c.any(1).double(), 6))
    estimate = monte_carlo(
        game,
        Permutations(6),
        20,
        generator=seeded(),
        truncation=RelativeTruncation(0.01),
    )
    assert estimate.n_evaluations == game.n_evaluations == 2 + 20
    assert estimate.values.sum().item() == pytest.approx(1.0, abs=1e-12)


def test_truncated_runs_do_not_depend_on_blocks(monkeypatch):
    def run():
        return monte_carlo(
            random_game(6),
            AntitheticPermutations(6),
            10,
            generator=seeded(),
            truncation=RelativeTruncation(0.3),
        )

    whole = run()
    monkeypatch.setattr(MODULE, "_BLOCK_BYTES", 1)
    torch.testing.assert_close(run().values, whole.values, atol=1e-12, rtol=0)


def test_truncation_is_for_permutations():
    with pytest.raises(InputError, match="truncation is for permutations"):
        monte_carlo(
            random_game(3), Antithetic(Permutations(3)), 2, truncation=Patient()
        )
