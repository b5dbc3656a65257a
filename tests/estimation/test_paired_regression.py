"""Paired regression: exact on all pairs, efficient always, honest errors."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.estimation.exact import exact
from torchattr.estimation.odd_part import odd_values, total_value
from torchattr.estimation.paired_regression import kernel_weights, paired_regression
from torchattr.games.additive_game import AdditiveGame
from torchattr.games.function_game import FunctionGame
from torchattr.games.semivalues import banzhaf
from torchattr.games.synthetic import RandomGame
from torchattr.sampling.pairs import leverage_pairs, uniform_pairs

SEEDS = st.integers(0, 1000)
with_intercepts = pytest.mark.parametrize("size_intercepts", [False, True, None])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_game(n, seed=0):
    return RandomGame(n, n_outputs=2, generator=seeded(seed))


def fitted(game, n_pairs, seed=0, **options):
    pairs = leverage_pairs(game.n_players, n_pairs, generator=seeded(seed))
    total, _ = total_value(game)
    odd = odd_values(game, pairs) if len(pairs) else total.new_empty(0, len(total))
    return paired_regression(pairs, odd, total, **options)


@with_intercepts
@given(n=st.integers(2, 8), seed=SEEDS)
def test_all_pairs_give_the_exact_values(size_intercepts, n, seed):
    game = random_game(n, seed)
    fit = fitted(game, 2**n, size_intercepts=size_intercepts)
    assert torch.allclose(fit.values, exact(game).values, rtol=0, atol=1e-10)
    assert bool((fit.standard_errors == 0).all())


@given(n=st.integers(2, 8), seed=SEEDS)
def test_all_pairs_give_the_exact_banzhaf_values(n, seed):
    game = random_game(n, seed)
    pairs = uniform_pairs(n, 2**n, generator=seeded(seed))
    fit = paired_regression(pairs, odd_values(game, pairs), None)
    assert torch.allclose(fit.values, exact(game, banzhaf).values, rtol=0, atol=1e-10)
    assert bool((fit.standard_errors == 0).all())


@with_intercepts
@given(n_pairs=st.integers(0, 40), seed=SEEDS)
def test_values_sum_to_the_total(size_intercepts, n_pairs, seed):
    game = random_game(9, seed)
    fit = fitted(game, n_pairs, seed, size_intercepts=size_intercepts)
    total, _ = total_value(game)
    assert torch.allclose(fit.values.sum(0), total, rtol=0, atol=1e-10)


@with_intercepts
def test_an_additive_game_is_exact_once_determined(size_intercepts):
    game = AdditiveGame(torch.arange(12, dtype=torch.float64))
    fit = fitted(game, 30, size_intercepts=size_intercepts)
    assert torch.allclose(fit.values[:, 0], torch.arange(12.0).double(), atol=1e-9)


def test_size_intercepts_remove_any_function_of_the_size():
    weights = torch.randn(10, dtype=torch.float64, generator=seeded())
    curve = torch.randn(11, dtype=torch.float64, generator=seeded(1)) * 100

    def value(coalitions):
        return coalitions.double() @ weights + curve[coalitions.sum(1)]

    fit = fitted(FunctionGame(value, 10), 50, size_intercepts=True)
    expected = weights + (curve[-1] - curve[0]) / 10
    assert torch.allclose(fit.values[:, 0], expected, atol=1e-8)


def test_intercepts_by_centring_are_columns_of_ones():
    game, pairs = random_game(7), leverage_pairs(7, 40, generator=seeded())
    total, _ = total_value(game)
    odd = odd_values(game, pairs)
    fit = paired_regression(pairs, odd, total, size_intercepts=True)
    signs = pairs.double() * 2 - 1
    ones = torch.nn.functional.one_hot(pairs.sum(1)).double()[:, 1:]
    design = torch.cat([(signs - signs.mean(1, keepdim=True)) / 2, ones], 1)
    target = odd - signs.sum(1, keepdim=True) * total / 14
    roots = kernel_weights(pairs).sqrt()[:, None]
    slopes = torch.linalg.pinv(design * roots) @ (roots * target)
    # All but the ridge, which the 40 of 63 pairs leave small.
    expected = slopes[:7] + total / 7
    assert torch.allclose(fit.values, expected, atol=0.02 * float(expected.abs().max()))


def test_kernel_weights_are_the_shapley_kernel_on_all_pairs():
    pairs = leverage_pairs(5, 15)
    weights = kernel_weights(pairs)
    size_one, size_two = weights[pairs.sum(1) == 1], weights[pairs.sum(1) == 2]
    assert float(size_one[0] / size_two[0]) == pytest.approx((10 * 6) / (5 * 4))


def test_too_few_pairs_have_no_error():
    for n_pairs in (0, 1, 2):
        fit = fitted(random_game(9), n_pairs)
        assert bool(fit.standard_errors.isnan().all())
        assert bool(fit.values.isfinite().all())


def test_no_pairs_are_the_equal_split():
    game = random_game(9)
    total, _ = total_value(game)
    assert torch.allclose(fitted(game, 0).values, (total / 9).expand(9, -1))


def test_there_is_no_peak_at_as_many_pairs_as_players():
    errors = []
    for n_pairs in (15, 30, 60):
        squares = [
            (fitted(game, n_pairs, seed).values - game.shapley_values()).square().mean()
            for seed in range(4)
            for game in [RandomGame(30, n_outputs=2, generator=seeded(seed))]
        ]
        errors.append(torch.stack(squares).mean().sqrt())
    assert errors[1] < 1.1 * errors[0]
    assert errors[2] < errors[1]


def test_a_column_does_not_depend_on_the_others():
    game, pairs = random_game(9), leverage_pairs(9, 30, generator=seeded())
    total, _ = total_value(game)
    odd = odd_values(game, pairs)
    both = paired_regression(pairs, odd, total)
    one = paired_regression(pairs, odd[:, 1:], total[1:])
    assert torch.allclose(both.values[:, 1:], one.values, rtol=0, atol=1e-12)
    assert torch.allclose(both.standard_errors[:, 1:], one.standard_errors, atol=1e-12)


def test_the_side_by_which_a_pair_is_stored_does_not_matter():
    game, pairs = random_game(9), leverage_pairs(9, 30, generator=seeded())
    total, _ = total_value(game)
    flipped = torch.where(torch.arange(30)[:, None] % 2 == 0, pairs, ~pairs)
    a = paired_regression(pairs, odd_values(game, pairs), total)
    b = paired_regression(flipped, odd_values(game, flipped), total)
    assert torch.allclose(a.values, b.values, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_pairs", [30, 60, 200])
def test_intervals_cover(n_pairs):
    covered = []
    for seed in range(12):
        game = RandomGame(12, n_outputs=4, generator=seeded(seed))
        fit = fitted(game, n_pairs, seed)
        error = (fit.values - game.shapley_values()).abs()
        covered.append((error < 1.96 * fit.standard_errors).double().mean())
    assert 0.9 < float(torch.stack(covered).mean()) <= 1


def test_results_live_on_the_device(device):
    pairs = leverage_pairs(8, 20, generator=seeded(), device=device)
    odd = torch.randn(20, 3, dtype=torch.float64, generator=seeded()).to(device)
    total = torch.ones(3, dtype=torch.float64, device=device)
    fit = paired_regression(pairs, odd, total)
    cpu = paired_regression(pairs.cpu(), odd.cpu(), total.cpu())
    assert fit.values.device.type == device.type
    assert torch.allclose(fit.values.cpu(), cpu.values, rtol=0, atol=1e-9)
