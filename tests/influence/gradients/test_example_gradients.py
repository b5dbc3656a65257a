"""Gradients by example against one backward pass for each, on models of many kinds."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import nn

from tests.influence.architectures import (
    ARCHITECTURES,
    Architecture,
    N,
    linear,
    routed,
    tied_embedding,
)
from tests.influence.cases import labels, randn, weighted
from torchattr.errors import InputError
from torchattr.influence.empirical_risk import EmpiricalRisk
from torchattr.influence.gradients import parameter_gradients
from torchattr.influence.gradients.example_gradients import example_gradients
from torchattr.influence.gradients.recorded_losses import recorded_losses


def exact(case: Architecture) -> torch.Tensor:
    """``(B, P)``: the loss of each example alone, differentiated by plain autograd."""
    rows, risk = [], case.risk
    for i in range(len(case.y)):
        one = case.examples.take(torch.tensor([i]))
        leaves = {n: p.clone().requires_grad_() for n, p in risk.parameters().items()}
        with risk.evaluating():
            loss = case.loss(risk.outputs(leaves, one.inputs), one.targets).sum()
        found = torch.autograd.grad(
            loss, list(leaves.values()), allow_unused=True, materialize_grads=True
        )
        rows.append(torch.cat([part.flatten() for part in found]))
    return torch.stack(rows)


def assert_close(found, expected):
    size = expected.abs().max().item()
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10 * (1 + size))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_answer_is_that_of_the_gradients(name):
    case = ARCHITECTURES[name]()
    expected = exact(case)
    gradients = example_gradients(case.risk, case.examples)
    assert gradients.n_examples == N
    assert_close(gradients.dense(), expected)
    assert_close(gradients.squared_norms(), expected.square().sum(1))
    for n_vectors in (1, 60):  # contracted with the factors, and formed
        vectors, weights = randn(n_vectors, expected.shape[1]), randn(n_vectors, N)
        assert_close(gradients.products(vectors), vectors @ expected.T)
        assert_close(gradients.combined(weights), weights @ expected)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_layers_explain_what_they_can(name):
    case = ARCHITECTURES[name]()
    with case.risk.evaluating():
        recorded = recorded_losses(case.risk, case.examples)
    generic = [
        parameter
        for parameter in case.risk.names
        if any((parameter + ".").startswith(m + ".") for m in case.generic.split())
    ]
    assert list(recorded.generic) == generic


@pytest.mark.parametrize("formed", [False, True])
@pytest.mark.parametrize(
    "name",
    ["linear", "grouped", "same", "shared over sizes", "grouped at one position"],
)
@pytest.mark.parametrize("elements", [1, 10**6])
def test_ways_and_chunks_make_no_difference(name, formed, elements, monkeypatch):
    monkeypatch.setattr(parameter_gradients, "_ELEMENTS", elements)
    # What is taken for slow is left undone.
    monkeypatch.setattr(
        parameter_gradients, "_ELEMENTWISE", -(10**6) * (2 * formed - 1)
    )
    case = ARCHITECTURES[name]()
    expected = exact(case)
    gradients = example_gradients(case.risk, case.examples)
    vectors, weights = randn(3, expected.shape[1]), randn(3, N)
    assert_close(gradients.dense(), expected)
    assert_close(gradients.squared_norms(), expected.square().sum(1))
    assert_close(gradients.products(vectors), vectors @ expected.T)
    assert_close(gradients.combined(weights), weights @ expected)


def test_restricted_gradients_are_columns_in_the_order_of_the_names():
    case = tied_embedding()
    names = ("1.bias", "0.weight")
    restricted = example_gradients(case.risk, case.examples).restricted(names)
    expected = exact(Architecture(case.model, case.x, case.y, case.loss))
    parts = dict(zip(case.risk.names, expected.split(case.risk.sizes, 1), strict=True))
    assert_close(restricted.dense(), torch.cat([parts[name] for name in names], 1))
    with pytest.raises(InputError, match="no gradients in"):
        restricted.restricted(["1.weight"])
    risk = case.risk.restricted(names)
    assert_close(example_gradients(risk, case.examples).dense(), restricted.dense())


def test_norms_of_layers_with_one_position_need_no_gradients(monkeypatch):
    case = linear()
    gradients = example_gradients(case.risk, case.examples)
    monkeypatch.delattr(parameter_gradients, "_formed")
    assert_close(gradients.squared_norms(), exact(case).square().sum(1))
    gradients.products(randn(1, case.risk.n_parameters))
    with pytest.raises(NameError):
        gradients.dense()


def test_the_rows_of_other_examples_are_seen_each_time():
    # In the first batch the rows are in order, and in the second they are not.
    case = routed(in_order=False)()
    case.x[:, 1] = torch.arange(N)
    risk = case.risk
    with risk.evaluating():
        first = recorded_losses(risk, case.examples)
        assert "head.weight" not in first.generic
        case.x[:, 1] = case.x[:, 1].flip(0)
        assert "head.weight" in recorded_losses(risk, case.examples).generic
    assert_close(example_gradients(risk, case.examples).dense(), exact(case))


def test_as_many_positions_as_examples_are_not_taken_for_examples():
    # Of 3 examples with 5 positions, and then of 5 with 5: the examples are second.
    model = weighted(nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3)))

    class Second(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = model

        def forward(self, x):
            return self.body(x.transpose(0, 1)).mean(0)

    second = Second()
    for n in (3, 5):
        case = Architecture(second, randn(n, 5, 4), labels(n, 3))
        assert_close(example_gradients(case.risk, case.examples).dense(), exact(case))


def test_single_precision_where_gradients_are_nothing_but_rounding():
    # Normalised outputs do not change in the direction of this loss.
    model = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
    risk = EmpiricalRisk(model, nn.MSELoss())
    examples = risk.examples(randn(40, 3), torch.ones(40, 3))
    recorded = recorded_losses(risk, examples)
    assert recorded.generic == ("1.weight", "1.bias")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_precision_is_the_models(dtype):
    case = linear()
    expected = exact(case)
    model = case.model.to(dtype)
    risk = EmpiricalRisk(model, nn.CrossEntropyLoss())
    gradients = example_gradients(risk, risk.examples(case.x, case.y))
    found = gradients.dense()
    assert found.dtype == dtype
    assert gradients.squared_norms().dtype == dtype
    tolerance = 10 * torch.finfo(dtype).eps * expected.abs().max().item()
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=tolerance)


def test_the_model_and_the_switches_are_left_alone():
    case = linear()
    model = case.model.train()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    with torch.no_grad():
        gradients = example_gradients(case.risk, case.examples)
        assert not torch.is_grad_enabled()
    assert model.training
    assert torch.backends.mha.get_fastpath_enabled()
    assert all(bool((p.grad == 1).all()) for p in model.parameters())
    assert all(p.requires_grad for p in model.parameters())
    dense = gradients.dense()
    assert not dense.requires_grad
    assert_close(dense, exact(case))
    assert_close(pickle.loads(pickle.dumps(gradients)).dense(), dense)


def test_inference_mode_is_refused_and_its_tensors_are_not():
    case = linear()
    with torch.inference_mode():
        x = case.x * 1
        with pytest.raises(InputError, match="inference_mode"):
            example_gradients(case.risk, case.examples)
    inferred = Architecture(case.model, x, case.y)
    found = example_gradients(inferred.risk, inferred.examples).dense()
    assert_close(found, exact(case))


def test_the_graph_is_let_go():
    case = linear()
    with case.risk.evaluating():
        recorded = recorded_losses(case.risk, case.examples)
    for call, gradient in zip(recorded.calls, recorded.output_gradients, strict=True):
        assert not call.input.requires_grad
        assert call.output.device.type == "meta"
        assert call.output.shape == gradient.shape


def test_devices(device):
    case = linear()
    expected = exact(case)
    model = case.model.to(device)
    risk = EmpiricalRisk(model, case.loss)
    gradients = example_gradients(risk, risk.examples(case.x, case.y))
    vectors = randn(2, risk.n_parameters).to(device)
    assert_close(gradients.dense().cpu(), expected)
    assert_close(gradients.products(vectors).cpu(), vectors.cpu() @ expected.T)
