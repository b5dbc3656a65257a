"""The Gauss-Newton matrix, against Jacobians that are formed."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from tests.influence.cases import classifier_mlp, cuts
from tests.influence.curvature.models import KINDS, exact_gauss_newton
from torchattr.influence.curvature import gauss_newton
from torchattr.influence.curvature.gauss_newton import GaussNewton
from torchattr.influence.curvature.hessian import Hessian

close = partial(torch.testing.assert_close, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_model(name):
    kind = KINDS[name]
    curvature = GaussNewton(kind.risk, kind.ragged)
    matrix = curvature.dense()
    close(matrix, exact_gauss_newton(kind.risk, kind.x, kind.y))
    close(curvature @ torch.eye(len(matrix), dtype=torch.float64), matrix)


@pytest.mark.parametrize("name", ["sequence", "convolution", "attention"])
def test_many_outputs_are_left_to_products(name, monkeypatch):
    kind = KINDS[name]
    monkeypatch.setattr(gauss_newton, "_MOST_OUTPUTS", 1)
    matrix = GaussNewton(kind.risk, kind.ragged).dense()
    close(matrix, exact_gauss_newton(kind.risk, kind.x, kind.y))


def test_any_batching_is_the_same():
    case = classifier_mlp(11)
    expected = GaussNewton(case.risk, case.batches()).dense()
    for batches in cuts(case):
        curvature = GaussNewton(case.risk, batches)
        close(curvature.dense(), expected)
        close(curvature @ expected, expected @ expected)


def test_it_is_never_negative_where_the_hessian_is():
    case = classifier_mlp()
    eigenvalues = torch.linalg.eigvalsh(GaussNewton(case.risk, case.batches(8)).dense())
    assert eigenvalues.min() > -1e-12
    assert (
        torch.linalg.eigvalsh(Hessian(case.risk, case.batches(8)).dense()).min() < -0.01
    )


def test_a_loss_that_is_not_convex_can_make_it_negative():
    kind = KINDS["own loss"]
    assert (
        torch.linalg.eigvalsh(GaussNewton(kind.risk, kind.ragged).dense()).min() < -0.01
    )
