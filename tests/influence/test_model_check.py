"""What influence cannot be about is refused, and nothing else is."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.influence.architectures import ARCHITECTURES, Architecture, Forward
from tests.influence.cases import labels, randn, weighted
from torchattr.errors import InputError
from torchattr.influence.empirical_risk import EmpiricalRisk
from torchattr.influence.model_check import check_model, refuse_inference_mode


def check(model, loss=F.cross_entropy, x=None, y=None):
    x = randn(5, 4) if x is None else x
    y = labels(5, 3) if y is None else y
    risk = EmpiricalRisk(model, loss)
    with risk.evaluating():
        check_model(risk, risk.examples(x, y))


def of_a_layer(forward, n_outputs=3):
    return weighted(
        Forward(lambda m, x: forward(m.layer, x), layer=nn.Linear(4, n_outputs))
    )


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_models_that_keep_examples_apart_pass(name):
    case: Architecture = ARCHITECTURES[name]()
    with case.risk.evaluating():
        check_model(case.risk, case.examples)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_rounding_is_no_dependence(dtype):
    layers = [nn.Linear(4, 50), nn.GELU(), nn.Linear(50, 50), nn.LayerNorm(50)]
    check(weighted(nn.Sequential(*layers, nn.Linear(50, 3))).to(dtype))


def test_dropout_and_batch_normalisation_are_fine_in_eval_mode():
    layers = [nn.Linear(4, 6), nn.Dropout(), nn.BatchNorm1d(6), nn.Linear(6, 3)]
    model = weighted(nn.Sequential(*layers)).train()
    check(model)
    assert model[1].training


def test_random_models():
    with pytest.raises(InputError, match=r"second\s+pass"):
        check(of_a_layer(lambda layer, x: layer(F.dropout(x))))
    tiny = of_a_layer(lambda layer, x: 1e-4 * layer(F.dropout(x)), 1)
    with pytest.raises(InputError, match=r"second\s+pass"):
        check(tiny.float(), nn.MSELoss(), y=torch.zeros(5, 1))


@pytest.mark.parametrize(
    "forward",
    [
        lambda layer, x: layer(x - x.mean(0)),
        lambda layer, x: F.normalize(layer(x), dim=0),
        lambda layer, x: layer(x).softmax(0),
        lambda layer, x: layer(x) + layer(x).flip(0),
    ],
)
def test_models_that_mix_examples(forward):
    with pytest.raises(InputError, match="others of its batch"):
        check(of_a_layer(forward))


def test_batch_normalisation_without_statistics_is_named():
    norm = nn.BatchNorm1d(3, track_running_stats=False)
    model = weighted(nn.Sequential(nn.Linear(4, 3), norm))
    for n in (5, 1):
        with pytest.raises(InputError, match=r"running statistics \(1\)"):
            check(model, x=randn(n, 4), y=labels(n, 3))


@pytest.mark.parametrize(
    "loss",
    [
        lambda outputs, targets: F.cross_entropy(outputs.detach(), targets),
        lambda outputs, targets: (outputs.argmax(1) != targets).double(),
    ],
)
def test_losses_without_a_gradient(loss):
    with pytest.raises(InputError, match="no gradient in the parameters"):
        check(of_a_layer(lambda layer, x: layer(x)), loss)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (lambda outputs, targets: outputs.sum() * outputs.max().item(), "item"),
        (lambda outputs, targets: outputs.sum() if outputs.max() > 0 else 0, "control"),
        (lambda outputs, targets: F.dropout(outputs).sum(), "random"),
        (lambda outputs, targets: 1.0, "float"),
        (lambda outputs, targets: F.cross_entropy(outputs, targets + 3), "bounds"),
    ],
)
def test_losses_that_fail_on_one_example(loss, said):
    with pytest.raises(InputError, match=rf"batch of one example.*{said}"):
        check(of_a_layer(lambda layer, x: layer(x)), loss)


def test_targets_that_a_loss_does_not_take_are_described():
    for y, found in (
        (labels(5, 3)[:, None], r"targets \(1, 1\) of torch.int64.*multi-target"),
        (labels(5, 3).double(), r"targets \(1,\) of torch.float64.*dtype"),
    ):
        with pytest.raises(InputError, match=found):
            check(of_a_layer(lambda layer, x: layer(x)), y=y)


def test_inputs_that_the_model_changes_are_copies():
    x = randn(5, 4)
    before = x.clone()
    with pytest.raises(InputError, match="changes the inputs in place"):
        check(of_a_layer(lambda layer, x: layer(x.sub_(1))), x=x)
    assert torch.equal(x, before)


def test_outputs_that_are_not_by_example():
    with pytest.raises(InputError, match=r"one row for each of 1.*squeeze"):
        check(
            of_a_layer(lambda layer, x: layer(x).squeeze(), 1), nn.MSELoss(), y=randn(5)
        )
    with pytest.raises(InputError, match=r"one row for each of 3"):
        check(of_a_layer(lambda layer, x: (layer(x), layer.weight[:2])), nn.MSELoss())


def test_losses_that_are_not_finite_name_their_examples():
    x = randn(5, 4)
    x[1:3, 0] = torch.nan
    with pytest.raises(InputError, match=r"examples 1, 2 are not finite"):
        check(of_a_layer(lambda layer, x: layer(x)), x=x)


def test_inference_mode():
    refuse_inference_mode()
    with torch.inference_mode(), pytest.raises(InputError, match="no_grad"):
        refuse_inference_mode()
