"""DataInf: rank-one rules, streamed over batches of any size."""

import pickle

import pytest
import torch
from torch import nn

from tests.influence.cases import (
    Case,
    classifier_mlp,
    cuts,
    exact_gradients,
    labels,
    randn,
    weighted,
)
from torchattr.errors import InputError
from torchattr.influence.curvature.empirical_fisher import EmpiricalFisher
from torchattr.influence.curvature.hessian import Hessian
from torchattr.influence.solvers.data_inf import DataInf


def mean_of_inverses(gradients, sides, regularization):
    identity = torch.eye(gradients.shape[1], dtype=gradients.dtype)
    total = torch.zeros_like(sides)
    for gradient in gradients:
        one = torch.outer(gradient, gradient) + regularization * identity
        total += torch.linalg.solve(one, sides.T).T
    return total / len(gradients)


def fisher_of(case, *sizes):
    return EmpiricalFisher(case.risk, case.batches(*sizes))


@pytest.mark.parametrize("n_sides", [1, 50])
def test_the_mean_of_the_inverses(n_sides):
    case = classifier_mlp()
    sides = randn(n_sides, 43, seed=8)
    gradients = exact_gradients(case.risk, case.x, case.y)
    solver = DataInf(fisher_of(case, 3, 1, 5))
    for regularization in (1e-3, 0.1, 1.0, 10.0, 100.0):
        expected = mean_of_inverses(gradients, sides, regularization)
        solved = solver.solve(sides, regularization).vectors
        torch.testing.assert_close(solved, expected, rtol=1e-10, atol=1e-10)
    assert solver.trace() == pytest.approx(float(gradients.square().sum() / 30))


def test_batches_do_not_matter():
    case, risk = classifier_mlp(), classifier_mlp().risk
    sides = randn(2, 43)
    first, *others = [
        DataInf(EmpiricalFisher(risk, batches)).solve(sides, 1e-3).vectors
        for batches in cuts(case)
    ]
    for other in others:
        torch.testing.assert_close(other, first, rtol=1e-10, atol=1e-10)


def test_some_parameters_only():
    case = classifier_mlp()
    risk = case.risk.restricted(["2.weight"])
    sides = randn(3, 15)
    expected = mean_of_inverses(exact_gradients(risk, case.x, case.y), sides, 0.1)
    solved = DataInf(EmpiricalFisher(risk, case.batches(7))).solve(sides, 0.1).vectors
    torch.testing.assert_close(solved, expected, rtol=1e-10, atol=1e-10)


def test_one_example_is_solved_exactly():
    case = Case(
        weighted(nn.Linear(3, 2)), nn.CrossEntropyLoss(), randn(1, 3), labels(1, 2),
        randn(1, 3), labels(1, 2),
    )  # fmt: skip
    fisher = fisher_of(case)
    sides = randn(4, 8)
    solved = DataInf(fisher).solve(sides, 1e-3).vectors
    exact = torch.linalg.solve(fisher.dense() + 1e-3 * torch.eye(8).double(), sides.T)
    torch.testing.assert_close(solved, exact.T, rtol=1e-10, atol=1e-10)


def test_a_pickle_answers_the_same():
    case = classifier_mlp()
    solver = DataInf(fisher_of(case, 7))
    sides = randn(2, 43)
    after = pickle.loads(pickle.dumps(solver)).to("cpu")
    torch.testing.assert_close(
        after.solve(sides, 0.1).vectors, solver.solve(sides, 0.1).vectors
    )


def test_another_curvature_and_zero_are_refused():
    case = classifier_mlp()
    with pytest.raises(InputError, match="must be the EmpiricalFisher; got Hessian"):
        DataInf(Hessian(case.risk, case.batches()))
    with pytest.raises(InputError, match="regularization > 0; got 0"):
        DataInf(fisher_of(case)).solve(randn(1, 43), 0.0)
