"""Banzhaf values of training examples."""

from __future__ import annotations

import pytest
import torch

from tests.valuation.toy_learner import DATA, SCALES, N, seeded, toy
from torchattr.errors import InputError
from torchattr.estimation.exact import exact
from torchattr.estimation.sample_reuse import SampleReuse
from torchattr.estimation.stopping import MaxEvaluations, StandardErrorBelow
from torchattr.games.grouped import Grouped
from torchattr.games.semivalues import banzhaf
from torchattr.valuation.data_banzhaf import DataBanzhaf

MEAN = SCALES.mean()


@pytest.mark.parametrize("per_example", [False, True])
@pytest.mark.parametrize("estimator", ["exact", "auto", "stratified"])
def test_with_all_coalitions_values_are_exact(estimator, per_example):
    method, game, learner = toy(DataBanzhaf, per_example=per_example)
    values, errors = method.attribute(
        DATA, estimator=estimator, budget=2**N, return_standard_error=True
    )
    truth = exact(game, banzhaf).values
    expected = SCALES[:, None] * truth if per_example else MEAN * truth
    torch.testing.assert_close(values, expected, atol=1e-10, rtol=0)
    assert errors.abs().max() < 1e-12
    assert learner.n_trained == 2**N - 1


@pytest.mark.parametrize("per_example", [False, True])
@pytest.mark.parametrize("estimator", ["msr", "antithetic", "auto"])
def test_sampled_values_are_near(estimator, per_example):
    method, game, learner = toy(DataBanzhaf, per_example=per_example)
    values, errors = method.attribute(
        DATA,
        n_samples=1500 if estimator != "auto" else 60,
        estimator=estimator,
        generator=seeded(),
        return_standard_error=True,
    )
    scale = SCALES[:, None] if per_example else MEAN
    off = (values - scale * exact(game, banzhaf).values).abs()
    assert (off <= 5 * errors + 1e-12).all()
    assert learner.n_trained <= 2**N - 1


def test_mean_with_minus_mean_without():
    method, game, _ = toy(DataBanzhaf)
    values = method.attribute(DATA, n_samples=40, generator=seeded())
    coalitions = SampleReuse(N).draw(40, seeded())
    scores = MEAN * game(coalitions)
    for player in range(N):
        joined, stayed = scores[coalitions[:, player]], scores[~coalitions[:, player]]
        torch.testing.assert_close(values[player], joined.mean() - stayed.mean())


def test_members_carry_the_value_of_their_group():
    method, game, _ = toy(DataBanzhaf)
    owners = torch.tensor([1, 1, 0, 2, 0, 1])
    values = method.attribute(DATA, feature_mask=3 * owners, estimator="exact")
    truth = MEAN * exact(Grouped(game, owners), banzhaf).values[owners]
    torch.testing.assert_close(values, truth, atol=1e-10, rtol=0)


@pytest.mark.parametrize("per_eval", [1, 7, 256, None])
@pytest.mark.parametrize(
    "options", [{}, {"estimator": "antithetic"}, {"stopping": StandardErrorBelow(0.5)}]
)
def test_how_many_are_trained_at_once_changes_nothing(per_eval, options):
    run = {"n_samples": 70} | options
    first = toy(DataBanzhaf)[0].attribute(
        DATA, generator=seeded(), perturbations_per_eval=5, **run
    )
    again = toy(DataBanzhaf)[0].attribute(
        DATA, generator=seeded(), perturbations_per_eval=per_eval, **run
    )
    assert torch.equal(first, again)


def test_more_coalitions_use_the_log(tmp_path):
    path, trained = tmp_path / "values.log", []
    for n_samples in (20, 45, 30):
        method, _, learner = toy(DataBanzhaf)
        method.attribute(DATA, n_samples=n_samples, log=path, generator=seeded())
        trained.append(learner.n_trained)
    method, _, learner = toy(DataBanzhaf)
    method.attribute(DATA, n_samples=45, generator=seeded())
    assert trained[0] + trained[1] == learner.n_trained
    assert trained[2] == 0


@pytest.mark.parametrize("estimator", ["msr", "antithetic"])
def test_budgets_and_limits_are_not_exceeded(estimator):
    players = 40
    data = torch.zeros(players, 1), torch.zeros(players, 1)
    for options in (
        {"budget": 33},
        {"n_samples": 999, "stopping": MaxEvaluations(33)},
    ):
        method, _, learner = toy(DataBanzhaf, n=players)
        method.attribute(data, estimator=estimator, **options)
        assert learner.n_trained == (33 if estimator == "msr" else 32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_samples": 3, "budget": 30}, "n_samples or budget, not both"),
        ({"estimator": "permutation"}, 'one of "msr", "antithetic", "stratified"'),
        ({"estimator": "stratified"}, "by budget: pass one"),
        ({"estimator": "stratified", "n_samples": 40}, "takes no n_samples"),
        ({"estimator": "exact", "stopping": MaxEvaluations(3)}, "takes no stopping"),
        ({"estimator": "exact", "budget": 63}, "more than max_evaluations=63"),
        ({"estimator": "antithetic", "budget": 1}, "n_samples must be at least 1"),
        ({"stopping": "soon"}, "torchattr.estimation.stopping"),
    ],
)
def test_what_is_refused(options, message):
    method, _, learner = toy(DataBanzhaf)
    with pytest.raises(InputError, match=message):
        method.attribute(DATA, **options)
    assert learner.n_trained == 0
