"""Dropout and its like: the same in any company, and random enough."""

from __future__ import annotations

import copy
import math
import warnings
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from torchattr.games.rewriting import Rewriting
from torchattr.training import FallbackWarning, TorchLearner
from torchattr.training.counter_random import CounterRandom, coalition_keys, step_keys
from torchattr.training.random_functions import random_rewriters

N = 13
ADAM = partial(torch.optim.Adam, lr=0.02)


def keys(n_keys=1, seed=0, epoch=0):
    coalitions = (
        torch.rand(n_keys, 40, generator=torch.Generator().manual_seed(9)) < 0.5
    )
    return step_keys(coalition_keys(coalitions, seed), epoch, 1)[:, 0]


def coalitions():
    sizes = torch.tensor([0, 1, 2, 4, 5, 6, 8, 10, 13])[:, None]
    generator = torch.Generator().manual_seed(1)
    return torch.rand(9, N, generator=generator).argsort(1).argsort(1) < sizes


def images():
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(N, 2, 4, 4, generator=generator).double()
    return x, torch.randint(0, 3, (N,), generator=generator)


class Noisy(nn.Module):
    def forward(self, x):
        return x + 0.1 * torch.randn_like(x) * torch.bernoulli(torch.full_like(x, 0.5))


class Uniform(nn.Module):
    def forward(self, x):
        return x * torch.rand_like(x)


LAYERS = {
    "dropout": lambda: nn.Dropout(0.3),
    "two dropouts": lambda: nn.Sequential(nn.Dropout(0.3), nn.ReLU(), nn.Dropout(0.2)),
    "in place": lambda: nn.Dropout(0.3, inplace=True),
    "channels": lambda: nn.Dropout2d(0.4),
    "alpha": lambda: nn.AlphaDropout(0.3),
    "feature alpha": lambda: nn.FeatureAlphaDropout(0.3),
    "noise": Noisy,
    "uniform": Uniform,
    "everything": lambda: nn.Dropout(1.0),
    "nothing": lambda: nn.Dropout(0.0),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("batch_size", [None, 4])
def test_random_layers_are_the_same_alone_and_together(name, batch_size):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), LAYERS[name](), nn.Flatten(), nn.Linear(48, 3)
    ).double()
    learner = TorchLearner(
        model, nn.CrossEntropyLoss(), ADAM, epochs=2, batch_size=batch_size
    )
    many = learner.fit_many(images(), coalitions())
    assert learner._training._plan.padded
    for i, mask in enumerate(coalitions()):
        for parameter, tensor in learner.fit(images(), mask).named_parameters():
            torch.testing.assert_close(many[parameter][i], tensor, rtol=0, atol=1e-10)


def test_other_random_functions_fall_back_and_are_seeded():
    class Odd(nn.Module):
        def forward(self, x):
            return x + torch.zeros_like(x).exponential_()

    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(32, 3), Odd()).double()
    learner = TorchLearner(model, nn.CrossEntropyLoss(), ADAM, epochs=2, batch_size=4)
    with pytest.warns(FallbackWarning, match="random"):
        many = learner.fit_many(images(), coalitions())
    torch.manual_seed(1)
    alone = learner.fit(images(), coalitions()[6])
    torch.testing.assert_close(many["1.weight"][6], alone[1].weight)


def test_attention_with_dropout_falls_back():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.2, batch_first=True)
    model = nn.Sequential(nn.Flatten(2), layer, nn.Flatten(), nn.Linear(8, 3)).double()
    x = torch.randn(N, 2, 4).double()
    learner = TorchLearner(model, nn.CrossEntropyLoss(), ADAM, epochs=1, batch_size=4)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        many = learner.fit_many((x, images()[1]), coalitions())
    alone = learner.fit((x, images()[1]), coalitions()[6])
    torch.testing.assert_close(many["3.weight"][6], alone[3].weight)


def test_dropout_depends_on_seed_coalition_and_step():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(32, 3)).double()

    def trained(seed=0, mask=None):
        learner = TorchLearner(
            model, nn.CrossEntropyLoss(), ADAM, epochs=1, batch_size=None, seed=seed
        )
        return learner.fit(images(), mask)[2].weight

    assert torch.equal(trained(), trained())
    assert not torch.equal(trained(), trained(seed=1))
    k = step_keys(coalition_keys(coalitions(), 0), 0, 3)
    assert len(k.flatten(0, 1).flatten(1).unique(dim=0)) == 9 * 3
    other_epoch = step_keys(coalition_keys(coalitions(), 0), 1, 3)
    assert not (k == other_epoch).all(-1).any()
    # A model's numbers do not depend on how many steps the others take.
    longer = step_keys(coalition_keys(coalitions(), 0), 0, 5)
    assert torch.equal(longer[:, :3], k)


def test_numbers_belong_to_coordinates():
    """Padding a dimension, whichever it is, leaves the others' numbers alone."""
    (key,) = keys()
    small = CounterRandom(key).bits((4, 3, 5))
    assert torch.equal(CounterRandom(key).bits((6, 3, 5))[:4], small)
    assert torch.equal(CounterRandom(key).bits((4, 7, 5))[:, :3], small)
    assert torch.equal(CounterRandom(key).bits((4, 3, 9))[:, :, :5], small)


def test_calls_differ_beyond_the_keys_that_are_made():
    random = CounterRandom(keys()[0])
    calls = torch.stack([random.bits((8, 8)) for _ in range(40)])
    assert len(calls.flatten(1).unique(dim=0)) == 40
    assert (calls.unsqueeze(0) == calls.unsqueeze(1)).float().mean() < 0.03


def z_of_mean(x, mean, variance):
    return abs(float((x.double().mean() - mean) * math.sqrt(x.numel() / variance)))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_right_share_is_kept(p):
    kept = torch.stack([CounterRandom(k).kept((32, 64), p) for k in keys(64)])
    assert z_of_mean(kept, 1 - p, p * (1 - p)) < 5
    # Each unit, over keys and rows; each row; each key.
    for dims in ((0, 1), (0, 2), (1, 2)):
        share = kept.double().mean(dims)
        z = (share - (1 - p)) / math.sqrt(p * (1 - p) / (kept.numel() / share.numel()))
        assert z.abs().max() < 5
        # Shares must not be too even, either: their z have variance one.
        assert abs(z.var().item() - 1) < 5 * math.sqrt(2 / len(z))


def correlations(a, b):
    return z_of_mean(a * b, 0.0, 1.0)


def test_elements_are_independent():
    """Signs of neighbours in every direction, and of the corners of rectangles."""
    signs = torch.stack([CounterRandom(k).kept((32, 64), 0.5) for k in keys(64)])
    signs = signs.double() * 2 - 1
    for shift in (1, 2, 7, 16):
        for dim in range(3):
            a = signs.narrow(dim, 0, signs.shape[dim] - shift)
            b = signs.narrow(dim, shift, signs.shape[dim] - shift)
            assert correlations(a, b) < 5
    corners = (
        signs[:, :-3, :-5] * signs[:, 3:, :-5] * signs[:, :-3, 5:] * signs[:, 3:, 5:]
    )
    assert z_of_mean(corners, 0.0, 1.0) < 5


def test_two_calls_are_independent():
    random = [CounterRandom(k) for k in keys(64)]
    first, second = (
        torch.stack([r.kept((32, 64), 0.5) for r in random]).double() * 2 - 1
        for _ in range(2)
    )
    assert correlations(first, second) < 5


def test_every_bit_is_fair():
    bits = torch.stack([CounterRandom(k).bits((32, 64)) for k in keys(64)])
    for place in range(8, 32):
        assert z_of_mean((bits >> place) & 1, 0.5, 0.25) < 5


def test_uniform_and_normal_numbers():
    random = CounterRandom(keys()[0])
    unit = random.uniform((200, 300), torch.float32)
    assert 0 < unit.min() < 1e-3
    assert 1 - 1e-3 < unit.max() < 1
    assert z_of_mean(unit, 0.5, 1 / 12) < 5
    normal = random.normal((200, 300), torch.float64)
    assert z_of_mean(normal, 0.0, 1.0) < 5
    assert z_of_mean(normal**2, 1.0, 2.0) < 5
    assert z_of_mean(normal**4, 3.0, 96.0) < 5


def test_functions_keep_their_meaning():
    x = torch.randn(6, 4, 5, 5)
    with Rewriting(random_rewriters(CounterRandom(keys()[0]))):
        assert F.dropout(x, 0.4, training=False) is x
        assert (F.dropout(x, 1.0) == 0).all()
        channels = F.dropout2d(torch.ones_like(x), 0.5)
        assert torch.equal(channels.amin((2, 3)), channels.amax((2, 3)))
        assert set(channels.unique().tolist()) == {0.0, 2.0}
        unbatched = F.dropout1d(torch.ones(40, 3), 0.5)
        assert torch.equal(unbatched.amin(1), unbatched.amax(1))
        assert set(unbatched.unique().tolist()) == {0.0, 2.0}
        changed = torch.ones(100)
        assert F.dropout(changed, 0.5, inplace=True) is changed
        assert set(changed.unique().tolist()) == {0.0, 2.0}
        with pytest.raises(ValueError, match="between 0 and 1"):
            F.dropout(x, 2.0)
        # Alpha dropout keeps mean and variance.
        alpha = F.alpha_dropout(torch.randn(400, 400), 0.3, training=True)
    assert abs(alpha.mean()) < 0.02
    assert abs(alpha.var() - 1) < 0.03


def test_the_users_module_is_not_rewritten_outside():
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(32, 3)).double()
    learner = TorchLearner(model, nn.CrossEntropyLoss(), ADAM, epochs=1)
    trained = learner.fit(images()).train()
    torch.manual_seed(0)
    first = copy.deepcopy(trained)(images()[0])
    torch.manual_seed(1)
    assert not torch.equal(first, trained(images()[0]))
