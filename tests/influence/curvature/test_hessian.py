"""The Hessian: closed forms, every kind of layer, any batching."""

from __future__ import annotations

import pickle
from functools import partial

import pytest
import torch
from torch import nn

from tests.influence.cases import (
    classifier_mlp,
    cuts,
    exact_hessian,
    labels,
    linear_regression,
    randn,
    softmax_regression,
    weighted,
)
from tests.influence.curvature.models import KINDS, N
from torchattr.influence.curvature import layered_curvature
from torchattr.influence.curvature.gauss_newton import GaussNewton
from torchattr.influence.curvature.hessian import Hessian
from torchattr.influence.empirical_risk import EmpiricalRisk

close = partial(torch.testing.assert_close, rtol=0, atol=1e-10)


def test_linear_regression_has_the_moments_of_its_inputs():
    case = linear_regression()
    extended = torch.cat([case.x, torch.ones(len(case.x), 1)], 1)
    moments = extended.T @ extended / len(case.x)  # of (x, 1)
    blocks = torch.kron(torch.eye(2), moments)  # for n_out = 2: 2 / n_out = 1
    order = torch.tensor([0, 1, 2, 4, 5, 6, 3, 7])  # A by rows, then b
    expected = blocks[order][:, order]
    for curvature in (Hessian, GaussNewton):
        close(curvature(case.risk, case.batches(8)).dense(), expected)


def test_softmax_regression_has_the_covariance_of_its_labels():
    case = softmax_regression(bias=False)
    p = case.model(case.x).softmax(1).detach()
    inner = torch.diag_embed(p) - p[:, :, None] * p[:, None]
    expected = torch.einsum("nop,ni,nj->oipj", inner, case.x, case.x) / len(p)
    close(Hessian(case.risk, case.batches(8)).dense(), expected.reshape(12, 12))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_model(name):
    kind = KINDS[name]
    hessian = Hessian(kind.risk, kind.ragged)
    matrix = hessian.dense()
    close(matrix, exact_hessian(kind.risk, kind.x, kind.y))
    close(hessian @ torch.eye(len(matrix), dtype=torch.float64), matrix)
    by_layers = len(matrix) - len(hessian._plan.remaining)
    assert by_layers == kind.by_layers


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_reductions_are_of_examples(reduction):
    kind = KINDS["gelu"]
    risk = EmpiricalRisk(kind.risk.model, nn.CrossEntropyLoss(reduction=reduction))
    close(Hessian(risk, kind.ragged).dense(), Hessian(kind.risk, kind.ragged).dense())


def test_any_batching_is_the_same():
    case = classifier_mlp(11)
    expected = Hessian(case.risk, case.batches()).dense()
    for batches in cuts(case):
        curvature = Hessian(case.risk, batches)
        close(curvature.dense(), expected)
        close(curvature @ expected, expected @ expected)


@pytest.mark.parametrize(
    "names", [["0.weight"], ["0.bias", "2.weight"], ["4.weight", "4.bias", "0.weight"]]
)
def test_fewer_parameters_have_a_part_of_the_matrix(names):
    kind = KINDS["gelu"]
    index = torch.arange(kind.risk.n_parameters)
    parts = kind.risk.unflatten(index)
    keep = torch.cat([parts[name].flatten() for name in names])
    expected = Hessian(kind.risk, kind.ragged).dense()[keep][:, keep]
    close(Hessian(kind.risk.restricted(names), kind.ragged).dense(), expected)


def test_frozen_parameters_take_no_part():
    kind = KINDS["gelu"]
    model = kind.risk.model
    model[0].weight.requires_grad_(False)
    model[2].bias.requires_grad_(False)
    risk = EmpiricalRisk(model, kind.loss)
    close(Hessian(risk, kind.ragged).dense(), exact_hessian(risk, kind.x, kind.y))


def test_what_layers_get_wrong_is_found_and_left_to_products(monkeypatch):
    kind = KINDS["gelu"]
    expected = exact_hessian(kind.risk, kind.x, kind.y)
    right = layered_curvature.layer_products

    def without_slopes(factors, slots, vectors):
        factors.slopes.clear()
        return right(factors, slots, vectors)

    monkeypatch.setattr(layered_curvature, "layer_products", without_slopes)
    hessian = Hessian(kind.risk, kind.ragged)
    close(hessian.dense(), expected)
    assert not hessian._plan.slots


@pytest.mark.parametrize("name", ["gelu", "convolution", "sequence"])
def test_little_memory_gives_the_same(name, monkeypatch):
    kind = KINDS[name]
    for curvature in (Hessian, GaussNewton):
        expected = curvature(kind.risk, kind.ragged).dense()
        with monkeypatch.context() as patch:
            for module in ("layered_curvature", "chunk_sizes", "gauss_newton"):
                where = f"torchattr.influence.curvature.{module}.working_elements"
                patch.setattr(where, lambda device: 3000)
            little = curvature(kind.risk, kind.ragged)
            close(little.dense(), expected)
            close(little @ expected, expected @ expected)


def test_single_precision_stays():
    kind = KINDS["layer norm"]
    risk = EmpiricalRisk(kind.risk.model.float(), kind.loss)
    matrix = Hessian(risk, kind.ragged).dense()
    assert matrix.dtype == torch.float32
    expected = exact_hessian(kind.risk, kind.x, kind.y).float()
    torch.testing.assert_close(matrix, expected, rtol=1e-4, atol=1e-6)


def test_the_model_is_as_it_was():
    model = weighted(KINDS["batch norm"].model()).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    risk = EmpiricalRisk(model, nn.CrossEntropyLoss())
    data = [(randn(N, 4), labels(N, 2))]
    hessian = Hessian(risk, data)
    close(hessian.dense(), exact_hessian(risk, *data[0]))
    hessian @ randn(risk.n_parameters)
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_it_can_be_sent_to_another_process():
    kind = KINDS["shared layer"]
    hessian = Hessian(kind.risk, kind.ragged)
    matrix = hessian.dense()
    other = pickle.loads(pickle.dumps(hessian))
    assert other._plan == hessian._plan
    close(other.dense(), matrix)


def test_many_products_are_with_the_matrix_that_they_cost(monkeypatch):
    case = classifier_mlp(11)
    hessian = Hessian(case.risk, case.batches(4))
    expected = hessian.dense()
    calls = []
    examples_product = Hessian._product

    def counted(self, examples, vectors):
        calls.append(vectors.shape[1])
        return examples_product(self, examples, vectors)

    monkeypatch.setattr(Hessian, "_product", counted)
    for _ in range(3):
        close(hessian @ expected[:, :2], expected @ expected[:, :2])
    assert calls == [2, 2]  # two batches, once: then the matrix is as cheap
    assert pickle.loads(pickle.dumps(hessian))._held is None
    with torch.no_grad():
        case.model[0].weight.mul_(2)  # another model
    expected = exact_hessian(case.risk, case.x, case.y)
    close(hessian @ expected, expected @ expected)
    for module in ("_MOST_PARAMETERS", "working_elements"):
        with monkeypatch.context() as patch:
            where = f"torchattr.influence.curvature.curvature.{module}"
            patch.setattr(where, 1 if module.isupper() else lambda device: 1000)
            calls.clear()
            hessian = Hessian(case.risk, case.batches(4))
            for _ in range(3):
                hessian @ expected
            assert len(calls) == 6
