"""The odd Gaussian process: efficiency, simple games, honest errors, batches."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.estimation.exact import exact
from torchattr.estimation.odd_gaussian_process import odd_gaussian_process
from torchattr.estimation.odd_hyperparameters import OddObservations, search
from torchattr.estimation.odd_part import odd_values, total_value
from torchattr.estimation.paired_regression import paired_regression
from torchattr.games.additive_game import AdditiveGame
from torchattr.games.function_game import FunctionGame
from torchattr.games.semivalues import banzhaf, beta_shapley
from torchattr.games.synthetic import RandomGame
from torchattr.sampling.a_optimal import a_optimal_pairs
from torchattr.sampling.odd_kernel import Quadrature
from torchattr.sampling.pairs import leverage_pairs, uniform_pairs

SEEDS = st.integers(0, 1000)
CPU = torch.device("cpu")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_game(n, seed=0, n_outputs=2):
    return RandomGame(n, n_outputs=n_outputs, generator=seeded(seed))


def fitted(game, n_pairs, **options):
    pairs = a_optimal_pairs(game.n_players, n_pairs)
    total, _ = total_value(game)
    return odd_gaussian_process(pairs, odd_values(game, pairs), total, **options)


@given(n=st.integers(3, 9), n_pairs=st.integers(1, 40), seed=SEEDS)
def test_values_are_finite_and_sum_to_the_total(n, n_pairs, seed):
    game = random_game(n, seed)
    fit = fitted(game, n_pairs)
    total, _ = total_value(game)
    assert torch.allclose(fit.values.sum(0), total, rtol=0, atol=1e-10)
    assert bool(fit.standard_errors.isfinite().all()) == (n_pairs >= 3)


def test_an_additive_game_is_exact_from_n_pairs_on():
    weights = torch.randn(12, dtype=torch.float64, generator=seeded())
    fit = fitted(AdditiveGame(weights), 12)
    assert torch.allclose(fit.values[:, 0], weights, rtol=0, atol=1e-12)
    assert bool((fit.standard_errors == 0).all())


def test_a_constant_game_has_values_of_zero():
    game = FunctionGame(lambda c: torch.full((len(c), 2), 3.0), 8)
    fit = fitted(game, 20)
    assert bool((fit.values == 0).all())
    assert bool((fit.standard_errors == 0).all())


def test_a_function_of_the_size_is_split_equally():
    game = FunctionGame(lambda c: (c.sum(1) / 10.0).double() ** 0.3, 10)
    fit = fitted(game, 45)
    assert torch.allclose(fit.values, torch.full((10, 1), 0.1).double(), atol=2e-3)


def test_interactions_of_three_are_shared():
    game = FunctionGame(lambda c: c[:, :3].all(1).double(), 9)
    fit = fitted(game, 40)
    expected = torch.tensor([1 / 3] * 3 + [0.0] * 6, dtype=torch.float64)
    assert torch.allclose(fit.values[:, 0], expected, atol=2e-2)


def test_scale_sign_and_offset_carry_over():
    game = random_game(9, n_outputs=1)
    scaled = FunctionGame(lambda c: 5 - 1000 * game(c), 9)
    fit, other = fitted(game, 30), fitted(scaled, 30)
    assert torch.allclose(-1000 * fit.values, other.values, rtol=1e-6, atol=1e-6)
    assert torch.allclose(1000 * fit.standard_errors, other.standard_errors, rtol=1e-4)


def test_games_of_a_batch_do_not_depend_on_each_other():
    pairs = a_optimal_pairs(10, 40)
    games = random_game(10, n_outputs=5)
    total, _ = total_value(games)
    odd = odd_values(games, pairs)
    batch = odd_gaussian_process(pairs, odd, total)
    for g in range(5):
        one = odd_gaussian_process(pairs, odd[:, [g]], total[[g]])
        assert torch.allclose(batch.values[:, [g]], one.values, rtol=0, atol=1e-7)


def test_it_beats_the_regression_on_the_same_pairs():
    ratios = []
    for seed in range(4):
        game = random_game(12, seed, n_outputs=4)
        pairs = leverage_pairs(12, 59, generator=seeded(seed))
        odd, (total, _) = odd_values(game, pairs), total_value(game)
        truth = game.shapley_values()
        ours = (odd_gaussian_process(pairs, odd, total).values - truth).norm()
        ratios.append(
            ours / (paired_regression(pairs, odd, total).values - truth).norm()
        )
    assert float(torch.stack(ratios).log().mean().exp()) < 0.9


@pytest.mark.parametrize("n_pairs", [30, 60])
def test_intervals_cover(n_pairs):
    covered = []
    for seed in range(8):
        game = random_game(12, seed, n_outputs=4)
        fit = fitted(game, n_pairs)
        error = (fit.values - game.shapley_values()).abs()
        covered.append((error < 1.96 * fit.standard_errors).double().mean())
    assert 0.88 < float(torch.stack(covered).mean()) <= 1


@pytest.mark.parametrize(
    ("quadrature", "semivalue"),
    [
        (Quadrature.banzhaf(CPU), banzhaf),
        (Quadrature.beta(9, 4.0, CPU), beta_shapley(4, 4)),
    ],
    ids=["banzhaf", "beta"],
)
def test_other_symmetric_semivalues(quadrature, semivalue):
    def value(coalitions):
        strong = coalitions[:, :3].all(1).double()
        return strong + coalitions.double() @ torch.arange(9.0).double() / 9

    game = FunctionGame(value, 9)
    pairs = uniform_pairs(9, 90, generator=seeded())
    total, _ = total_value(game)
    fit = odd_gaussian_process(
        pairs, odd_values(game, pairs), total, quadrature=quadrature
    )
    truth = exact(game, semivalue).values
    assert torch.allclose(fit.values[:, 0], truth, atol=0.02)


def test_the_search_improves_on_its_start():
    game = random_game(10)
    pairs = a_optimal_pairs(10, 40)
    total, _ = total_value(game)
    found = search(OddObservations.of(pairs, odd_values(game, pairs), total))
    settings, evidence = found.leading(3)
    assert settings.shape == (2, 3, 5)
    assert bool((evidence.diff(dim=1) <= 0).all())
    known = found.evidence.nan_to_num(nan=-torch.inf)
    assert torch.equal(evidence[:, 0], known.amax(1))


def test_many_pairs_are_searched_on_some_and_fitted_on_all():
    def value(coalitions):
        weighted = coalitions.double() @ torch.linspace(-2, 3, 14).double()
        return torch.tanh(weighted)

    game = FunctionGame(value, 14)
    few, many = fitted(game, 150), fitted(game, 600)
    truth = exact(game).values[:, None]
    assert (many.values - truth).norm() < 0.5 * (few.values - truth).norm()


def test_results_live_on_the_device(device):
    pairs = a_optimal_pairs(8, 20)
    odd = torch.randn(20, 3, dtype=torch.float64, generator=seeded())
    total = torch.ones(3, dtype=torch.float64)
    here = odd_gaussian_process(pairs.to(device), odd.to(device), total.to(device))
    assert here.values.device.type == device.type
    cpu = odd_gaussian_process(pairs, odd, total)
    assert torch.allclose(here.values.cpu(), cpu.values, rtol=0, atol=1e-6)
