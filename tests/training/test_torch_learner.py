"""TorchLearner at its boundary: orders, arguments, what it describes and refuses."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from torchattr.errors import InputError
from torchattr.games.fingerprint import fingerprint
from torchattr.training import TorchLearner

SGD = partial(torch.optim.SGD, lr=0.1)
MODEL = nn.Linear(2, 2)
X, Y = (
    torch.randn(6, 2, generator=torch.Generator().manual_seed(0)),
    torch.arange(6) % 2,
)


def learner(**changes):
    settings = {
        "model": MODEL,
        "loss": nn.CrossEntropyLoss(),
        "optimizer": SGD,
        "epochs": 2,
    }
    return TorchLearner(**(settings | changes))


def test_an_order_is_a_permutation_of_seed_and_epoch():
    one, same, other = learner(seed=1), learner(seed=1, epochs=9), learner(seed=2)
    assert torch.equal(one.order(0, 50), same.order(0, 50))
    assert not torch.equal(one.order(0, 50), one.order(1, 50))
    assert not torch.equal(one.order(0, 50), other.order(0, 50))
    assert not torch.equal(one.order(1, 50), other.order(0, 50))
    assert torch.equal(one.order(3, 50).sort().values, torch.arange(50))
    assert torch.equal(
        learner(seed=-1).order(0, 5), learner(seed=2**64 - 1).order(0, 5)
    )


def test_orders_are_uniform():
    one = learner()
    orders = torch.stack([one.order(epoch, 4) for epoch in range(2400)])
    _, counts = orders.unique(dim=0, return_counts=True)
    assert len(counts) == 24
    chi_square = ((counts - 100.0) ** 2 / 100).sum()
    assert abs(chi_square - 23) < 5 * (2 * 23) ** 0.5


def test_the_model_is_copied():
    model = nn.Linear(2, 2)
    before = model.weight.detach().clone()
    made = learner(model=model)
    nn.init.zeros_(model.weight)
    assert torch.equal(made.model.weight, before)


def test_a_model_is_made_under_the_seed():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second = (learner(model=lambda: nn.Linear(2, 2), seed=s) for s in (3, 3))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.model.weight, second.model.weight)
    other = learner(model=lambda: nn.Linear(2, 2), seed=4)
    assert not torch.equal(first.model.weight, other.model.weight)
    torch.manual_seed(3)
    assert torch.equal(first.model.weight, nn.Linear(2, 2).weight)


def test_arrays_get_the_type_of_the_model():
    double = learner(model=nn.Linear(2, 2).double())
    examples = double.examples((X.numpy(), Y.numpy()))
    assert examples.inputs.dtype == torch.float64
    many = double.fit_many((X.numpy(), Y.numpy()), torch.ones(1, 6, dtype=torch.bool))
    assert double.outputs(many, X.numpy()).dtype == torch.float64


def test_all_examples_by_default():
    everybody = torch.ones(6, dtype=torch.bool)
    one = learner()
    assert torch.equal(one.fit((X, Y)).weight, one.fit((X, Y), everybody).weight)


WRONG = {
    "epochs": ({"epochs": 0}, "epochs must be a positive integer; got 0"),
    "epochs of another kind": ({"epochs": 2.0}, "epochs"),
    "batch_size": ({"batch_size": -1}, "batch_size"),
    "batch_size of another kind": ({"batch_size": True}, "batch_size"),
    "eval_batch_size": ({"eval_batch_size": 0}, "eval_batch_size"),
    "seed": ({"seed": 0.5}, "seed must be an integer"),
    "amp": ({"amp": True}, "amp must be a torch dtype"),
    "loss": ({"loss": 3}, "loss must be a function"),
    "optimizer": ({"optimizer": 3}, "optimizer must be a function"),
    "made optimizer": (
        {"optimizer": torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)},
        r"functools.partial\(torch.optim.SGD",
    ),
    "no optimizer": ({"optimizer": list}, "it made a list"),
    "others' parameters": (
        {"optimizer": lambda _: SGD(nn.Linear(2, 2).parameters())},
        "uses others",
    ),
    "lbfgs": ({"optimizer": torch.optim.LBFGS}, "LBFGS"),
    "scheduler": ({"scheduler": 3}, "scheduler must be a function"),
    "plateau": (
        {"scheduler": torch.optim.lr_scheduler.ReduceLROnPlateau},
        "ReduceLROnPlateau",
    ),
    "model": ({"model": 3}, "model must be a torch.nn.Module"),
    "made model": ({"model": lambda: 3}, "got a int"),
    "nothing to train": ({"model": nn.ReLU()}, "requires a gradient"),
    "all frozen": ({"model": nn.Linear(2, 2).requires_grad_(False)}, "requires"),
}


@pytest.mark.parametrize("name", WRONG)
def test_arguments_that_cannot_be_used_are_refused(name):
    changes, message = WRONG[name]
    with pytest.raises(InputError, match=message):
        learner(**changes)


@pytest.mark.parametrize(
    "coalitions",
    [
        torch.ones(2, 5, dtype=torch.bool),
        torch.ones(2, 6),
        torch.ones(6, dtype=torch.bool),
        np.ones((2, 6), dtype=bool),
        [[True] * 6],
    ],
    ids=["length", "type", "dimensions", "array", "list"],
)
def test_coalitions_of_another_shape_are_refused(coalitions):
    with pytest.raises(InputError, match=r"coalitions must be bool .* 6"):
        learner().fit_many((X, Y), coalitions)


def test_a_coalition_of_another_shape_is_refused():
    for coalition in (torch.ones(2, 6, dtype=torch.bool), [True] * 6):
        with pytest.raises(InputError, match=r"shape \(6,\)"):
            learner().fit((X, Y), coalition)
    with pytest.raises(InputError, match="6"):
        learner().fit((X, Y), torch.ones(5, dtype=torch.bool))


def test_a_loss_that_returns_no_tensor_is_refused():
    mine = learner(loss=lambda outputs, targets: 1.0)
    with pytest.raises(InputError, match="must return a tensor; got float"):
        mine.fit((X, Y))
    with pytest.raises(InputError, match="must return a tensor; got float"):
        mine.fit_many((X, Y), torch.ones(2, 6, dtype=torch.bool))


def test_outputs_of_something_else_are_refused():
    with pytest.raises(InputError, match=r"weight.*bias|bias"):
        learner().outputs({"weight": torch.zeros(3, 2, 2)}, X)

    class Two(nn.Linear):
        def forward(self, x):
            return (x,)

    pair = learner(model=Two(2, 2), loss=lambda o, t: o[0].sum())
    stacks = {"weight": torch.zeros(3, 2, 2), "bias": torch.zeros(3, 2)}
    with pytest.raises(InputError, match="must return a tensor"):
        pair.outputs(stacks, X)


def test_a_description_tells_trainings_apart():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Dropout(0.5))
    plain = learner(model=model).description()
    assert set(plain) == {
        "amp",
        "architecture",
        "batch size",
        "epochs",
        "initial weights",
        "loss",
        "optimizer",
        "scheduler",
        "seed",
    }
    for name, changes in {
        "amp": {"amp": torch.bfloat16},
        "batch size": {"batch_size": 3},
        "epochs": {"epochs": 3},
        "seed": {"seed": 3},
    }.items():
        other = learner(model=model, **changes).description()
        assert other[name] != plain[name]
    for changed in (
        nn.Sequential(model[0], nn.Tanh(), model[2]),
        nn.Sequential(model[0], nn.ReLU(), nn.Dropout(0.4)),
        nn.Sequential(nn.Linear(2, 2).double(), nn.ReLU(), model[2]),
    ):
        other = learner(model=changed).description()
        assert other["architecture"] != plain["architecture"]
    assert learner(model=model).description()["architecture"] == plain["architecture"]
    assert torch.equal(plain["initial weights"]["0.weight"], model[0].weight)
    frozen = nn.Sequential(nn.Linear(2, 2).requires_grad_(False), nn.Linear(2, 2))
    free = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    kinds = [
        learner(model=m).description()["architecture"] for m in (frozen, free, tied)
    ]
    assert all(kinds[i] != kinds[j] for i in range(3) for j in range(i))


def test_numbers_may_be_numpys():
    numbers = {"epochs": 2, "batch_size": 3, "seed": 2**40, "eval_batch_size": 2}
    plain = learner(**numbers)
    other = learner(**{name: np.int64(number) for name, number in numbers.items()})
    assert torch.equal(plain.order(1, 50), other.order(1, 50))
    assert fingerprint(plain.description()) == fingerprint(other.description())


class Shifted(nn.Module):
    def __init__(self, shift):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.register_buffer("shift", torch.tensor(shift), persistent=False)

    def forward(self, x):
        return self.linear(x) + self.shift


def test_buffers_that_are_not_saved_are_part_of_a_training():
    plain, other = (
        fingerprint(learner(model=Shifted(shift)).description()["initial weights"])
        for shift in (1.0, 2.0)
        if torch.manual_seed(0)
    )
    assert plain != other


def test_a_learner_says_what_it_is():
    mine = learner(batch_size=3, seed=4, device="cpu")
    assert (mine.epochs, mine.batch_size, mine.seed) == (2, 3, 4)
    assert mine.device == torch.device("cpu")
    assert isinstance(mine.loss, nn.CrossEntropyLoss)
