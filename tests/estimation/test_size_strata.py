"""Sums by size: exact when enumerated, every semivalue at once, mergeable."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.estimation.exact import exact
from torchattr.estimation.size_strata import SizeStrata, stratified_sums
from torchattr.games.additive_game import AdditiveGame
from torchattr.games.counted import Counted
from torchattr.games.function_game import FunctionGame
from torchattr.games.semivalues import (
    banzhaf,
    beta_shapley,
    leave_one_out,
    shapley,
    weighted_banzhaf,
)
from torchattr.games.synthetic import RandomGame
from torchattr.sampling.coalitions_by_size import (
    coalitions_of_sizes,
    random_coalitions_of_sizes,
)

SEMIVALUES = [
    shapley,
    banzhaf,
    weighted_banzhaf(0.3),
    beta_shapley(4, 1),
    leave_one_out,
]


def seed(number):
    return torch.Generator().manual_seed(number)


def close(actual, expected, tolerance=1e-10):
    torch.testing.assert_close(actual, expected, atol=tolerance, rtol=0)


def sampled(game, n_sampled, generator):
    """Strata of uniform coalitions, which are uniform given their size."""
    coalitions = torch.rand(n_sampled, game.n_players, generator=generator) < 0.5
    strata = SizeStrata(game.n_players, (2,))
    strata.add(coalitions, game(coalitions))
    return strata, coalitions


@given(n=st.integers(1, 7), number=st.integers(0, 99))
def test_an_enumeration_gives_every_semivalue_exactly(n, number):
    game = Counted(RandomGame(n, 12, n_outputs=2, generator=seed(number)))
    strata = stratified_sums(game, 2**n)
    assert game.n_evaluations == strata.n_evaluations == 2**n
    for semivalue in SEMIVALUES:
        estimate = strata.estimate(semivalue)
        close(estimate.values, exact(game.game, semivalue).values)
        assert not estimate.standard_errors.any()
        assert estimate.n_draws == 0


@pytest.mark.parametrize("budget", [36, 57, 300, 1023])
def test_the_budget_is_exact(budget):
    game = Counted(RandomGame(10, 20, generator=seed(0)))
    strata = stratified_sums(game, budget, generator=seed(1))
    assert game.n_evaluations == strata.n_evaluations == budget
    assert strata.estimate().n_evaluations == budget


def test_too_small_a_budget_is_refused():
    with pytest.raises(InputError, match="at least 36"):
        stratified_sums(RandomGame(10, 20, generator=seed(0)), 35)


def test_size_effects_carry_no_shapley_value():
    game = FunctionGame(lambda c: c.sum(1).double() ** 2, 12)
    estimate = stratified_sums(game, 100, generator=seed(0)).estimate()
    close(estimate.values, torch.full((12,), 12.0).double())
    close(estimate.standard_errors, torch.zeros(12).double())


def test_leave_one_out_is_exact_from_the_border():
    game = RandomGame(12, 40, generator=seed(0))
    estimate = stratified_sums(game, 60, generator=seed(1)).estimate(leave_one_out)
    close(estimate.values, exact(game, leave_one_out).values)
    assert not estimate.standard_errors.any()


def test_shapley_values_are_efficient_and_others_left_alone():
    game = RandomGame(12, 40, n_outputs=3, generator=seed(0))
    empty, full = game(game.ends())
    strata = stratified_sums(game, 100, generator=seed(1))
    close(strata.estimate().values.sum(0), full - empty)
    close(strata.estimate(beta_shapley(1, 1)).values, strata.estimate().values)
    gap = strata.estimate(banzhaf).values.sum(0) - (full - empty)
    assert gap.abs().min() > 1e-3


def test_a_shift_of_the_game_changes_nothing():
    game = RandomGame(9, 30, generator=seed(0))
    far = FunctionGame(lambda c: game(c) + 1e8, 9)
    near = stratified_sums(game, 100, generator=seed(1)).estimate()
    away = stratified_sums(far, 100, generator=seed(1)).estimate()
    close(away.values, near.values, 1e-6)
    close(away.standard_errors, near.standard_errors, 1e-6)


@given(cut=st.integers(0, 60), number=st.integers(0, 99))
def test_merged_parts_are_the_whole(cut, number):
    game = RandomGame(5, 12, n_outputs=2, generator=seed(number))
    whole, coalitions = sampled(game, 60, seed(number + 1))
    parts = [SizeStrata(5, (2,)), SizeStrata(5, (2,))]
    for part, chunk in zip(parts, (coalitions[:cut], coalitions[cut:]), strict=True):
        if len(chunk):
            part.add(chunk, game(chunk))
    merged = parts[0].merged(parts[1])
    for semivalue in SEMIVALUES:
        one, other = merged.estimate(semivalue), whole.estimate(semivalue)
        torch.testing.assert_close(one.values, other.values, equal_nan=True)
        torch.testing.assert_close(
            one.standard_errors, other.standard_errors, equal_nan=True
        )
    assert merged.n_evaluations == merged.n_sampled == 60


@pytest.mark.parametrize("sample_first", [False, True])
@pytest.mark.parametrize("merge", [False, True])
def test_an_enumeration_supersedes_a_sample(sample_first, merge):
    game = RandomGame(5, 12, n_outputs=2, generator=seed(0))
    everything = coalitions_of_sizes(5, range(6))
    sample, coalitions = sampled(game, 40, seed(1))
    enumerated = SizeStrata(5, (2,))
    enumerated.add(everything[:20], game(everything[:20]), enumerated=True)
    if merge:
        enumerated.add(everything[20:], game(everything[20:]), enumerated=True)
        parts = (sample, enumerated) if sample_first else (enumerated, sample)
        strata = parts[0].merged(parts[1])
    elif sample_first:
        sample.add(everything, game(everything), enumerated=True)
        strata = sample
    else:
        enumerated.add(everything[20:], game(everything[20:]), enumerated=True)
        enumerated.add(coalitions, game(coalitions))
        strata = enumerated
    close(strata.estimate(banzhaf).values, exact(game, banzhaf).values)
    assert not strata.estimate(banzhaf).standard_errors.any()


def test_halves_of_an_enumeration_merge_to_the_exact_value():
    game = RandomGame(5, 12, generator=seed(0))
    everything = coalitions_of_sizes(5, range(6))
    parts = [SizeStrata(5), SizeStrata(5)]
    for part, chunk in zip(parts, everything.split(16), strict=True):
        part.add(chunk, game(chunk), enumerated=True)
    close(parts[0].merged(parts[1]).estimate().values, game.shapley_values())


def test_what_was_never_seen_is_not_made_up():
    strata = SizeStrata(4)
    assert strata.estimate().values.isnan().all()
    game = AdditiveGame(torch.arange(4.0))
    border = coalitions_of_sizes(4, [0, 1, 3, 4])
    strata.add(border, game(border), enumerated=True)
    assert strata.estimate().values.isnan().all()
    close(strata.estimate(leave_one_out).values, game.values.double())
    one = torch.tensor([[True, True, False, False]])
    strata.add(one, game(one))
    assert strata.estimate().values.isfinite().all()
    assert strata.estimate().standard_errors.isnan().all()


@pytest.mark.parametrize("semivalue", SEMIVALUES[:4])
def test_estimates_are_unbiased_and_their_errors_honest(semivalue):
    game = RandomGame(8, 30, generator=seed(0))
    truth, runs, generator = exact(game, semivalue).values, [], seed(1)
    for _ in range(100):
        strata = stratified_sums(game, 128, generator=generator, semivalue=semivalue)
        runs.append(strata.estimate(semivalue))
    errors = torch.stack([run.values for run in runs]) - truth
    claimed = torch.stack([run.standard_errors for run in runs])
    z = errors.mean(0) / (errors.std(0) / len(runs) ** 0.5)
    assert z.abs().max() < 5
    covered = (errors.abs() <= 1.96 * claimed).double().mean()
    assert 0.9 < covered < 0.98


def test_more_evaluations_are_more_accurate():
    game = RandomGame(12, 40, generator=seed(0))
    truth = game.shapley_values()
    errors = [
        (stratified_sums(game, m, generator=seed(1)).estimate().values - truth).norm()
        for m in (100, 1000, 4000)
    ]
    assert errors[0] > 2 * errors[1] > 2 * errors[2]


def test_strata_live_on_the_games_device(device):
    values = torch.rand(9, 2, dtype=torch.float64, device=device)
    estimate = stratified_sums(AdditiveGame(values), 80, generator=seed(0)).estimate()
    assert estimate.values.shape == (9, 2)
    assert estimate.values.device == values.device


def test_arguments_are_checked():
    strata = SizeStrata(3, (2,))
    coalitions = random_coalitions_of_sizes(3, torch.tensor([1, 2]))
    with pytest.raises(InputError, match="expected coalitions"):
        strata.add(coalitions, torch.zeros(2))
    with pytest.raises(InputError, match="expected coalitions"):
        strata.add(coalitions, torch.zeros(3, 2))
    with pytest.raises(InputError, match="agree"):
        strata.merged(SizeStrata(4, (2,)))
    with pytest.raises(InputError, match="do not sum to 1"):
        SizeStrata(2000).estimate(shapley)
