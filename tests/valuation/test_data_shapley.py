"""Values of training examples: the known ones, for any batch, interruption and log."""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.valuation.toy_learner import DATA, SCALES, N, seeded, toy, trained
from torchattr.errors import InputError
from torchattr.estimation.exact import exact
from torchattr.estimation.stopping import MaxEvaluations, StandardErrorBelow
from torchattr.estimation.truncation import RelativeTruncation
from torchattr.games.attribution import PerturbationAttribution
from torchattr.games.grouped import Grouped
from torchattr.training.torch_learner import TorchLearner
from torchattr.valuation.data_banzhaf import DataBanzhaf
from torchattr.valuation.data_loo import DataLOO
from torchattr.valuation.data_shapley import DataShapley
from torchattr.valuation.stopping import MaxUpdates

SAMPLED = ("permutation", "antithetic", "orthogonal")
MEAN = SCALES.mean()


@pytest.mark.parametrize("per_example", [False, True])
@pytest.mark.parametrize("estimator", ["exact", "auto", "stratified"])
def test_with_all_coalitions_values_are_exact(estimator, per_example):
    method, game, learner = toy(DataShapley, per_example=per_example)
    values, errors = method.attribute(
        DATA, estimator=estimator, budget=2**N, return_standard_error=True
    )
    truth = exact(game).values
    expected = SCALES[:, None] * truth if per_example else MEAN * truth
    torch.testing.assert_close(values, expected, atol=1e-10, rtol=0)
    assert errors.shape == values.shape
    assert errors.abs().max() < 1e-12
    assert learner.n_trained == 2**N - 1
    assert values.dtype == torch.float64


@pytest.mark.parametrize("per_example", [False, True])
@pytest.mark.parametrize("estimator", SAMPLED)
def test_sampled_values_add_up_and_are_near(estimator, per_example):
    method, game, _ = toy(DataShapley, per_example=per_example)
    values, errors = method.attribute(
        DATA,
        n_samples=300,
        estimator=estimator,
        generator=seeded(),
        return_standard_error=True,
    )
    scale = SCALES if per_example else MEAN
    empty, full = game(game.ends())
    torch.testing.assert_close(values.sum(-1), scale * (full - empty))
    truth = (scale[..., None] if per_example else scale) * exact(game).values
    off = (values - truth).abs()
    assert (off <= 5 * errors + 1e-12).all()
    assert values.shape == ((3, N) if per_example else (N,))


@pytest.mark.parametrize("estimator", SAMPLED)
def test_a_coalition_is_trained_once_from_small_to_large(estimator):
    method, _, learner = toy(DataShapley)
    method.attribute(DATA, n_samples=50, estimator=estimator, generator=seeded())
    trained_on = torch.cat(learner.asked)
    assert len(trained_on.unique(dim=0)) == len(trained_on)
    for asked in learner.asked[1:]:
        sizes = asked.sum(1)
        assert torch.equal(sizes, sizes.sort().values)


@pytest.mark.parametrize("mask", [[5, 5, 0, 9, 0, 5], [3, 1, 2, 2, 1, 3]])
def test_members_carry_the_value_of_their_group(mask):
    method, game, learner = toy(DataShapley)
    mask = torch.tensor(mask)
    values = method.attribute(DATA, feature_mask=mask, estimator="exact")
    owners = mask.unique(return_inverse=True)[1]
    truth = MEAN * exact(Grouped(game, owners)).values[owners]
    torch.testing.assert_close(values, truth, atol=1e-10, rtol=0)
    assert learner.n_trained == 2**3 - 1
    other = method.attribute(DATA, feature_mask=mask.numpy(), n_samples=4)
    assert other.shape == (N,)


@pytest.mark.parametrize("per_eval", [1, 7, 256, None])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"estimator": "antithetic"},
        {"truncation": RelativeTruncation(0.4)},
        {"stopping": StandardErrorBelow(0.4)},
        {"estimator": "auto", "budget": 30, "n_samples": None},
    ],
)
def test_how_many_are_trained_at_once_changes_nothing(per_eval, options):
    run = {"n_samples": 9} | options
    expected = toy(DataShapley)[0].attribute(
        DATA, generator=seeded(), **run, perturbations_per_eval=5
    )
    method, _, learner = toy(DataShapley)
    values = method.attribute(
        DATA, generator=seeded(), **run, perturbations_per_eval=per_eval
    )
    assert torch.equal(values, expected)
    assert max(map(len, learner.asked)) <= (per_eval or 256)


def test_real_trainings_do_not_depend_on_how_many_go_at_once():
    learner, train, test = trained()
    runs = [
        DataShapley(learner, test=test, scorer="log_likelihood").attribute(
            train, n_samples=2, generator=seeded(), perturbations_per_eval=size
        )
        for size in (1, 7, None)
    ]
    torch.testing.assert_close(runs[1], runs[0], atol=1e-7, rtol=0)
    torch.testing.assert_close(runs[2], runs[0], atol=1e-7, rtol=0)


def test_a_run_is_score_of_all_minus_score_of_none():
    learner, (x, y), test = trained()
    values = DataShapley(learner, test=test, scorer="accuracy", default=0.25).attribute(
        (x, y), n_samples=3, generator=seeded()
    )
    model = learner.fit((x, y))
    accuracy = (model(test[0]).argmax(1) == test[1]).double().mean()
    assert values.sum().item() == pytest.approx(accuracy.item() - 0.25, abs=1e-12)


# How long to sample


@pytest.mark.parametrize("estimator", SAMPLED)
def test_a_budget_is_not_exceeded(estimator):
    method, _, learner = toy(DataShapley)
    method.attribute(DATA, budget=61, estimator=estimator, generator=seeded())
    assert 10 < learner.n_trained <= 60  # the empty coalition trains nothing


def test_defaults_cost_what_they_say():
    method, _, learner = toy(DataShapley, n=30)
    method.attribute((torch.zeros(30, 1), torch.zeros(30, 1)), generator=seeded())
    assert 0.9 * 25 * 29 < learner.n_trained <= 25 * 29 + 1


def test_pairs_of_permutations_count_as_two():
    method, _, learner = toy(DataShapley, n=30)
    data = torch.zeros(30, 1), torch.zeros(30, 1)
    method.attribute(data, n_samples=7, estimator="antithetic", generator=seeded())
    assert 0.9 * 8 * 29 < learner.n_trained <= 8 * 29 + 1


def test_stopping_ends_a_run():
    method, _, _ = toy(DataShapley)
    values, errors = method.attribute(
        DATA,
        n_samples=10**6,
        stopping=StandardErrorBelow(0.1),
        generator=seeded(),
        return_standard_error=True,
    )
    assert errors.max() <= 0.1
    assert values.shape == (N,)
    method, _, learner = toy(DataShapley)
    method.attribute(DATA, n_samples=99, stopping=MaxEvaluations(20))
    assert learner.n_trained <= 19


def test_truncation_saves_trainings():
    plain, truncated = toy(DataShapley), toy(DataShapley)
    for (method, _, _), policy in ((plain, None), (truncated, RelativeTruncation(0.8))):
        method.attribute(
            DATA,
            n_samples=3,
            truncation=policy,
            generator=seeded(),
            estimator="antithetic",
        )
    assert truncated[2].n_trained < plain[2].n_trained
    sizes = [asked.sum(1).unique().numel() for asked in truncated[2].asked]
    assert set(sizes) == {1}  # all orders take a step together


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_samples": 3, "budget": 30}, "n_samples or budget, not both"),
        ({"n_samples": 0}, "n_samples must be at least 1"),
        ({"budget": 2.5}, "budget must be an integer"),
        ({"budget": 6}, "takes 7 evaluations"),
        ({"estimator": "auto"}, "by budget: pass one"),
        ({"estimator": "stratified"}, "by budget: pass one"),
        ({"estimator": "auto", "n_samples": 3}, "takes no n_samples"),
        (
            {
                "estimator": "exact",
                "stopping": MaxEvaluations(3),
                "truncation": RelativeTruncation(),
            },
            "takes no truncation and no stopping",
        ),
        ({"estimator": "exact", "budget": 63}, "more than max_evaluations=63"),
        (
            {"estimator": "tmc"},
            r'one of "permutation", "antithetic", "orthogonal", "stratified", "auto", '
            r'"exact"; got \'tmc\'',
        ),
        ({"truncation": 0.1}, "truncation must be a policy"),
        ({"stopping": 0.1}, "torchattr.estimation.stopping"),
        ({"stopping": MaxUpdates(3)}, "are for ShapleyValuation"),
        ({"feature_mask": [0, 1]}, r"must have shape \(6,\)"),
        ({"perturbations_per_eval": 0}, "perturbations_per_eval must be at least 1"),
    ],
)
def test_what_is_refused(options, message):
    method, _, learner = toy(DataShapley)
    with pytest.raises(InputError, match=message):
        method.attribute(DATA, **options)
    assert learner.n_trained == 0


def test_models_of_other_libraries_have_another_way():
    with pytest.raises(InputError, match="ShapleyValuation"):
        DataShapley(nn.Linear(1, 1), test=DATA)


def test_it_is_a_perturbation_attribution():
    method, _, learner = toy(DataShapley)
    assert isinstance(method, PerturbationAttribution)
    assert method.get_name() == "Data Shapley"
    assert method.learner is method.forward_func is learner


def test_progress_counts_coalitions(capsys):
    method, _, _ = toy(DataShapley)
    method.attribute(DATA, n_samples=4, show_progress=True, perturbations_per_eval=3)
    shown = capsys.readouterr().err
    assert "Data Shapley attribution: 100%" in shown
    assert "22/22" in shown


# The log


def run(path, method=DataShapley, *, seed=0, version=1, **options):
    method, _, learner = toy(method, version=version)
    values = method.attribute(
        DATA, log=path, generator=seeded(seed), **{"n_samples": 8} | options
    )
    return values, learner


@pytest.mark.parametrize("as_path", [str, Path])
def test_a_log_spares_what_was_trained(tmp_path, as_path):
    path = as_path(tmp_path / "values.log")
    plain, _ = run(None)
    first, learner = run(path)
    assert learner.n_trained > 10
    again, learner = run(path)
    assert learner.n_trained == 0
    assert torch.equal(first, plain)
    assert torch.equal(again, plain)


@pytest.mark.parametrize("fails_at", [1, 2, 5])
@pytest.mark.parametrize("truncation", [None, RelativeTruncation(0.2)])
def test_an_interrupted_run_goes_on_and_trains_nothing_twice(
    tmp_path, fails_at, truncation
):
    path, options = tmp_path / "values.log", {"truncation": truncation}
    plain, whole = run(None, perturbations_per_eval=3, **options)
    method, _, learner = toy(DataShapley)
    fit_many = learner.fit_many

    def failing(data, coalitions):
        if len(learner.asked) == fails_at:
            raise KeyboardInterrupt
        return fit_many(data, coalitions)

    learner.fit_many = failing
    with pytest.raises(KeyboardInterrupt):
        method.attribute(
            DATA,
            log=path,
            generator=seeded(),
            n_samples=8,
            perturbations_per_eval=3,
            **options,
        )
    resumed, rest = run(path, perturbations_per_eval=2, **options)
    assert torch.equal(resumed, plain)
    assert learner.n_trained + rest.n_trained == whole.n_trained
    both = torch.cat([*learner.asked, *rest.asked])
    assert len(both.unique(dim=0)) == len(both)


def test_other_questions_use_the_log(tmp_path):
    path = tmp_path / "values.log"
    run(path, estimator="exact", n_samples=None)
    for method, options in (
        (DataShapley, {"n_samples": 20}),
        (DataShapley, {"seed": 3, "estimator": "antithetic"}),
        (DataShapley, {"estimator": "auto", "budget": 30, "n_samples": None}),
        (DataBanzhaf, {"n_samples": 40}),
    ):
        _, learner = run(path, method, **options)
        assert learner.n_trained == 0
    method, _, learner = toy(DataLOO)
    method.attribute(DATA, log=path)
    assert learner.n_trained == 0


def test_more_samples_use_the_log(tmp_path):
    path = tmp_path / "values.log"
    _, first = run(path, n_samples=4)
    _, second = run(path, n_samples=9)
    _, whole = run(None, n_samples=9)
    assert first.n_trained + second.n_trained == whole.n_trained


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"lr": 0.4}, "optimizer"),
        ({"epochs": 4}, "epochs"),
        ({"batch_size": 3}, "batch"),
        ({"seed": 7}, "seed"),
        ({"loss": nn.CrossEntropyLoss(label_smoothing=0.1)}, "loss"),
        ({"weights": True}, "weights"),
        ({"model": True}, "architecture"),
        ({"scorer": "log_likelihood"}, "scorer"),
        ({"per_example": True}, "scorer"),
        ({"default": 0.5}, "default"),
        ({"train": True}, "training data"),
        ({"test": True}, "test data"),
        ({"feature_mask": [0, 1, 2, 3, 4, 5, 6, 8]}, "groups"),
        ({"feature_mask": [0, 0, 1, 1, 2, 2, 3, 3]}, "number of players"),
    ],
    ids=lambda part: part if isinstance(part, str) else "-".join(part),
)
def test_the_log_of_another_run_is_refused_by_name(tmp_path, changes, named):
    path = tmp_path / "values.log"
    _, train, test = trained()

    def attribute(**changes):
        torch.manual_seed(3 if "weights" in changes else 0)
        net = nn.Linear(3, 2).double()
        if "model" in changes:
            net = nn.Sequential(net, nn.Tanh())
        learner = TorchLearner(
            net,
            changes.get("loss", nn.CrossEntropyLoss()),
            partial(torch.optim.SGD, lr=changes.get("lr", 0.5)),
            epochs=changes.get("epochs", 1),
            batch_size=changes.get("batch_size", 4),
            seed=changes.get("seed", 0),
        )
        x, y = train
        x_test, y_test = test
        method = DataShapley(
            learner,
            test=(x_test + 1e-9 if "test" in changes else x_test, y_test),
            scorer=changes.get("scorer", "accuracy"),
            per_example=changes.get("per_example", False),
            default=changes.get("default"),
        )
        return method.attribute(
            (x, 1 - y if "train" in changes else y),
            n_samples=1,
            feature_mask=changes.get("feature_mask"),
            log=path,
            generator=seeded(),
        )

    attribute()
    before = path.read_bytes()
    with pytest.raises(InputError, match=f"What differs: [^.]*{named}"):
        attribute(**changes)
    assert path.read_bytes() == before
    attribute()
    assert path.read_bytes() == before


CHILD = """
import sys, time, torch
sys.path.insert(0, {root!r})
from tests.valuation.toy_learner import DATA, seeded, toy
from torchattr.valuation.data_shapley import DataShapley

method, _, learner = toy(DataShapley)
fit_many = learner.fit_many
def slow(data, coalitions):
    time.sleep(0.02)
    print(len(coalitions), flush=True)
    return fit_many(data, coalitions)
learner.fit_many = slow
method.attribute(DATA, n_samples=30, log=sys.argv[1], generator=seeded(),
                 perturbations_per_eval=2)
"""


def test_a_run_that_was_killed_goes_on_where_it_was(tmp_path):
    path, root = tmp_path / "values.log", Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(root=str(root)), str(path)],
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
    )
    begun = [int(child.stdout.readline()) for _ in range(6)]
    child.send_signal(signal.SIGKILL)
    begun += map(int, child.stdout.read().split())
    child.wait()
    child.stdout.close()
    plain, whole = run(None, n_samples=30)
    resumed, rest = run(path, n_samples=30)
    assert torch.equal(resumed, plain)
    # The chunk in work may be lost; all before it is not.
    done = whole.n_trained - rest.n_trained
    assert sum(begun[:-1]) <= done <= sum(begun)
