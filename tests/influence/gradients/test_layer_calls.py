"""Calls of layers: rows and positions make the outputs, and the graph is whole."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.influence.architectures import checkpointed, classes, cut_off, shared_layer
from tests.influence.cases import randn, weighted
from torchattr.influence.empirical_risk import EmpiricalRisk
from torchattr.influence.gradients.layer_calls import recorded_layers


def only_call(model, x):
    risk = EmpiricalRisk(weighted(model), nn.MSELoss())
    _, (call,) = recorded_layers(risk, risk.parameters(), x)
    return call


def mapped(call, weight, bias):
    """The outputs by position, from the rows."""
    parts = call.rows().unflatten(2, (call.groups, -1))
    weights = weight.flatten(1).unflatten(0, (call.groups, -1))
    outputs = torch.einsum("bsgi,goi->bsgo", parts, weights).flatten(2)
    return outputs if bias is None else outputs + bias


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(
    "options",
    [
        {"bias": False, "stride": (2, 1), "padding": (1, 0)},
        {"padding": "same"},
        {"padding": "same", "dilation": (1, 3)},
        {"padding": "valid", "dilation": 2},
        {"groups": 2, "padding": 1},
        {"groups": 4},
        {"padding": (1, 2), "padding_mode": "reflect"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kernel", [(3, 2), (1, 4)])
def test_a_convolution_is_linear_in_its_windows(kernel, options):
    model = nn.Conv2d(4, 8, kernel, **options)
    call = only_call(model, randn(3, 4, 8, 7))
    with torch.no_grad():
        expected = call.positions(call.output)
        found = mapped(call, model.weight, model.bias)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert call.n_inputs == call.rows().shape[2]
    assert torch.equal(call.rows(slice(1, 3)), call.rows()[1:])


@pytest.mark.parametrize("shape", [(3, 4), (3, 5, 4), (3, 2, 0, 4), (3, 2, 5, 4)])
def test_a_linear_layer_has_a_position_for_each_of_its_rows(shape):
    model = nn.Linear(4, 2)
    call = only_call(model, randn(*shape))
    rows, positions = call.rows(), call.positions(call.output)
    assert rows.shape == (3, torch.Size(shape[1:-1]).numel(), 4)
    torch.testing.assert_close(mapped(call, model.weight, model.bias), positions)
    lead = torch.stack([call.output, 2 * call.output])
    assert torch.equal(call.positions(lead), torch.stack([positions, 2 * positions]))


def test_arguments_by_name_and_by_position():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.empty(2, 1, 3))
            self.bias = nn.Parameter(torch.empty(2))

        def forward(self, x):
            by_position = F.conv1d(x, self.weight, self.bias, 1, 2, 2, 1)
            by_name = F.conv1d(
                weight=self.weight,
                input=x,
                padding=2,
                dilation=2,
            )
            return by_position + by_name

    risk = EmpiricalRisk(weighted(Both()), nn.MSELoss())
    _, calls = recorded_layers(risk, risk.parameters(), randn(3, 1, 6))
    assert [call.bias for call in calls] == ["bias", None]
    for call in calls:
        bias = risk.parameters()["bias"] if call.bias else None
        found = mapped(call, risk.parameters()["weight"], bias)
        torch.testing.assert_close(found, call.positions(call.output))


def test_outputs_are_the_models_and_in_its_graph():
    case = shared_layer()
    parameters = {
        n: p.clone().requires_grad_() for n, p in case.risk.parameters().items()
    }
    with torch.no_grad():
        outputs, calls = recorded_layers(case.risk, parameters, case.x)
        expected = case.model(case.x)
    assert torch.equal(outputs, expected)
    assert [call.weight for call in calls] == ["layer.weight"] * 2 + ["head.weight"]
    tensors = [call.output for call in calls]
    found = torch.autograd.grad(outputs.sum(), tensors, retain_graph=True)
    assert all(bool(part.any()) for part in found)
    # Nothing reaches the parameters but through the calls.
    left = torch.autograd.grad(
        outputs.sum(), list(parameters.values()), allow_unused=True
    )
    assert left == (None,) * len(parameters)


def test_what_changes_in_place_is_not_what_is_recorded():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True))
    case = classes(model, 4)
    outputs, (call,) = recorded_layers(case.risk, case.risk.parameters(), case.x)
    torch.testing.assert_close(call.output, model[0](case.x))
    (found,) = torch.autograd.grad(outputs.sum(), call.output)
    assert torch.equal(found, (model[0](case.x) > 0).double())


def test_checkpointed_layers_are_refused():
    case = checkpointed()
    with pytest.raises(RuntimeError, match="checkpoint cannot be recorded"):
        recorded_layers(case.risk, case.risk.parameters(), case.x)


def test_layers_without_a_gradient_are_not_recorded():
    case = cut_off()
    _, calls = recorded_layers(case.risk, case.risk.parameters(), case.x)
    assert [call.weight for call in calls] == ["second.weight", "third.weight"]
