"""Conjugate gradients: the residual that was asked for, or a warning that says not."""

from __future__ import annotations

import pickle
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.influence.cases import (
    classifier_mlp,
    cuts,
    exact_gradients,
    exact_hessian,
    linear_regression,
    randn,
    softmax_regression,
)
from torchattr.errors import InputError
from torchattr.influence.batches import Batches
from torchattr.influence.cg_influence import CgInfluence
from torchattr.influence.curvature.gauss_newton import GaussNewton
from torchattr.influence.curvature.hessian import Hessian
from torchattr.influence.direct_influence import DirectInfluence
from torchattr.influence.second_order_mode import SecondOrderMode
from torchattr.influence.solvers import conjugate_directions, conjugate_gradient
from torchattr.influence.solvers.conjugate_gradient import ConjugateGradient
from torchattr.influence.solvers.hutchinson import diagonal_estimate, trace_estimate
from torchattr.influence.solvers.jacobi_preconditioner import JacobiPreconditioner
from torchattr.influence.solvers.nystroem_preconditioner import NystroemPreconditioner
from torchattr.influence.solvers.solver import ConvergenceWarning, relative_residuals

both_spaces = pytest.mark.parametrize(
    "shared", [True, False], ids=["shared", "separate"]
)


class Counted:
    """An operator of a user's own, which counts what it multiplies."""

    def __init__(self, matrix):
        self.matrix = matrix
        self.shape, self.dtype, self.device = matrix.shape, matrix.dtype, matrix.device
        self.widths = []

    def __matmul__(self, vectors):
        self.widths.append(vectors.shape[1])
        return self.matrix @ vectors


def spectrum(values, seed=0):
    """A matrix with these eigenvalues, and a random basis."""
    values = torch.as_tensor(values, dtype=torch.float64)
    basis = torch.linalg.qr(randn(len(values), len(values), seed=seed)).Q
    return basis @ torch.diag(values) @ basis.T


def definite(size=60):
    """Condition number 1e6."""
    return spectrum(torch.logspace(-6, 0, size, dtype=torch.float64))


def solved(matrix, sides, regularization=1e-3):
    shifted = matrix + regularization * torch.eye(len(matrix), dtype=matrix.dtype)
    return torch.linalg.solve(shifted, sides.T).T


def relative(actual, expected):
    return ((actual - expected).norm(dim=1) / expected.norm(dim=1)).max().item()


# The tolerance


@both_spaces
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_an_answer_has_the_relative_residual_asked_for(shared, dtype):
    rtol, matrix = 1e-4, definite()
    sides = randn(5, 60, seed=1) * torch.tensor([[1e-12], [1e-3], [1.0], [10.0], [1e6]])
    solver = ConjugateGradient(matrix.to(dtype), rtol=rtol, solve_simultaneously=shared)
    answer = solver.solve(sides.to(dtype), 1e-3)
    assert answer.vectors.dtype == dtype
    own = relative_residuals(matrix, 1e-3, answer.vectors.double(), sides)
    assert (own <= rtol * 1.001).all()
    torch.testing.assert_close(
        answer.relative_residuals.double(), own, rtol=0.1, atol=1e-5
    )


@both_spaces
def test_a_tight_tolerance_gives_the_dense_solution(shared):
    matrix, sides = definite(), randn(7, 60, seed=1)
    solver = ConjugateGradient(matrix, rtol=1e-12, solve_simultaneously=shared)
    assert relative(solver.solve(sides, 1e-3).vectors, solved(matrix, sides)) < 1e-10


def test_the_tolerance_is_not_squared():
    # As many steps as there are distinct eigenvalues solve exactly, so one fewer tells
    # rtol from its square.
    matrix = spectrum([1.0] * 20 + [2.0] * 20 + [2.0001] * 20)
    operator = Counted(matrix)
    ConjugateGradient(operator, rtol=1e-4).solve(randn(1, 60, seed=1), 0.0)
    assert len(operator.widths) == 2 + 1  # and one product measures the answer


@both_spaces
def test_more_sides_than_parameters_are_all_solved(shared):
    matrix, sides = spectrum([0.1, 1.0, 2.0, 5.0]), randn(30, 4, seed=1)
    solver = ConjugateGradient(matrix, rtol=1e-10, solve_simultaneously=shared)
    answer = solver.solve(sides, 1e-3)
    assert relative(answer.vectors, solved(matrix, sides)) < 1e-8
    assert (answer.iterations > 0).all()


@both_spaces
def test_sides_that_are_zero_equal_or_tiny(shared):
    matrix, sides = definite(), randn(6, 60, seed=1)
    sides[1] = 0
    sides[2] = sides[0]
    sides[3] = 1e-30 * sides[0]
    sides[4] = sides[0] + 1e-9 * sides[5]
    solver = ConjugateGradient(matrix.float(), solve_simultaneously=shared)
    answer = solver.solve(sides.float(), 1e-2)
    assert answer.vectors[1].eq(0).all()
    assert answer.relative_residuals[1] == answer.iterations[1] == 0
    scaled = answer.vectors[3].double() * 1e30
    assert relative(scaled[None], answer.vectors[:1].double()) < 1e-2
    assert (answer.relative_residuals <= 1e-4).all()


@both_spaces
def test_sides_that_are_done_are_multiplied_no_more(shared):
    # An eigenvector is solved for in one step.
    matrix = definite()
    sides = torch.cat([torch.linalg.eigh(matrix).eigenvectors.T[:4], randn(1, 60)])
    operator = Counted(matrix)
    solver = ConjugateGradient(operator, solve_simultaneously=shared)
    iterations = solver.solve(sides, 1e-3).iterations
    assert operator.widths[:2] == [5, 1] if shared else operator.widths[1] == 1
    assert iterations[:4].max() < iterations[4]


def test_sharing_takes_fewer_multiplications():
    counts = []
    for shared in (True, False):
        operator = Counted(definite(120))
        solver = ConjugateGradient(operator, solve_simultaneously=shared)
        solver.solve(randn(20, 120, seed=1), 1e-4)
        counts.append(len(operator.widths))
    assert counts[0] < counts[1] / 4


@given(
    size=st.integers(1, 12),
    count=st.integers(1, 20),
    lowest=st.floats(-4, 0),
    seed=st.integers(0, 10),
)
def test_shared_and_separate_spaces_agree_with_a_dense_solve(size, count, lowest, seed):
    matrix = spectrum(torch.logspace(lowest, 0, size), seed)
    sides = randn(count, size, seed=seed + 1)
    expected = solved(matrix, sides)
    for shared in (True, False):
        solver = ConjugateGradient(matrix, rtol=1e-9, solve_simultaneously=shared)
        assert relative(solver.solve(sides, 1e-3).vectors, expected) < 1e-5


def test_directions_beyond_memory_are_forgotten(monkeypatch):
    monkeypatch.setattr(conjugate_directions, "_ELEMENTS", 2 * 60 * 12)
    matrix, sides = definite(), randn(4, 60, seed=1)
    answer = ConjugateGradient(matrix, rtol=1e-8).solve(sides, 1e-3)
    assert relative(answer.vectors, solved(matrix, sides)) < 1e-5


@both_spaces
def test_many_sides_are_solved_a_few_at_a_time(shared, monkeypatch):
    matrix, sides = definite(), randn(7, 60, seed=1)
    operator = Counted(matrix)
    solver = ConjugateGradient(operator, rtol=1e-8, solve_simultaneously=shared)
    monkeypatch.setattr(conjugate_gradient, "working_elements", lambda _: 7 * 60)
    answer = solver.solve(sides, 1e-3)
    assert max(operator.widths) == 3
    assert relative(answer.vectors, solved(matrix, sides)) < 1e-5
    assert answer.relative_residuals.max() <= 1e-8
    assert answer.iterations.shape == (7,)


def test_the_next_sides_profit_from_the_space_of_the_last(monkeypatch):
    matrix, sides = definite(), randn(8, 60, seed=1)
    operator = Counted(matrix)
    monkeypatch.setattr(conjugate_gradient, "working_elements", lambda _: 4 * 60)
    ConjugateGradient(operator, rtol=1e-8).solve(sides, 1e-3)
    # Directions span the space once, and each group is measured once or twice.
    assert sum(operator.widths) < 60 + 2 * 2 * 8


def test_one_warning_tells_of_all_that_stopped_short(monkeypatch):
    monkeypatch.setattr(conjugate_gradient, "working_elements", lambda _: 4 * 60)
    solver = ConjugateGradient(definite(), maxiter=2)
    with pytest.warns(ConvergenceWarning, match="for 7 of 7 right-hand") as caught:
        answer = solver.solve(randn(7, 60, seed=1), 1e-3)
    assert len(caught) == 1
    assert f"of {answer.relative_residuals.max():.1e}, where" in str(caught[0].message)


# Where it stops short


@both_spaces
def test_a_small_maxiter_warns_with_the_residual_reached(shared):
    matrix, sides = definite(), randn(3, 60, seed=1)
    solver = ConjugateGradient(matrix, maxiter=2, solve_simultaneously=shared)
    with pytest.warns(ConvergenceWarning, match="maxiter is 2.*Nystroem") as caught:
        answer = solver.solve(sides, 1e-3)
    own = relative_residuals(matrix, 1e-3, answer.vectors, sides)
    assert f"residual of {own.max():.1e}, where rtol is 1.0e-04" in str(
        caught[0].message
    )
    assert "for 3 of 3 right-hand sides" in str(caught[0].message)
    torch.testing.assert_close(answer.relative_residuals, own)
    assert answer.iterations.tolist() == [2, 2, 2]
    assert (own < 1).all()


def test_warnings_can_be_left_out():
    solver = ConjugateGradient(definite(), maxiter=1, warn_on_max_iteration=False)
    assert solver.solve(randn(1, 60), 1e-3).relative_residuals > 1e-4


def test_a_small_atol_spoils_no_small_gradient():
    matrix, sides = definite(), 1e-9 * randn(2, 60, seed=1)
    answer = ConjugateGradient(matrix, atol=1e-6).solve(sides, 1e-3)
    assert (answer.relative_residuals <= 1e-4).all()
    ConjugateGradient(matrix, atol=1e-6, maxiter=1).solve(sides, 1e-3)  # no warning
    both = torch.cat([sides, randn(1, 60)])
    with pytest.warns(ConvergenceWarning, match="3 of 3"):
        ConjugateGradient(matrix, atol=1e-6, maxiter=1).solve(both, 1e-3)


def test_single_precision_that_is_not_enough_says_so():
    solver = ConjugateGradient(definite().float(), rtol=1e-9)
    with pytest.warns(ConvergenceWarning, match="float32.*double precision"):
        answer = solver.solve(randn(2, 60).float(), 1e-3)
    assert (answer.relative_residuals < 1e-4).all()


@both_spaces
def test_an_indefinite_matrix_is_solved_or_named(shared):
    matrix = spectrum(torch.linspace(-1, 1, 60) ** 3)
    sides = randn(5, 60, seed=1)
    solver = ConjugateGradient(matrix, solve_simultaneously=shared)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answer = solver.solve(sides, 1e-3)
    own = relative_residuals(matrix, 1e-3, answer.vectors, sides)
    torch.testing.assert_close(answer.relative_residuals, own)
    assert (own < 1).all()  # never worse than nothing
    if shared:
        assert own.max() <= 1e-4
        assert not caught
    elif own.max() > 1e-4:
        assert "negative eigenvalues" in str(caught[0].message)


@both_spaces
def test_an_indefinite_matrix_is_named_where_iterations_run_out(shared):
    matrix = spectrum(torch.linspace(-1, 1, 60))
    solver = ConjugateGradient(matrix, maxiter=5, solve_simultaneously=shared)
    with pytest.warns(ConvergenceWarning, match="negative eigenvalues.*GAUSS_NEWTON"):
        solver.solve(randn(2, 60), 1e-3)


@both_spaces
def test_a_singular_system_warns(shared):
    matrix = spectrum([0.0] * 10 + [1.0] * 10)
    solver = ConjugateGradient(matrix, solve_simultaneously=shared)
    with pytest.warns(ConvergenceWarning):
        answer = solver.solve(randn(2, 20), 0.0)
    assert answer.vectors.isfinite().all()
    assert (answer.relative_residuals <= 1).all()


@both_spaces
def test_a_zero_matrix_without_regularization_warns(shared):
    solver = ConjugateGradient(torch.zeros(3, 3), solve_simultaneously=shared)
    with pytest.warns(ConvergenceWarning):
        assert solver.solve(torch.ones(1, 3), 0.0).vectors.eq(0).all()


def test_a_matrix_that_is_not_finite_warns():
    matrix = torch.eye(3)
    matrix[0, 0] = torch.nan
    with pytest.warns(ConvergenceWarning):
        answer = ConjugateGradient(matrix, solve_simultaneously=False).solve(
            torch.ones(1, 3), 1.0
        )
    assert answer.vectors.isfinite().all()


class Changing(Counted):
    """Another matrix after the first multiplication, as with a loader that changes."""

    def __matmul__(self, vectors):
        product = super().__matmul__(vectors)
        return product if len(self.widths) < 2 else 1000 * product


@both_spaces
def test_an_operator_that_changes_gives_nothing_worse_than_nothing(shared):
    solver = ConjugateGradient(Changing(torch.eye(2)), solve_simultaneously=shared)
    with pytest.warns(ConvergenceWarning, match=r"residual of 1.0e\+00"):
        answer = solver.solve(torch.ones(1, 2), 0.0)
    assert answer.vectors.eq(0).all()


def test_a_side_that_is_not_finite_is_refused():
    with pytest.raises(InputError, match="not finite"):
        ConjugateGradient(torch.eye(2)).solve(torch.tensor([[1.0, torch.inf]]), 0.0)


# Preconditioners and estimates


def scaled_matrix(size=60):
    """Parameters of very different scales, nearly uncorrelated."""
    scales = torch.logspace(-2, 1, size, dtype=torch.float64)
    correlations = spectrum(torch.linspace(0.5, 1.5, size))
    return scales[:, None] * correlations * scales


def root_of(matrix, preconditioner, regularization=1e-3):
    prepared = preconditioner.prepare(matrix)
    identity = torch.eye(len(matrix), dtype=matrix.dtype)
    inverse = prepared.solve(identity, regularization)
    torch.testing.assert_close(inverse, inverse.T)
    return torch.linalg.cholesky(inverse)  # it is positive


def condition(matrix, preconditioner, regularization=1e-3):
    identity = torch.eye(len(matrix), dtype=matrix.dtype)
    root = root_of(matrix, preconditioner, regularization)
    product = root.T @ (matrix + regularization * identity) @ root
    values = torch.linalg.eigvalsh(product)
    return values[-1] / values[0]


@pytest.mark.parametrize(
    ("matrix", "preconditioner"),
    [
        (scaled_matrix(), JacobiPreconditioner(1)),
        (scaled_matrix(), JacobiPreconditioner(10)),
        (scaled_matrix(), JacobiPreconditioner(1000)),
        (definite(), NystroemPreconditioner(10)),
        (definite(), NystroemPreconditioner(1000)),
    ],
)
def test_preconditioners_lower_the_condition_number(matrix, preconditioner):
    plain = matrix + 1e-3 * torch.eye(60, dtype=matrix.dtype)
    assert condition(matrix, preconditioner) < torch.linalg.cond(plain) / 3


@pytest.mark.parametrize(
    "preconditioner", [JacobiPreconditioner(1), NystroemPreconditioner(5)]
)
def test_preconditioners_stay_positive(preconditioner):
    indefinite = spectrum(torch.linspace(-1, 1, 30))
    for matrix in (indefinite, torch.zeros_like(indefinite), -indefinite @ indefinite):
        for regularization in (0.0, 1e-3):
            assert root_of(matrix, preconditioner, regularization).isfinite().all()


@both_spaces
@pytest.mark.parametrize(
    ("matrix", "preconditioner"),
    [
        (scaled_matrix(), JacobiPreconditioner(1000)),
        (spectrum(torch.logspace(-9, 0, 60)), NystroemPreconditioner(25)),
    ],
    ids=["jacobi", "nystroem"],
)
def test_preconditioned_answers_are_the_same_in_fewer_steps(
    shared, matrix, preconditioner
):
    sides = randn(2, 60, seed=1)
    plain, helped = (
        ConjugateGradient(
            matrix, rtol=1e-8, preconditioner=p, solve_simultaneously=shared
        ).solve(sides, 1e-3)
        for p in (None, preconditioner)
    )
    assert relative(helped.vectors, solved(matrix, sides)) < 1e-5
    assert helped.iterations.max() < plain.iterations.max()


def test_estimates_are_seeded():
    operator = Counted(definite(200))
    first, again, other = (trace_estimate(operator, seed=s) for s in (0, 0, 1))
    assert first == again != other
    one = NystroemPreconditioner(3).prepare(operator)
    two = NystroemPreconditioner(3).prepare(operator)
    assert one.basis.equal(two.basis)


def test_the_trace_is_exact_or_close():
    for size in (1, 7, 64):
        matrix = spectrum(torch.linspace(-1, 2, size))
        assert trace_estimate(Counted(matrix), seed=0) == pytest.approx(
            matrix.trace().item(), abs=1e-12
        )
    matrix = definite(500)
    assert trace_estimate(matrix, seed=0) == pytest.approx(matrix.trace().item())
    estimate = trace_estimate(Counted(matrix), seed=0)
    assert estimate == pytest.approx(matrix.trace().item(), rel=0.02)


def test_the_diagonal_estimate_is_unbiased_within_its_errors():
    matrix = scaled_matrix(40) + 1
    estimate, errors = diagonal_estimate(matrix, 30, seed=3)
    scores = (estimate - matrix.diagonal()) / errors
    assert scores.abs().max() < 5
    assert 0.7 < scores.square().mean().sqrt() < 1.3


# Influence


@both_spaces
def test_influence_is_direct_influence_however_data_are_cut(shared):
    case = softmax_regression()
    direct = DirectInfluence(case.model, case.loss, 1e-3).fit(case.batches())
    x, y = torch.cat([case.x, case.x_test]), torch.cat([case.y, case.y_test])
    expected = direct.influence_factors(x, y)  # more sides than parameters
    for batches in cuts(case) if shared else [case.batches(9)]:
        cg = CgInfluence(
            case.model, case.loss, 1e-3, rtol=1e-10, solve_simultaneously=shared
        ).fit(batches)
        assert relative(cg.influence_factors(x, y), expected) < 1e-7
        assert (cg.relative_residuals(x, y) <= 1e-9).all()


def test_influence_with_an_indefinite_hessian():
    case = classifier_mlp()
    hessian = exact_hessian(case.risk, case.x, case.y)
    assert torch.linalg.eigvalsh(hessian)[0] < -1e-2
    cg = CgInfluence(case.model, case.loss, 1e-3, rtol=1e-9).fit(case.batches(7))
    gradients = exact_gradients(case.risk, case.x_test, case.y_test)
    factors = cg.influence_factors(case.x_test, case.y_test)
    assert relative(factors, solved(hessian, gradients)) < 1e-5


def test_influence_blocks_regularization_and_preconditioner():
    case = classifier_mlp()
    options = {
        "second_order_mode": SecondOrderMode.GAUSS_NEWTON,
        "block_structure": {"a": ["0.weight", "0.bias"], "b": ["2.weight"]},
        "hessian_regularization": {"a": 1e-3, "b": "auto"},
    }
    direct = DirectInfluence(case.model, case.loss, **options).fit(case.batches())
    preconditioner = NystroemPreconditioner(10)
    cg = CgInfluence(
        case.model, case.loss, rtol=1e-10, preconditioner=preconditioner, **options
    ).fit(case.batches())
    assert cg.regularization == pytest.approx(direct.regularization)
    for influence in (direct, cg):
        influence.with_regularization({"a": 1e-2, "b": 1e-3})
    names = case.x_test, case.y_test, case.x, case.y
    torch.testing.assert_close(
        cg.influences(*names), direct.influences(*names), rtol=1e-6, atol=1e-8
    )


def test_a_pickled_influence_answers_alike():
    case = softmax_regression()
    cg = CgInfluence(
        case.model, case.loss, 1e-3, preconditioner=JacobiPreconditioner(3)
    ).fit(case.batches(9))
    again = pickle.loads(pickle.dumps(cg))
    names = case.x_test, case.y_test
    torch.testing.assert_close(
        again.to("cpu").influence_factors(*names), cg.influence_factors(*names)
    )


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize("kind", ["tensor", "own", "curvlinops"])
def test_any_operator_is_a_curvature(kind):
    case = softmax_regression()
    matrix = exact_hessian(case.risk, case.x, case.y)
    operator = Counted(matrix) if kind == "own" else matrix
    if kind == "curvlinops":
        curvlinops = pytest.importorskip("curvlinops")
        operator = curvlinops.HessianLinearOperator(
            case.model,
            nn.CrossEntropyLoss(),
            list(case.model.parameters()),
            case.batches(9),
        )
    cg = CgInfluence(
        case.model, case.loss, 1e-3, rtol=1e-10, second_order_mode=operator
    ).fit(case.batches())
    gradients = exact_gradients(case.risk, case.x_test, case.y_test)
    factors = cg.influence_factors(case.x_test, case.y_test)
    assert relative(factors, solved(matrix, gradients)) < 1e-7


def test_single_precision_influence_has_its_tolerance():
    case = classifier_mlp()
    gradients = exact_gradients(case.risk, case.x_test, case.y_test)
    matrix = GaussNewton(case.risk, case.batches()).dense()
    model = case.model.float()
    cg = CgInfluence(
        model, case.loss, 1e-3, second_order_mode=SecondOrderMode.GAUSS_NEWTON
    ).fit(case.batches(7))
    factors = cg.influence_factors(case.x_test, case.y_test)
    assert factors.dtype == torch.float32
    assert relative_residuals(matrix, 1e-3, factors.double(), gradients).max() < 2e-4


def test_a_bar_shows_the_residual(capsys):
    case = linear_regression()
    cg = CgInfluence(case.model, case.loss, 1e-3, progress=True, precompute_grad=True)
    cg.fit(case.batches()).influence_factors(case.x_test, case.y_test)
    assert "residual=" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        {"rtol": -1},
        {"rtol": torch.nan},
        {"atol": "small"},
        {"maxiter": 0},
        {"maxiter": 1.5},
        {"preconditioner": 3},
    ],
)
def test_arguments_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        CgInfluence(nn.Linear(1, 1), nn.MSELoss(), **wrong)
    with pytest.raises(InputError, match=r"num|rank"):
        NystroemPreconditioner(0) if "rtol" in wrong else JacobiPreconditioner(0)


def test_a_curvature_of_the_package_is_multiplied_as_its_matrix():
    case = linear_regression()
    hessian = Hessian(case.risk, Batches(case.batches(4), case.risk))
    sides = randn(3, 8, seed=5)
    answer = ConjugateGradient(hessian, rtol=1e-10).solve(sides, 1e-3)
    expected = solved(exact_hessian(case.risk, case.x, case.y), sides)
    assert relative(answer.vectors, expected) < 1e-7
