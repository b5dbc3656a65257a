"""Self-influence by whatever data come in."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from torchattr.errors import InputError
from torchattr.influence import DirectInfluence
from torchattr.metrics import self_influence

X = torch.arange(10.0).reshape(5, 2).double()
Y = torch.arange(5.0).double()[:, None]


class Products:
    """The squared length of an example, beside its target."""

    def __init__(self):
        self.asked = []

    def self_influences(self, x, y):
        first = x[0] if isinstance(x, tuple | list) else x
        first = first["x"] if isinstance(first, dict) else first
        self.asked.append(len(y))
        return first.square().sum(1) + 1000 * y[:, 0]


EXPECTED = X.square().sum(1) + 1000 * Y[:, 0]


@pytest.mark.parametrize(
    ("data", "asked"),
    [
        ((X, Y), [5]),
        ([X, Y], [5]),
        (((X, X), Y), [5]),
        (({"x": X}, Y), [5]),
        ((X.numpy(), Y.numpy()), [5]),
        (TensorDataset(X, Y), [5]),
        (DataLoader(TensorDataset(X, Y), batch_size=2), [2, 2, 1]),
        ([(X[:4], Y[:4]), (X[4:], Y[4:])], [4, 1]),
        (((X[:4], Y[:4]), (X[4:], Y[4:])), [4, 1]),
        (((X[i : i + 1], Y[i : i + 1]) for i in range(5)), [1] * 5),
    ],
)
def test_is_asked_batch_by_batch_in_order(data, asked):
    influence = Products()
    found = self_influence(influence, data)
    torch.testing.assert_close(found, EXPECTED, check_dtype=False)
    assert influence.asked == asked


@pytest.mark.parametrize(
    ("influence", "data", "message"),
    [
        (torch.nn.Linear(1, 1), (X, Y), "fitted influence.*got Linear"),
        (Products(), X, "iterable of pairs.*got Tensor"),
        (Products(), 3, "got int"),
        (Products(), [], "at least one batch"),
        (Products(), [{"x": X}], "pair.*got dict"),
        (Products(), [X, Y, X], "pair.*got Tensor"),
    ],
)
def test_refuses(influence, data, message):
    with pytest.raises(InputError, match=message):
        self_influence(influence, data)


def test_is_the_diagonal_of_the_influences():
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 1).double()
    influence = DirectInfluence(model, torch.nn.MSELoss(), 1e-3)
    with pytest.raises(InputError, match="fit"):
        self_influence(influence, (X, Y))
    loader = DataLoader(TensorDataset(X, Y), batch_size=2)
    influence.fit(loader)
    expected = influence.influences(X, Y).diagonal()
    torch.testing.assert_close(self_influence(influence, loader), expected)
    assert (expected > 0).all()
