"""LiSSA: the limit of the series, and why there is none."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import nn

from tests.influence.cases import (
    classifier_mlp,
    cuts,
    exact_gradients,
    exact_hessian,
    randn,
    softmax_regression,
)
from torchattr.errors import InputError
from torchattr.influence.direct_influence import DirectInfluence
from torchattr.influence.lissa_influence import LissaInfluence
from torchattr.influence.solvers.lissa import LiSSA
from torchattr.influence.solvers.solver import ConvergenceWarning, relative_residuals


def spectrum(values, seed=0):
    values = torch.as_tensor(values, dtype=torch.float64)
    basis = torch.linalg.qr(randn(len(values), len(values), seed=seed)).Q
    return basis @ torch.diag(values) @ basis.T


def relative(actual, expected):
    return ((actual - expected).norm(dim=1) / expected.norm(dim=1)).max().item()


def solved(matrix, sides, shift):
    identity = torch.eye(len(matrix), dtype=matrix.dtype)
    return torch.linalg.solve(matrix + shift * identity, sides.T).T


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize(("dampen", "scale"), [(0.0, 3.0), (0.1, 3.0), (0.5, 10.0)])
def test_dampening_is_regularization_times_scale(dtype, dampen, scale):
    matrix, sides = spectrum(torch.linspace(0.5, 4, 20)), randn(30, 20, seed=1)
    solver = LiSSA(matrix.to(dtype), dampen=dampen, scale=scale, rtol=1e-5)
    answer = solver.solve(sides.to(dtype), 1e-3)
    shift = 1e-3 + scale * dampen
    assert answer.vectors.dtype == dtype
    assert relative(answer.vectors.double(), solved(matrix, sides, shift)) < 1e-4
    own = relative_residuals(matrix, shift, answer.vectors.double(), sides)
    torch.testing.assert_close(
        answer.relative_residuals.double(), own, rtol=0.1, atol=0
    )
    assert (own <= 1.1e-5).all()


def test_the_iteration_is_that_of_the_formula():
    matrix, sides = spectrum(torch.linspace(0.5, 4, 6)), randn(2, 6, seed=1)
    sides /= sides.norm(dim=1, keepdim=True)
    h = sides
    for _ in range(3):
        h = sides + (1 - 0.2) * h - (h @ matrix + 0.1 * h) / 5
    solver = LiSSA(matrix, dampen=0.2, scale=5, maxiter=4, warn_on_max_iteration=False)
    torch.testing.assert_close(solver.solve(sides, 0.1).vectors, h / 5)


def test_zero_entries_and_zero_sides_are_no_obstacle():
    # A largest relative change of entries would be 0 / 0 in each of these.
    matrix = torch.diag(torch.tensor([1.0, 2.0, 3.0]))
    sides = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1e-30, 0.0, 1e-30]])
    answer = LiSSA(matrix, scale=3).solve(sides, 0.0)
    assert (answer.relative_residuals <= 1e-4).all()
    assert answer.iterations[1] == 0
    torch.testing.assert_close(
        answer.vectors[0], torch.tensor([1.0, 0, 0]), rtol=1e-3, atol=0
    )
    torch.testing.assert_close(
        answer.vectors[2] * 1e30, torch.tensor([1.0, 0, 1 / 3]), rtol=1e-3, atol=0
    )


def test_too_small_a_scale_is_noticed_early():
    matrix = spectrum([0.5, 1.0, 7.0])
    with pytest.warns(ConvergenceWarning, match="must be more than half") as caught:
        answer = LiSSA(matrix, scale=1).solve(randn(4, 3), 1e-3)
    assert (answer.iterations < 10).all()
    assert (answer.relative_residuals <= 1).all()
    assert answer.vectors.isfinite().all()
    advised = float(str(caught[0].message).rpartition("scale=")[2])
    LiSSA(matrix, scale=advised).solve(randn(4, 3), 1e-3)  # and no warning


def test_a_negative_eigenvalue_is_named():
    matrix = spectrum([-0.5, 0.5, 1.0])
    with pytest.warns(
        ConvergenceWarning, match=r"negative eigenvalue, of about -0.[45]"
    ):
        answer = LiSSA(matrix, scale=2).solve(randn(4, 3), 1e-3)
    assert (answer.iterations < 100).all()
    dampened = LiSSA(matrix, scale=2, dampen=0.5).solve(randn(4, 3), 1e-3)
    assert relative(dampened.vectors, solved(matrix, randn(4, 3), 1.001)) < 1e-3


def test_a_small_maxiter_warns_with_the_residual_and_what_is_missing():
    matrix, sides = spectrum([0.1, 0.5, 1.0]), randn(2, 3, seed=1)
    solver = LiSSA(matrix, scale=1, maxiter=30)
    with pytest.warns(ConvergenceWarning, match="maxiter is 30") as caught:
        answer = solver.solve(sides, 1e-3)
    message = str(caught[0].message)
    own = relative_residuals(matrix, 1e-3, answer.vectors, sides)
    torch.testing.assert_close(answer.relative_residuals, own)
    assert f"residual of {own.max():.1e}" in message
    more = float(message.partition("it takes some ")[2].partition(" ")[0])
    enough = LiSSA(matrix, scale=1, maxiter=30 + int(1.1 * more)).solve(sides, 1e-3)
    assert enough.iterations.max() > 30 + 0.8 * more


def test_sides_that_are_done_leave():
    matrix = torch.diag(torch.tensor([1.0, 0.1]))
    iterations = LiSSA(matrix, scale=1).solve(torch.eye(2), 0.0).iterations
    assert iterations[0] == 1
    assert iterations[1] > 50


def test_influence_is_direct_influence_however_data_are_cut():
    case = softmax_regression()
    options = {"regularization": 0.5}
    direct = DirectInfluence(case.model, case.loss, **options).fit(case.batches())
    x, y = torch.cat([case.x, case.x_test]), torch.cat([case.y, case.y_test])
    expected = direct.influence_factors(x, y)  # more sides than parameters
    for batches in cuts(case):
        lissa = LissaInfluence(case.model, case.loss, scale=1, rtol=1e-7, **options)
        factors = lissa.fit(batches).influence_factors(x, y)
        assert relative(factors, expected) < 1e-5
    again = pickle.loads(pickle.dumps(lissa)).to("cpu")
    torch.testing.assert_close(again.influence_factors(x, y), factors)
    assert (again.relative_residuals(x, y) < 2e-7).all()


def test_influence_adds_scale_times_dampen():
    case = classifier_mlp()
    matrix = exact_hessian(case.risk, case.x, case.y)
    lissa = LissaInfluence(
        case.model, case.loss, 0.1, dampen=0.25, scale=4, rtol=1e-9
    ).fit(case.batches(7))
    gradients = exact_gradients(case.risk, case.x_test, case.y_test)
    factors = lissa.influence_factors(case.x_test, case.y_test)
    assert relative(factors, solved(matrix, gradients, 1.1)) < 1e-8


def test_a_bar_shows_the_residual(capsys):
    LiSSA(torch.eye(2), progress=True).solve(torch.ones(1, 2), 1.0)
    assert "residual=" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [{"maxiter": 0}, {"dampen": -0.1}, {"dampen": 2}, {"scale": "loo"}, {"scale": 0}],
)
def test_arguments_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        LissaInfluence(nn.Linear(1, 1), nn.MSELoss(), **wrong)
    with pytest.raises(InputError, match="rtol"):
        LissaInfluence(nn.Linear(1, 1), nn.MSELoss(), rtol=-1)
