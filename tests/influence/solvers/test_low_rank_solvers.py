"""Arnoldi and NystroemSketch: exact where they must be, and what they leave out."""

import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.influence.cases import randn
from torchattr.errors import InputError
from torchattr.influence.solvers.arnoldi import Arnoldi
from torchattr.influence.solvers.cholesky import Cholesky
from torchattr.influence.solvers.nystroem_sketch import NystroemSketch
from torchattr.influence.solvers.solver import ConvergenceWarning

SIZE = 90  # too many for Arnoldi to take the dense way at small ranks
both = pytest.mark.parametrize("solver", [Arnoldi, NystroemSketch])


def with_eigenvalues(values, seed=0):
    values = torch.as_tensor(values, dtype=torch.float64)
    basis = torch.linalg.qr(randn(len(values), len(values), seed=seed))[0]
    matrix = basis @ torch.diag(values) @ basis.T
    return (matrix + matrix.T) / 2


def decaying(size=SIZE, ratio=0.8, *, indefinite=False):
    values = ratio ** torch.arange(size, dtype=torch.float64)
    if indefinite:
        values[1::3] *= -1
    return with_eigenvalues(values)


def relative_error(solver, matrix, regularization, n_sides=5):
    sides = randn(n_sides, len(matrix), seed=7)
    exact = Cholesky(matrix).solve(sides, regularization).vectors
    solved = solver.solve(sides, regularization).vectors
    return float((solved - exact).norm() / exact.norm())


class Operator:
    """Products only; it counts them, and the vectors that were multiplied."""

    def __init__(self, matrix):
        self.matrix, self.products, self.vectors = matrix, 0, 0
        self.shape, self.dtype, self.device = matrix.shape, matrix.dtype, matrix.device

    def __matmul__(self, vectors):
        self.products += 1
        self.vectors += vectors.shape[1]
        return self.matrix @ vectors


@both
@pytest.mark.parametrize("rank", [SIZE, SIZE + 40])
@pytest.mark.parametrize("indefinite", [False, True])
def test_all_of_the_rank_is_exact(solver, rank, indefinite):
    matrix = decaying(ratio=0.95, indefinite=indefinite)
    assert relative_error(solver(matrix, rank=rank), matrix, 1e-3) < 1e-10


@pytest.mark.parametrize("values", [[3.0, 2.0, 1.0, 0.5], [3.0, -2.0, 1.0, -0.5]])
def test_a_sketch_reproduces_a_matrix_of_its_rank(values):
    matrix = with_eigenvalues(values + [0.0] * 36)
    solver = NystroemSketch(matrix, rank=4)
    torch.testing.assert_close(
        solver.eigenvalues.sort().values, torch.tensor(values).double().sort().values
    )
    assert relative_error(solver, matrix, 1e-3) < 1e-10
    assert relative_error(NystroemSketch(matrix, rank=9), matrix, 1e-3) < 1e-10
    operator = Operator(matrix)
    NystroemSketch(operator, rank=4)
    assert operator.products == 1


def test_arnoldi_keeps_the_largest_absolute_eigenvalues():
    matrix = decaying(indefinite=True)
    solver = Arnoldi(matrix, rank=6)
    exact = torch.linalg.eigvalsh(matrix)
    exact = exact[exact.abs().argsort(descending=True)][:6]
    torch.testing.assert_close(solver.eigenvalues, exact, rtol=0, atol=1e-10)
    assert solver.residual <= 1e-6


@pytest.mark.parametrize("size", [40, 400])  # dense, and by products
def test_arnoldi_solves_in_the_span_of_its_eigenvectors(size):
    matrix = decaying(size, indefinite=True)
    values, vectors = torch.linalg.eigh(matrix)
    order = values.abs().argsort(descending=True)[:5]
    values, vectors = values[order], vectors[:, order]
    sides = randn(3, size)
    kept = (sides @ vectors / (values + 1e-3)) @ vectors.T
    rest = (sides - sides @ vectors @ vectors.T) / 1e-3
    options = {"rank": 5, "tol": 1e-10}
    solved = Arnoldi(matrix, **options).solve(sides, 1e-3).vectors
    torch.testing.assert_close(solved, kept, rtol=1e-6, atol=1e-7)
    both = Arnoldi(matrix, use_woodbury=True, **options).solve(sides, 1e-3).vectors
    torch.testing.assert_close(both, kept + rest, rtol=1e-6, atol=1e-5)
    pseudo = Arnoldi(matrix, **options).solve(sides, 0.0).vectors
    expected = (sides @ vectors / values) @ vectors.T
    torch.testing.assert_close(pseudo, expected, rtol=1e-6, atol=1e-7)


def test_an_eigenvalue_counts_as_often_as_it_occurs():
    """A single starting vector, ARPACK's, finds each of these once.

    A squared error with three outputs has three equal blocks in its Hessian.
    """
    values = torch.linspace(10, 1, 30).square().repeat(3)
    solver = Arnoldi(with_eigenvalues(values), rank=6)
    largest = values.double().sort(descending=True).values[:6]
    torch.testing.assert_close(solver.eigenvalues, largest)


def test_woodbury_is_better_where_the_rest_is_flat():
    matrix = decaying(ratio=0.5)
    without = relative_error(Arnoldi(matrix, rank=12), matrix, 1e-3)
    with_it = relative_error(Arnoldi(matrix, rank=12, use_woodbury=True), matrix, 1e-3)
    # What is left out, .5^12 = 2.4e-4, is a quarter of the regularization.
    assert with_it < 0.2
    assert without > 0.9
    assert relative_error(NystroemSketch(matrix, rank=12), matrix, 1e-3) < 0.2


@both
def test_more_rank_is_better(solver):
    matrix = decaying()
    options = {"use_woodbury": True} if solver is Arnoldi else {}
    errors = [
        relative_error(solver(matrix, rank=rank, **options), matrix, 1e-2)
        for rank in (5, 15, 25, 35)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.05


def test_a_sketch_of_an_indefinite_matrix_does_not_blow_up():
    """Columns without reserve make a small matrix that is nearly singular by chance."""
    errors = [
        relative_error(
            NystroemSketch(decaying(indefinite=True), rank=30, seed=seed),
            decaying(indefinite=True),
            0.1,
        )
        for seed in range(20)
    ]
    assert max(errors) < 0.1


@both
def test_a_seed_is_all_the_chance(solver):
    matrix, sides = decaying(), randn(2, SIZE)
    options = {"rank": 7} | ({"tol": 0.1} if solver is Arnoldi else {})
    torch.manual_seed(5)
    first = solver(matrix, **options).solve(sides, 0.1).vectors
    state = torch.get_rng_state()
    again = solver(matrix, **options).solve(sides, 0.1).vectors
    torch.testing.assert_close(again, first)
    assert torch.equal(torch.get_rng_state(), state)
    other = solver(matrix, **options, seed=1).solve(sides, 0.1).vectors
    assert not torch.allclose(other, first)


@both
def test_fitted_objects_travel(solver):
    matrix, sides = decaying(), randn(2, SIZE)
    before = solver(matrix, rank=7)
    after = pickle.loads(pickle.dumps(before))
    expected = before.solve(sides, 0.1).vectors
    torch.testing.assert_close(after.solve(sides, 0.1).vectors, expected)
    assert after.to("cpu") is after
    torch.testing.assert_close(after.solve(sides, 0.1).vectors, expected)
    assert after.to("meta").eigenvalues.device.type == "meta"


@both
@pytest.mark.parametrize("rank", [7, SIZE])
def test_trace_is_close(solver, rank):
    matrix = decaying(indefinite=True)
    assert solver(matrix, rank=rank).trace() == pytest.approx(
        float(matrix.trace()), abs=0.3 if rank < SIZE else 1e-10
    )


@both
def test_single_precision(solver):
    matrix = decaying(200)
    single = solver(matrix.float(), rank=20).solve(randn(3, 200).float(), 0.1).vectors
    double = solver(matrix, rank=20).solve(randn(3, 200), 0.1).vectors
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-3)


def test_stopping_before_the_tolerance_warns_with_the_residual():
    with pytest.warns(ConvergenceWarning, match=r"residual is \d\.\de-\d\d, tol is 1"):
        solver = Arnoldi(decaying(ratio=0.99), rank=3, max_iter=2)
    assert 1e-6 < solver.residual < 1
    with pytest.warns(ConvergenceWarning):  # a basis that is barely large enough
        Arnoldi(decaying(ratio=0.99), rank=3, krylov_dimension=4, max_iter=5)


def test_a_small_basis_takes_more_products_and_arrives():
    operator = Operator(decaying(ratio=0.7))
    small = Arnoldi(operator, rank=4, krylov_dimension=6, max_iter=200)
    large = Arnoldi(operator.matrix, rank=4)
    torch.testing.assert_close(small.eigenvalues, large.eigenvalues)
    assert operator.products > 10


def test_a_basis_that_leaves_no_room_for_a_block_is_not_built():
    """New directions would be looked for where there are too few, and be rounding."""
    values = torch.linspace(1, 10, 20).square().repeat(2)
    solver = Arnoldi(with_eigenvalues(values), rank=6, krylov_dimension=33)
    largest = values.double().sort(descending=True).values[:6]
    torch.testing.assert_close(solver.eigenvalues, largest)


@both
@pytest.mark.parametrize("values", [[0.0], [1.0, 0.5]])
def test_a_rank_beyond_the_matrix(solver, values):
    """Zeros, or two directions: the basis is exhausted before the rank is reached."""
    matrix = with_eigenvalues(values + [0.0] * (SIZE - len(values)))
    options = {"use_woodbury": True} if solver is Arnoldi else {}
    assert relative_error(solver(matrix, rank=8, **options), matrix, 1e-3) < 1e-9


def test_what_zero_regularization_needs():
    matrix = with_eigenvalues([2.0, 1.0, *[0.0] * 88])
    sides = randn(1, 90)
    with pytest.raises(InputError, match="regularization > 0; got 0"):
        NystroemSketch(matrix, rank=2).solve(sides, 0.0)
    with pytest.raises(InputError, match="regularization > 0; got 0"):
        Arnoldi(matrix, rank=2, use_woodbury=True).solve(sides, 0.0)
    with pytest.raises(InputError, match="singular to working precision"):
        Arnoldi(matrix, rank=3).solve(sides, 0.0)
    Arnoldi(matrix, rank=2).solve(sides, 0.0)


@both
def test_an_eigenvalue_of_minus_the_regularization_is_refused(solver):
    matrix = torch.diag(torch.tensor([4.0, -0.5, *[0.0] * 88]).double())
    with pytest.raises(InputError, match="Pass regularization=") as error:
        solver(matrix, rank=2).solve(randn(1, 90), 0.5)
    enough = float(str(error.value).split("regularization=")[1].split(",")[0])
    assert enough > 0.5
    solver(matrix, rank=2).solve(randn(1, 90), enough)


@pytest.mark.parametrize(
    ("solver", "options", "message"),
    [
        (Arnoldi, {"rank": 0}, "rank must be at least 1"),
        (Arnoldi, {"rank": 2.5}, "rank must be an integer"),
        (NystroemSketch, {"rank": 0}, "rank must be at least 1"),
        (NystroemSketch, {"rank": True}, "rank must be an integer"),
        (Arnoldi, {"rank": 5, "krylov_dimension": 5}, "larger than the rank, 5; got 5"),
        (Arnoldi, {"tol": -1.0}, "tol must be a number >= 0"),
        (Arnoldi, {"tol": float("nan")}, "tol must be a number >= 0"),
        (Arnoldi, {"max_iter": 0}, "max_iter must be at least 1"),
    ],
)
def test_arguments_out_of_range(solver, options, message):
    with pytest.raises(InputError, match=message):
        solver(torch.eye(3), **options)


@given(
    seed=st.integers(0, 99),
    rank=st.integers(1, 12),
    regularization=st.sampled_from([1e-3, 0.1, 1.0]),
)
@settings(max_examples=15, deadline=None)
def test_arnoldi_with_the_complement_is_the_best_sketch(seed, rank, regularization):
    """In the Frobenius norm of the matrix, no matrix of that rank is closer."""
    matrix = with_eigenvalues(0.7 ** torch.arange(30), seed=seed)
    identity = torch.eye(30, dtype=torch.float64)
    size = identity.norm() / regularization
    errors = []
    for solver in (
        Arnoldi(matrix, rank=rank, use_woodbury=True),
        NystroemSketch(matrix, rank=rank, seed=seed),
    ):
        implied = torch.linalg.inv(solver.solve(identity, regularization).vectors)
        implied -= regularization * identity
        errors.append(float((implied - matrix).norm()))
    assert errors[0] <= errors[1] + 1e-9 * float(size)
