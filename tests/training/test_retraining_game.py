"""A coalition is worth what the model scores that was trained on it."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from torchattr.errors import InputError
from torchattr.training.retraining_game import RetrainingGame
from torchattr.training.torch_learner import TorchLearner
from torchattr.training.training_memory import models_in_memory

N, M = 12, 9


def data(n, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 4, generator=generator).double()
    return x, (x[:, :3] + 0.1 * x[:, 1:]).argmax(1)


TRAIN, TEST = data(N, 0), data(M, 1)


class Recording(TorchLearner):
    """A learner that notes what it is asked to train."""

    asked: list

    def fit_many(self, data, coalitions):
        assert torch.is_grad_enabled()  # though a game is called without
        self.asked.append(coalitions.clone())
        return super().fit_many(data, coalitions)


def learner(model=None, loss=None, **options):
    torch.manual_seed(0)
    made = Recording(
        model or nn.Linear(4, 3).double(),
        loss or nn.CrossEntropyLoss(),
        options.pop("optimizer", partial(torch.optim.SGD, lr=0.5)),
        **{"epochs": 3, "batch_size": 4, **options},
    )
    made.asked = []
    return made


def coalitions(count, n=N, seed=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, n, generator=generator) < 0.5


def game(made=None, scorer="accuracy", **options):
    return RetrainingGame(made or learner(), TRAIN, TEST, scorer, **options)


def plain(made, coalition, score):
    model = made.fit(TRAIN, coalition)
    with torch.no_grad():
        return score(model(TEST[0]), TEST[1])


@pytest.mark.parametrize(
    ("scorer", "score"),
    [
        ("accuracy", lambda o, y: (o.argmax(1) == y).double().mean()),
        ("log_likelihood", lambda o, y: -functional.cross_entropy(o, y)),
        ("neg_loss", lambda o, y: -functional.cross_entropy(o, y)),
        (
            lambda estimator, x, y: float((estimator.predict(x) == y).sum()),
            lambda o, y: (o.argmax(1) == y).double().sum(),
        ),
    ],
)
def test_values_are_scores_after_training_on_the_members(scorer, score):
    made, asked = learner(), coalitions(7)
    expected = torch.stack([plain(made, row, score) for row in asked])
    torch.testing.assert_close(game(made, scorer)(asked), expected)


def test_values_by_example_form_a_matrix():
    made, asked = learner(), coalitions(7)
    values = game(made, "log_likelihood", per_example=True)(asked)
    assert values.shape == (7, M)
    torch.testing.assert_close(values.mean(1), game(made, "log_likelihood")(asked))


def test_the_empty_coalition_is_not_trained():
    made = learner()
    value = game(made)(torch.zeros(2, N, dtype=torch.bool))
    shares = torch.bincount(TRAIN[1], minlength=3)
    expected = (TEST[1] == shares.argmax()).double().mean()
    assert value.tolist() == [expected, expected]
    assert made.asked == []


def test_making_a_game_trains_nothing_and_changes_nothing():
    made = learner(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).double())
    before = {k: v.clone() for k, v in made.model.state_dict().items()}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    game(made)
    assert made.asked == []
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in made.model.state_dict().items())
    assert all(p.grad is None for p in made.model.parameters())


@pytest.mark.parametrize("default", [0.25, torch.tensor(0.25), np.float32(0.25)])
def test_a_given_default(default):
    asked = torch.zeros(1, N, dtype=torch.bool)
    assert game(default=default)(asked).tolist() == [0.25]
    by_example = game(default=default, per_example=True)(asked)
    assert by_example.tolist() == [[0.25] * M]
    rows = torch.arange(M)
    by_example = game(default=rows, per_example=True)(asked)
    assert by_example.tolist() == [rows.tolist()]


@pytest.mark.parametrize("default", [torch.nan, -torch.inf, [0.1, 0.2], torch.ones(M)])
def test_what_is_no_default(default):
    with pytest.raises(InputError, match="default must be finite, one number"):
        game(default=default)


@pytest.mark.parametrize("size", [1, 2, 7, 256, None])
def test_models_at_once_change_nothing(size):
    asked = torch.cat([coalitions(9), torch.zeros(1, N, dtype=torch.bool)])
    made = learner()
    played = game(made, "log_likelihood", perturbations_per_eval=size)
    torch.testing.assert_close(
        played(asked), game(learner(), "log_likelihood")(asked), rtol=1e-9, atol=1e-9
    )
    assert sum(map(len, made.asked)) == 9
    assert max(map(len, made.asked)) <= (size or 256)


@pytest.mark.parametrize("size", [0, -1, 2.5, True])
def test_what_is_no_number_of_models(size):
    with pytest.raises(InputError, match="perturbations_per_eval"):
        game(perturbations_per_eval=size)


IDS = [7, 7, -2, 7, 40, 40, -2, 7, 7, 40, 40, 40]


@pytest.mark.parametrize(
    "groups",
    [
        IDS,
        torch.tensor(IDS),
        torch.tensor(IDS, dtype=torch.int8),
        np.array(IDS, dtype=np.int16),
        (np.array(IDS) + 2).astype(np.uint32),
    ],
)
def test_groups_come_and_go_together(groups):
    made = learner()
    played = game(made, "log_likelihood", groups=groups)
    assert played.n_players == 3
    shift = 2 if min(groups) == 0 else 0
    assert (played.group_ids - shift).tolist() == [-2, 7, 40]
    asked = torch.tensor([[True, False, True], [False, False, False]])
    members = torch.tensor([i in {-2, 40} for i in IDS])
    alone = game(learner(), "log_likelihood")
    expected = alone(torch.stack([members, torch.zeros_like(members)]))
    torch.testing.assert_close(played(asked), expected)
    assert torch.equal(made.asked[0], members[None])


@pytest.mark.parametrize(
    "groups", [[0, 1], torch.zeros(1, N).long(), torch.zeros(N), [True] * N]
)
def test_what_are_no_groups(groups):
    with pytest.raises(InputError, match="groups must"):
        game(groups=groups)


def test_a_training_that_diverges_names_its_coalition():
    diverging = learner(optimizer=partial(torch.optim.SGD, lr=1e308), epochs=30)
    with pytest.raises(InputError, match=r"players \{0, 1, .*\} \(12 of 12\) stay"):
        game(diverging, "log_likelihood")(torch.ones(1, N, dtype=torch.bool))


def test_arrays_take_the_models_type():
    arrays = tuple(x.numpy() for x in TRAIN), tuple(x.numpy() for x in TEST)
    single = learner(nn.Linear(4, 3))
    values = RetrainingGame(single, *arrays, "log_likelihood")(coalitions(3))
    assert values.dtype == torch.float64


def test_scores_that_do_not_suit_the_model_are_refused_at_once():
    with pytest.raises(InputError, match="scorer='r2'"):
        game(scorer="r2")
    with pytest.raises(InputError, match="scorer must be"):
        game(scorer="accurate")


def test_training_runs_though_gradients_are_off():
    with torch.no_grad():
        values = game(scorer="log_likelihood")(coalitions(2))
    torch.testing.assert_close(values, game(scorer="log_likelihood")(coalitions(2)))


def test_values_of_one_logit_and_of_values():
    x, y = TRAIN[0], (TRAIN[1] == 0).double()
    tests = TEST[0], (TEST[1] == 0).double()
    binary = learner(
        nn.Sequential(nn.Linear(4, 1), nn.Flatten(0)).double(), nn.BCEWithLogitsLoss()
    )
    played = RetrainingGame(binary, (x, y), tests)
    share = float(y.mean())
    expected = (tests[1] == (share > 0.5)).double().mean()
    assert torch.equal(played(played.ends())[0], expected)
    descent = partial(torch.optim.SGD, lr=0.1)
    values = learner(
        nn.Linear(4, 1).double(), nn.MSELoss(), optimizer=descent, epochs=30
    )
    r2 = RetrainingGame(values, (x, x[:, :1]), (tests[0], tests[0][:, :1]), "r2")
    empty, full = r2(r2.ends()).tolist()
    assert empty < 0.01 < full


def test_a_model_that_squeezes_its_outputs():
    class Squeezed(nn.Sequential):
        def forward(self, x):
            return super().forward(x).squeeze()

    y, y_test = ((target == 0).double() for target in (TRAIN[1], TEST[1]))
    made = learner(Squeezed(nn.Linear(4, 1)).double(), nn.BCEWithLogitsLoss())
    played = RetrainingGame(made, (TRAIN[0], y), (TEST[0], y_test))
    assert played(coalitions(3)).shape == (3,)


# What a log knows a game by


def differing(one, other):
    assert one.identity.keys() == other.identity.keys()
    return {k for k, v in one.identity.items() if v != other.identity[k]}


def test_the_same_game_has_the_same_identity():
    assert differing(game(), game(perturbations_per_eval=3)) == set()


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (lambda: game(scorer="f1"), {"scorer"}),
        (lambda: game(per_example=True), {"scorer"}),
        (lambda: game(default=0.0), {"default"}),
        (lambda: game(groups=IDS), {"groups"}),
        (lambda: RetrainingGame(learner(), data(N, 2), TEST), {"training data"}),
        (lambda: RetrainingGame(learner(), TRAIN, data(M, 2)), {"test data"}),
        (lambda: game(learner(epochs=4)), {"epochs"}),
        (lambda: game(learner(seed=1)), {"seed"}),
    ],
)
def test_what_differs_has_a_name(other, what):
    assert differing(game(), other()) == what


# Memory


def test_large_models_are_trained_in_smaller_numbers():
    assert game().chunk_size == 256
    large = learner(nn.Sequential(nn.Linear(4, 10**6), nn.Linear(10**6, 3)))
    x, y = TRAIN[0].float(), TRAIN[1]
    assert RetrainingGame(large, (x, y), (x, y)).chunk_size < 32


def test_activations_count():
    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, x):
            wide = (x[:, :1] * self.weight).expand(-1, 2**16)
            return wide.exp()[:, :3]

    made = learner(Wide(), batch_size=8)
    x, y = TRAIN[0].float(), TRAIN[1]
    fitting = models_in_memory(made, made.examples((x, y)), 1, torch.zeros(3))
    assert 2**30 / (8 * 2**18 * 10) < fitting < 2**30 / (8 * 2**18)


def test_weights_are_no_activations():
    wide = nn.Linear(2**10, 2**10)
    made = learner(nn.Sequential(nn.Linear(4, 2**10), wide, nn.Linear(2**10, 3)))
    x, y = TRAIN[0].float(), TRAIN[1]
    fitting = models_in_memory(made, made.examples((x, y)), 1, torch.zeros(3))
    assert 50 < fitting < 2**30 / (4 * 2**22)
