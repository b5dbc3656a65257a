"""How many examples go through a model at once."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.influence.cases import labels, randn, weighted
from torchattr.influence import scores
from torchattr.influence.cg_influence import CgInfluence
from torchattr.influence.curvature import (
    chunk_sizes,
    empirical_fisher,
    gauss_newton,
    layered_curvature,
)
from torchattr.influence.curvature.chunk_sizes import saved_elements
from torchattr.influence.curvature.empirical_fisher import EmpiricalFisher
from torchattr.influence.curvature.gauss_newton import GaussNewton
from torchattr.influence.empirical_risk import EmpiricalRisk
from torchattr.influence.influence_mode import InfluenceMode


class Widest(nn.Module):
    """Passes images on, and notes how many there were at once."""

    widest = 0

    def forward(self, x):
        self.widest = max(self.widest, len(x))
        return x


def image_classifier():
    """Few parameters, whose images are large."""
    layers = [Widest(), nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    return weighted(nn.Sequential(*layers, nn.Flatten(), nn.Linear(2, 3)))


def with_room(monkeypatch, risk, examples, count):
    """Let memory have room for so many examples."""
    elements = count * (saved_elements(risk, examples) + risk.n_parameters)
    monkeypatch.setattr(scores, "_ELEMENTS", elements)
    chunked = (chunk_sizes, empirical_fisher, gauss_newton, layered_curvature)
    for module in (scores, *chunked):
        monkeypatch.setattr(module, "working_elements", lambda _: elements)


@pytest.mark.parametrize("mode", list(InfluenceMode))
def test_large_inputs_go_through_the_model_a_few_at_a_time(mode, monkeypatch):
    model, x, y = image_classifier(), randn(24, 1, 9, 9), labels(24, 3)
    influence = CgInfluence(
        model,
        nn.CrossEntropyLoss(),
        1e-2,
        second_order_mode=lambda risk, _: torch.eye(risk.n_parameters).double(),
    ).fit([(x, y)])
    expected = influence.influences(x[:2], y[:2], x, y, mode)
    with_room(monkeypatch, influence.risk, influence.risk.examples(x, y), 8)
    model[0].widest = 0
    found = influence.influences(x[:2], y[:2], x, y, mode)
    assert 1 <= model[0].widest <= 8
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("curvature", [GaussNewton, EmpiricalFisher])
def test_a_matrix_is_made_a_few_examples_at_a_time(curvature, monkeypatch):
    model, x, y = image_classifier(), randn(24, 1, 9, 9), labels(24, 3)
    risk = EmpiricalRisk(model, nn.CrossEntropyLoss())
    matrix = curvature(risk, [(x, y)])
    expected = matrix.dense()
    with_room(monkeypatch, risk, risk.examples(x, y), 8)
    model[0].widest = 0
    torch.testing.assert_close(matrix.dense(), expected)
    assert model[0].widest <= 8


def test_what_is_counted_is_that_of_an_example():
    risk = EmpiricalRisk(image_classifier(), nn.CrossEntropyLoss())
    few, many, large = (
        risk.examples(randn(n, 1, size, size), labels(n, 3))
        for n, size in ((1, 9), (8, 9), (1, 18))
    )
    assert saved_elements(risk, few) == saved_elements(risk, many)
    assert 3 < saved_elements(risk, large) / saved_elements(risk, few) < 7
