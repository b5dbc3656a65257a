"""The mean loss as a function of parameters, and a model that is left alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.influence.cases import (
    classifier_mlp,
    exact_gradients,
    labels,
    linear_regression,
    randn,
    weighted,
)
from torchattr.errors import InputError
from torchattr.influence.empirical_risk import EmpiricalRisk

CASE = linear_regression()


def losses(model, loss, x, y):
    risk = EmpiricalRisk(model, loss)
    with risk.evaluating():
        return risk.losses(risk.parameters(), risk.examples(x, y))


def test_the_loss_of_an_example_is_that_of_a_batch_of_one_whatever_the_reduction():
    squares = (CASE.model(CASE.x) - CASE.y).square()
    for reduction, expected in {
        "mean": squares.mean(1),
        "sum": squares.sum(1),
        "none": squares.sum(1),
    }.items():
        found = losses(CASE.model, nn.MSELoss(reduction=reduction), CASE.x, CASE.y)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    case = classifier_mlp()
    expected = F.cross_entropy(case.model(case.x), case.y, reduction="none")
    for reduction in ("mean", "sum", "none"):
        loss = nn.CrossEntropyLoss(reduction=reduction)
        found = losses(case.model, loss, case.x, case.y)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_inputs_in_tuples_lists_and_dicts():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(3, 2), nn.Linear(4, 2)

        def forward(self, a, *, b=None, c=None):
            return self.left(a) + self.right(b if c is None else c)

    class Positional(Two):
        def forward(self, a, b):
            return super().forward(a, b=b)

    a, b, y = randn(5, 3), randn(5, 4), labels(5, 2)
    loss = nn.CrossEntropyLoss()
    by_name = losses(weighted(Two()), loss, {"a": a, "b": b}, y)
    for inputs in ((a, b), [a, b]):
        found = losses(weighted(Positional()), loss, inputs, y)
        assert torch.equal(found, by_name)


def test_flattening_is_in_the_order_of_the_parameters_with_any_lead():
    risk = classifier_mlp().risk
    vectors = randn(2, 3, risk.n_parameters)
    assert torch.equal(risk.flatten(risk.unflatten(vectors)), vectors)
    whole = torch.nn.utils.parameters_to_vector(risk.model.parameters())
    assert torch.equal(risk.flatten(risk.parameters()), whole.detach())


def test_frozen_parameters_take_no_part():
    case = classifier_mlp()
    case.model[0].weight.requires_grad_(False)
    assert case.risk.names == ("0.bias", "2.weight", "2.bias")
    assert exact_gradients(case.risk, case.x, case.y).shape == (30, 23)


def test_the_model_is_as_it_was_after_a_block_and_after_an_error():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Dropout(0.5))
    model[2].eval()
    risk = EmpiricalRisk(model, nn.MSELoss())
    before = {k: v.clone() for k, v in model.state_dict().items()}
    torch.manual_seed(5)
    with pytest.raises(RuntimeError, match="shapes"), risk.evaluating():
        risk.outputs(risk.parameters(), torch.randn(4, 5))
    assert [module.training for module in model.modules()] == [True, True, True, False]
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    drawn = torch.rand(2)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(2), drawn)


def test_a_forward_pass_that_writes_to_a_buffer_writes_to_a_copy():
    class Counting(nn.Linear):
        def __init__(self):
            super().__init__(3, 2)
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.calls += 1
            return super().forward(x)

    model = Counting().double()
    losses(model, nn.MSELoss(), CASE.x, CASE.y)
    assert model.calls == 0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.ReLU(), "no trainable parameter"),
        (lambda x: x, "torch.nn.Module"),
        (nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1).double()), "one dtype"),
    ],
)
def test_what_has_no_influence_is_refused(model, message):
    with pytest.raises(InputError, match=message):
        EmpiricalRisk(model, nn.MSELoss())


def test_examples_that_are_none_are_refused():
    for x, y in ((CASE.x, CASE.y[1:]), (CASE.x.numpy(), CASE.y), ((), CASE.y)):
        with pytest.raises(InputError):
            CASE.risk.examples(x, y)
    for x, y, got in (
        (CASE.x.numpy(), CASE.y, "inputs ndarray and targets Tensor"),
        ((CASE.x, None), CASE.y, "inputs tuple of NoneType, Tensor and"),
        ({"x": CASE.x}, CASE.y.tolist(), "inputs dict of Tensor and targets list"),
    ):
        with pytest.raises(InputError, match=rf"got {got}.*as_tensor"):
            CASE.risk.examples(x, y)
    with pytest.raises(InputError, match="function"):
        EmpiricalRisk(CASE.model, "mse")
    with pytest.raises(InputError, match="the class MSELoss; call it"):
        EmpiricalRisk(CASE.model, nn.MSELoss)
    with pytest.raises(InputError, match=r"bias2.*weight, bias"):
        EmpiricalRisk(CASE.model, nn.MSELoss(), ["bias2"])


class TiedInside(nn.Module):
    """One parameter, and one buffer, under two names of one module."""

    def __init__(self):
        super().__init__()
        self.first = nn.Parameter(randn(3, 3))
        self.second = self.first
        self.register_buffer("scale", randn(3))
        self.register_buffer("again", self.scale)

    def forward(self, x):
        return torch.tanh(x @ self.first * self.scale) @ self.second * self.again


def registered_twice():
    layer = nn.Linear(3, 3)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.BatchNorm1d(3))


def tied():
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    return model


def identities(model):
    tensors = [*model.named_parameters(remove_duplicate=False)]
    tensors += model.named_buffers(remove_duplicate=False)
    return [(name, type(tensor), id(tensor)) for name, tensor in tensors]


@pytest.mark.parametrize("make", [registered_twice, tied, TiedInside])
def test_what_has_two_names_varies_under_both_and_stays_what_it_was(make):
    model = make().double()
    if make is TiedInside:  # (a change of dtype unties buffers)
        model.again = model.scale
    before = identities(model)
    x, y = CASE.x, labels(30, 3)
    risk = EmpiricalRisk(model, nn.CrossEntropyLoss())
    moved = {name: 1.5 * value for name, value in risk.parameters().items()}
    with risk.evaluating():
        found = risk.losses(moved, risk.examples(x, y))
    assert identities(model) == before
    for parameter in model.parameters():
        parameter.data *= 1.5
    expected = F.cross_entropy(model.eval()(x), y, reduction="none")
    torch.testing.assert_close(found, expected.detach(), rtol=0, atol=1e-12)


def test_a_parameter_that_is_a_number():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.tensor(2.0))

        def forward(self, x):
            return self.factor * x

    risk = EmpiricalRisk(Scaled(), nn.MSELoss())
    assert risk.unflatten(torch.ones(1))["factor"].shape == ()
    assert risk.unflatten(torch.ones(5, 1))["factor"].shape == (5,)
    assert risk.flatten(risk.parameters()).tolist() == [2.0]
