"""Correlation with leaving one out, of games and by retraining one by one."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import pearsonr, spearmanr
from torch.nn.functional import cross_entropy

from tests.metrics.learners import classifier
from tests.metrics.results import SortedResult
from torchattr.errors import InputError
from torchattr.games import AdditiveGame, Counted, FunctionGame
from torchattr.influence import DirectInfluence
from torchattr.metrics import leave_one_out_correlation
from torchattr.training import RetrainingGame

WORTH = torch.tensor([[4.0, 1.0], [-1.0, 2.0], [3.0, 0.0], [0.5, 5.0]]).double()
GUESS = torch.tensor([[5.0, 0.0, 1.0, 2.0], [1.0, 2.0, 0.5, 9.0]]).double()


@pytest.mark.parametrize(
    ("correlation", "by_scipy"), [("pearson", pearsonr), ("spearman", spearmanr)]
)
def test_of_an_additive_game_is_that_with_its_values(correlation, by_scipy):
    game = Counted(AdditiveGame(WORTH, offset=3.0))
    found = leave_one_out_correlation(game, GUESS, correlation=correlation)
    expected = [by_scipy(GUESS[j], WORTH[:, j]).statistic for j in range(2)]
    assert found.tolist() == pytest.approx(expected, abs=1e-12)
    assert game.n_evaluations == 5


def test_effects_are_those_at_the_full_coalition():
    first_alone = torch.tensor([0.0, 0.0, 1.0])

    def value(coalitions):  # the last player counts where both others stay
        return coalitions[:, 2] * coalitions[:, :2].all(1) * 1.0

    game = FunctionGame(value, 3)  # v(N) - v(N without i) is 1 for all of them
    assert leave_one_out_correlation(game, first_alone).isnan()


def test_of_one_value_and_of_a_result():
    game = AdditiveGame(WORTH[:, 0])
    result = SortedResult(WORTH[:, 0].numpy()).sorted()
    assert leave_one_out_correlation(game, result) == pytest.approx(1)
    assert leave_one_out_correlation(game, -WORTH[:, 0]) == pytest.approx(-1)


def test_of_a_learner_is_that_of_retraining_one_by_one():
    learner, data, test = classifier(n_train=6)
    attributions = torch.randn(3, 6, generator=torch.Generator().manual_seed(1))

    def score(coalition):
        model = learner.fit(data, coalition)
        return -cross_entropy(model(test[0]), test[1], reduction="none").detach()

    everyone = torch.ones(6, dtype=torch.bool)
    effects = torch.stack(
        [score(everyone) - score(torch.arange(6) != i) for i in range(6)], dim=1
    )
    expected = [
        spearmanr(mine, true).statistic
        for mine, true in zip(attributions, effects, strict=True)
    ]
    found = leave_one_out_correlation(learner, attributions, data=data, test=test)
    assert found.tolist() == pytest.approx(expected, abs=1e-12)
    game = RetrainingGame(learner, data, test, "neg_loss", per_example=True)
    assert torch.equal(found, leave_one_out_correlation(game, attributions))
    assert leave_one_out_correlation(game, effects).tolist() == pytest.approx([1] * 3)


def test_of_a_learner_by_its_mean_score():
    learner, data, test = classifier()
    values = torch.arange(8.0)
    options = {"data": data, "test": test, "scorer": "log_likelihood"}
    found = leave_one_out_correlation(learner, values, **options)
    game = RetrainingGame(learner, data, test, "log_likelihood")
    assert found.shape == ()
    assert torch.equal(found, leave_one_out_correlation(game, values))


def test_influence_foretells_leaving_out_of_ridge_regression():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 3, generator=generator).double()
    y = x.sum(1, keepdim=True) + torch.randn(200, 1, generator=generator).double()
    model, weight_decay = torch.nn.Linear(3, 1, bias=False).double(), 1e-3

    def solutions(kept):  # (C, 3, 1): minima of the mean square plus the decay
        weights = kept.double() / kept.sum(1, keepdim=True)
        gram = 2 * torch.einsum("cn,ni,nj->cij", weights, x, x)
        ridge = gram + weight_decay * torch.eye(3).double()
        return torch.linalg.solve(
            ridge, 2 * torch.einsum("cn,ni,no->cio", weights, x, y)
        )

    def value(kept):
        return -(x[:5] @ solutions(kept) - y[:5]).square().squeeze(2)

    everyone = torch.ones(1, 200, dtype=torch.bool)
    model.weight.data = solutions(everyone)[0].T.contiguous()
    influence = DirectInfluence(model, torch.nn.MSELoss(), weight_decay).fit((x, y))
    scores = influence.influences(x[:5], y[:5], x, y)
    game = FunctionGame(value, 200)
    for correlation in ("pearson", "spearman"):
        found = leave_one_out_correlation(game, scores, correlation=correlation)
        assert found.mean() > 0.98


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((WORTH.T[:, :3],), r"each of the 4 players.*\(2, 4\); got shape \(2, 3\)"),
        ((WORTH,), r"\(2, 4\); got shape \(4, 2\)"),
        ((WORTH[:, 0],), r"\(2, 4\); got shape \(4,\)"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(InputError, match=message):
        leave_one_out_correlation(AdditiveGame(WORTH), *arguments)
    with pytest.raises(InputError, match="pearson"):
        leave_one_out_correlation(AdditiveGame(WORTH), GUESS, correlation="tau")
    with pytest.raises(InputError, match=r"pass data=\(x, y\)"):
        leave_one_out_correlation(classifier()[0], GUESS)
