"""Cholesky and Eigh: exact solutions, kept factors, and matrices that have none."""

import pickle
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode

from tests.influence.cases import randn
from torchattr.errors import InputError
from torchattr.influence.solvers.cholesky import Cholesky
from torchattr.influence.solvers.eigh import Eigh

both = pytest.mark.parametrize("solver", [Cholesky, Eigh])


def symmetric(size, *, rank=None, indefinite=False, seed=0):
    """Eigenvalues between 1e-4 and 1 in size, all positive or of both signs."""
    basis = torch.linalg.qr(randn(size, size, seed=seed))[0]
    values = torch.logspace(-4, 0, size, dtype=torch.float64)
    if rank is not None:
        values[: size - rank] = 0
    if indefinite:
        values[::2] *= -1
    matrix = basis @ torch.diag(values) @ basis.T
    return (matrix + matrix.T) / 2


def residuals(matrix, regularization, solutions, sides):
    missing = solutions @ matrix + regularization * solutions - sides
    return missing.norm(dim=1) / sides.norm(dim=1)


class Operator:
    """What another library has: products only, which it counts."""

    def __init__(self, matrix):
        self.matrix, self.products = matrix, 0
        self.shape, self.dtype, self.device = matrix.shape, matrix.dtype, matrix.device

    def __matmul__(self, vectors):
        self.products += 1
        return self.matrix @ vectors


class Factorisations(TorchFunctionMode):
    """Counts what torch factorises in a block."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = func.__name__
        if name.startswith(("linalg_cholesky", "linalg_lu", "linalg_eigh")):
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


@both
@pytest.mark.parametrize("n_sides", [1, 12, 40])
@pytest.mark.parametrize("regularization", [0.0, 1e-3])
@pytest.mark.parametrize("indefinite", [False, True])
def test_solutions_solve(solver, indefinite, regularization, n_sides):
    matrix = symmetric(12, indefinite=indefinite)
    sides = randn(n_sides, 12, seed=3)
    solved = solver(matrix).solve(sides, regularization)
    assert solved.vectors.shape == (n_sides, 12)
    expected = torch.linalg.solve(
        matrix + regularization * torch.eye(12).double(), sides.T
    )
    torch.testing.assert_close(solved.vectors, expected.T, atol=1e-8, rtol=1e-10)
    assert residuals(matrix, regularization, solved.vectors, sides).max() < 1e-10


@both
def test_trace_and_pickle(solver):
    matrix = symmetric(9, indefinite=True)
    before = solver(matrix)
    sides = randn(2, 9)
    expected = before.solve(sides, 2e-3).vectors
    after = pickle.loads(pickle.dumps(before))
    torch.testing.assert_close(after.solve(sides, 2e-3).vectors, expected)
    assert after.trace() == pytest.approx(float(matrix.trace()), abs=1e-12)


@both
def test_a_zero_side_has_a_zero_solution(solver):
    assert not solver(symmetric(5)).solve(torch.zeros(2, 5).double(), 0.1).vectors.any()


@both
def test_moving_keeps_the_answers(solver):
    matrix, sides = symmetric(6), randn(3, 6)
    here = solver(matrix)
    expected = here.solve(sides, 1e-3).vectors
    assert here.to("cpu") is here
    torch.testing.assert_close(here.solve(sides, 1e-3).vectors, expected)
    assert here.to("meta").curvature.device.type == "meta"


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_solutions_have_the_precision_of_the_sides(solver, dtype):
    matrix = torch.diag(torch.tensor([2.0, 4.0], dtype=dtype))
    solutions = solver(matrix).solve(torch.ones(1, 2, dtype=dtype), 2.0).vectors
    torch.testing.assert_close(solutions, (1 / torch.tensor([[4.0, 6.0]])).to(dtype))


def test_the_users_matrix_is_left_alone():
    matrix = symmetric(6)
    before = matrix.clone()
    Cholesky(matrix).solve(randn(1, 6), 1.0)
    assert torch.equal(matrix, before)


def test_factorised_once_and_again_only_for_another_regularization():
    operator = Operator(symmetric(8))
    with Factorisations() as factorisations:
        solver = Cholesky(operator)
        for regularization in (0.1, 0.1, 0.2, 0.2, 0.1):
            solver.solve(randn(3, 8), regularization)
    assert factorisations.counts == {"linalg_cholesky_ex": 3}
    assert operator.products == 1


def test_an_eigendecomposition_serves_all_regularizations():
    operator = Operator(symmetric(8))
    with Factorisations() as factorisations:
        solver = Eigh(operator)
        for regularization in (0.1, 0.2, 0.0):
            solver.solve(randn(3, 8), regularization)
    assert factorisations.counts == {"linalg_eigh": 1}
    assert operator.products == 1


def suggestion(error):
    return float(str(error.value).split("regularization=")[1].split(",")[0])


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("matrix", "regularization"),
    [
        (symmetric(12, rank=5), 0.0),
        (symmetric(12, rank=5, indefinite=True), 0.0),
        (torch.zeros(3, 3), 0.0),
        (torch.diag(torch.tensor([3.0, 0.0, 1.0])), 0.0),
        (torch.diag(torch.tensor([3.0, -0.5, 1.0])), 0.5),
        (torch.diag(torch.tensor([-8.0, -2.0, -0.5, 1.0])), 0.5),
        (torch.ones(1, 1), -1.0),
    ],
)
def test_a_singular_matrix_is_refused_with_what_would_do(
    solver, matrix, regularization, dtype
):
    matrix = matrix.to(dtype)
    with pytest.raises(InputError, match="singular to working precision") as error:
        solver(matrix).solve(torch.ones(1, len(matrix), dtype=dtype), regularization)
    enough = suggestion(error)
    sides = torch.ones(1, len(matrix), dtype=dtype)
    solutions = solver(matrix).solve(sides, enough).vectors
    assert residuals(matrix, enough, solutions, sides).max() < 1e-3
    assert enough > regularization


@both
def test_collinear_inputs_are_singular(solver):
    """Rounding makes a tiny pivot of them, no zero: the case that solve() lets pass."""
    x = randn(50, 4)
    x = torch.cat([x, x[:, :1] + x[:, 1:2]], 1)
    with pytest.raises(InputError, match="Pass regularization="):
        solver(x.T @ x / 50).solve(randn(1, 5), 0.0)


@both
@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (torch.tensor([[1.0, 2.0], [0.0, 1.0]]), "must be symmetric"),
        (torch.tensor([[1.0, 0.0], [0.0, torch.nan]]), "not finite"),
        (torch.tensor([[1.0, torch.inf], [torch.inf, 1.0]]), "not finite"),
    ],
)
def test_what_is_no_curvature_is_refused(solver, matrix, message):
    with pytest.raises(InputError, match=message):
        solver(matrix)


@given(
    size=st.integers(1, 15),
    seed=st.integers(0, 99),
    regularization=st.sampled_from([0.0, 1.5e-3, 2.0]),
    indefinite=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_both_agree(size, seed, regularization, indefinite):
    matrix = symmetric(size, indefinite=indefinite, seed=seed)
    sides = randn(3, size, seed=seed + 1)
    first = Cholesky(matrix).solve(sides, regularization).vectors
    second = Eigh(matrix).solve(sides, regularization).vectors
    torch.testing.assert_close(first, second, rtol=1e-8, atol=1e-8)


@both
def test_a_matrix_larger_than_the_memory_is_refused_before_anything_is_read(solver):
    operator = Operator(torch.eye(2).double())
    operator.shape = (10**7, 10**7)
    with pytest.raises(InputError, match=r"8e\+05 GB.*EkfacInfluence.*LAYER_WISE"):
        solver(operator)
    assert operator.products == 0
