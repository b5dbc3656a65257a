"""The empirical Fisher matrix: the mean of g g^T, whatever the batches."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from tests.influence.cases import convolutional, cuts, exact_gradients, randn
from tests.influence.curvature.models import KINDS
from torchattr.influence.curvature import empirical_fisher
from torchattr.influence.curvature.empirical_fisher import EmpiricalFisher

close = partial(torch.testing.assert_close, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["gelu", "attention", "shared layer", "own loss"])
def test_it_is_the_mean_of_outer_products(name):
    kind = KINDS[name]
    gradients = exact_gradients(kind.risk, kind.x, kind.y)
    fisher = EmpiricalFisher(kind.risk, kind.ragged)
    close(fisher.dense(), gradients.T @ gradients / len(gradients))
    vectors = randn(kind.risk.n_parameters, 60)  # more than parameters
    close(fisher @ vectors, gradients.T @ (gradients @ vectors) / len(gradients))


def test_any_batching_is_the_same(monkeypatch):
    case = convolutional()
    expected = EmpiricalFisher(case.risk, case.batches()).dense()
    for room in (10**6, 500):
        monkeypatch.setattr(empirical_fisher, "working_elements", lambda _, r=room: r)
        for batches in cuts(case):
            fisher = EmpiricalFisher(case.risk, batches)
            close(fisher.dense(), expected)
            close(fisher @ expected, expected @ expected)


def test_one_example_has_rank_one():
    case = convolutional(1)
    matrix = EmpiricalFisher(case.risk, case.batches()).dense()
    gradient = exact_gradients(case.risk, case.x, case.y)[0]
    close(matrix, torch.outer(gradient, gradient))
