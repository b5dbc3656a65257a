"""A learner whose models score what a game says, so that values are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from torchattr.games.examples import as_examples
from torchattr.games.synthetic import RandomGame
from torchattr.training.model_score import ModelScore
from torchattr.training.torch_learner import TorchLearner


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@dataclass(eq=False)
class Outputs(ModelScore):
    """The output times the target of a test example, or the mean over these."""

    per_example: bool = False

    def __call__(self, outputs, targets):
        scores = outputs[..., 0].double() * targets
        return scores if self.per_example else scores.mean(1)

    def form(self, output, targets):
        raise NotImplementedError


class ToyLearner:
    """Trains nothing: a model holds the value of its coalition in a game."""

    device = torch.device("cpu")
    loss = nn.MSELoss()
    batch_size = None

    def __init__(self, game, version=1):
        self.game = game
        self.model = nn.Linear(1, 1)
        self.version = version
        self.asked = []

    @property
    def n_trained(self):
        return sum(map(len, self.asked))

    def fit(self, data, coalition=None):
        raise NotImplementedError

    def fit_many(self, data, coalitions):
        self.asked.append(coalitions.clone())
        return {"value": self.game(coalitions).double()}

    def outputs(self, models, inputs):
        if "value" not in models:  # the initial model, which is asked for a shape
            return torch.zeros(1, len(inputs), 1)
        return models["value"][:, None, None].expand(-1, len(inputs), 1)

    def examples(self, data):
        return as_examples(data)

    def description(self):
        return {"architecture": "toy", "epochs": self.version}


N, SCALES = 6, torch.tensor([1.0, 2.0, 0.0], dtype=torch.float64)
DATA = torch.arange(float(N))[:, None], torch.zeros(N, 1)
TEST = torch.zeros(3, 1), SCALES


def toy(method, *, n=N, seed=0, per_example=False, version=1):
    """A method on a random game, the game, and the learner."""
    game = RandomGame(n, 12, generator=seeded(seed))
    empty = float(game(game.ends())[0])
    learner = ToyLearner(game, version)
    default = (empty * SCALES) if per_example else empty * float(SCALES.mean())
    made = method(
        learner,
        test=TEST,
        scorer=Outputs(per_example),
        per_example=per_example,
        default=default,
    )
    return made, game, learner


def trained(seed=0, **options):
    """A real learner, some data, and a test set."""
    generator = seeded(seed)
    x = torch.randn(14, 3, generator=generator).double()
    y = (x.sum(1) > 0).long()
    torch.manual_seed(seed)
    learner = TorchLearner(
        nn.Linear(3, 2).double(),
        nn.CrossEntropyLoss(),
        partial(torch.optim.SGD, lr=options.pop("lr", 0.5)),
        **{"epochs": 3, "batch_size": 4} | options,
    )
    return learner, (x[:8], y[:8]), (x[8:], y[8:])
