"""ArnoldiInfluence, NystroemSketchInfluence and InverseHarmonicMeanInfluence."""

import pickle

import pytest
import torch

from tests.influence.cases import (
    classifier_mlp,
    exact_gradients,
    linear_regression,
    randn,
    softmax_regression,
)
from torchattr.errors import InputError
from torchattr.influence.arnoldi_influence import ArnoldiInfluence
from torchattr.influence.blocks import BlockMode
from torchattr.influence.curvature.curvature import dense
from torchattr.influence.direct_influence import DirectInfluence
from torchattr.influence.influence_mode import InfluenceMode
from torchattr.influence.inverse_harmonic_mean_influence import (
    InverseHarmonicMeanInfluence,
)
from torchattr.influence.nystroem_sketch_influence import NystroemSketchInfluence
from torchattr.influence.second_order_mode import SecondOrderMode
from torchattr.influence.solvers.solver import ConvergenceWarning

low_rank = pytest.mark.parametrize("cls", [ArnoldiInfluence, NystroemSketchInfluence])
every = pytest.mark.parametrize(
    "cls", [ArnoldiInfluence, NystroemSketchInfluence, InverseHarmonicMeanInfluence]
)


class Loader:
    """Batches of 3, 1, 5 and the rest; counts how often they are read."""

    def __init__(self, case):
        self.batches, self.passes = case.batches(3, 1, 5), 0

    def __iter__(self):
        self.passes += 1
        return iter(self.batches)


def data(case):
    return case.x_test, case.y_test, case.x, case.y


@low_rank
@pytest.mark.parametrize("structure", [BlockMode.FULL, BlockMode.LAYER_WISE])
@pytest.mark.parametrize(
    "mode", [SecondOrderMode.HESSIAN, SecondOrderMode.EMPIRICAL_FISHER]
)
def test_with_all_of_the_rank_it_is_direct_influence(cls, structure, mode):
    case = classifier_mlp()
    options = {"block_structure": structure, "second_order_mode": mode}
    direct = DirectInfluence(case.model, case.loss, 1e-3, **options)
    other = cls(case.model, case.loss, 1e-3, rank=43, **options)
    direct.fit(case.batches())
    other.fit(case.batches(3, 1, 5))
    for kind in InfluenceMode:
        torch.testing.assert_close(
            other.influences(*data(case), kind),
            direct.influences(*data(case), kind),
            rtol=1e-9,
            atol=1e-9,
        )
    assert other.relative_residuals(case.x, case.y).max() < 1e-9


def test_residuals_tell_what_low_rank_leaves_out():
    case = softmax_regression()
    options = {"second_order_mode": SecondOrderMode.GAUSS_NEWTON}
    few, many = (
        ArnoldiInfluence(
            case.model, case.loss, 0.1, rank=rank, use_woodbury=True, **options
        ).fit(case.batches(3, 1, 5))
        for rank in (2, 9)
    )
    gradients = exact_gradients(case.risk, case.x, case.y)
    direct = DirectInfluence(case.model, case.loss, 0.1, **options).fit(case.batches())
    missing = few.influence_factors(case.x, case.y) - direct.influence_factors(
        case.x, case.y
    )
    (solver,) = direct.inverse.solvers.values()
    reached = missing @ dense(solver.curvature) + 0.1 * missing
    expected = reached.norm(dim=1) / gradients.norm(dim=1)
    torch.testing.assert_close(few.relative_residuals(case.x, case.y), expected)
    assert expected.median() > 10 * many.relative_residuals(case.x, case.y).median()


@low_rank
def test_another_regularization_reads_no_data(cls):
    case = classifier_mlp()
    loader = Loader(case)
    influence = cls(case.model, case.loss, 0.1, rank=43).fit(loader)
    passes = loader.passes
    changed = influence.with_regularization(1e-3).influences(*data(case))
    assert loader.passes == passes
    fresh = cls(case.model, case.loss, 1e-3, rank=43).fit(loader)
    torch.testing.assert_close(changed, fresh.influences(*data(case)))


def test_one_pass_for_a_sketch():
    loader = Loader(classifier_mlp())
    case = classifier_mlp()
    fitted = NystroemSketchInfluence(case.model, case.loss, 0.1, rank=5)
    checks = Loader(case)
    DirectInfluence(case.model, case.loss, 0.1).fit(checks)
    fitted.fit(loader)
    assert loader.passes == checks.passes


@every
def test_what_fitted_objects_keep(cls):
    case = classifier_mlp()
    influence = cls(case.model, case.loss, 0.1, scale="loo").fit(case.batches(7))
    expected = influence.influences(*data(case))
    unscaled = cls(case.model, case.loss, hessian_regularization=0.1)
    unscaled.fit(case.batches())
    torch.testing.assert_close(
        unscaled.influences(*data(case)) / 30, expected, rtol=1e-8, atol=1e-10
    )
    after = pickle.loads(pickle.dumps(influence)).to("cpu")
    torch.testing.assert_close(after.influences(*data(case)), expected)
    assert after.regularization == {"full": 0.1}


@every
def test_automatic_regularization_is_near_the_mean_eigenvalue(cls):
    case = classifier_mlp()
    mode = {"second_order_mode": SecondOrderMode.EMPIRICAL_FISHER}
    if cls is InverseHarmonicMeanInfluence:
        mode = {}
    influence = cls(case.model, case.loss, "auto", **mode).fit(case.batches(7))
    gradients = exact_gradients(case.risk, case.x, case.y)
    mean = float(gradients.square().sum() / 30 / 43)
    assert influence.regularization["full"] == pytest.approx(0.1 * mean, rel=0.05)


@pytest.mark.parametrize("structure", [BlockMode.FULL, BlockMode.PARAMETER_WISE])
@pytest.mark.parametrize("regularization", [1e-3, 1.0])
def test_the_harmonic_mean_by_the_rank_one_rule(structure, regularization):
    case = linear_regression()
    harmonic = InverseHarmonicMeanInfluence(
        case.model, case.loss, regularization, block_structure=structure
    ).fit(case.batches(3, 1, 5))
    train = exact_gradients(case.risk, case.x, case.y)
    test = exact_gradients(case.risk, case.x_test, case.y_test)
    sizes = [8] if structure is BlockMode.FULL else [6, 2]
    expected = torch.zeros(7, 30).double()
    for own, sides in zip(train.split(sizes, 1), test.split(sizes, 1), strict=True):
        outer = own[:, :, None] * own[:, None, :]
        shifted = outer + regularization * torch.eye(own.shape[1]).double()
        expected += sides @ torch.linalg.inv(shifted).mean(0) @ own.T
    torch.testing.assert_close(
        harmonic.influences(*data(case)), expected, rtol=1e-10, atol=1e-10
    )


def test_not_converging_is_told():
    case = classifier_mlp()
    influence = ArnoldiInfluence(
        case.model, case.loss, 0.1, rank=3, krylov_dimension=4, max_iter=2
    )
    with pytest.warns(ConvergenceWarning, match="residual is"):
        influence.fit(case.batches())


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (NystroemSketchInfluence, {}),
        (ArnoldiInfluence, {"krylov_dimension": 20, "tol": 0.1}),
    ],
)
def test_seeds(cls, options):
    case = classifier_mlp()
    matrix = randn(43, 43)
    options = {"rank": 3, "second_order_mode": matrix @ matrix.T, **options}

    def scores(seed):
        influence = cls(case.model, case.loss, 0.1, seed=seed, **options)
        return influence.fit(case.batches()).influences(*data(case))

    torch.testing.assert_close(scores(1), scores(1))
    assert not torch.allclose(scores(1), scores(2))


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (ArnoldiInfluence, {"rank": 0}, "rank must be at least 1"),
        (ArnoldiInfluence, {"krylov_dimension": 3}, "larger than the rank, 10; got 3"),
        (ArnoldiInfluence, {"tol": "1"}, "tol must be a number"),
        (ArnoldiInfluence, {"max_iter": 0}, "max_iter must be at least 1"),
        (ArnoldiInfluence, {"use_woodbury": True}, "must be finite and > 0; got 0"),
        (NystroemSketchInfluence, {}, "must be finite and > 0; got 0"),
        (NystroemSketchInfluence, {"regularization": 1, "rank": 2.0}, "an integer"),
        (InverseHarmonicMeanInfluence, {}, "must be finite and > 0; got 0"),
        (
            InverseHarmonicMeanInfluence,
            {"regularization": {"full": 0}},
            "must be finite and > 0; got 0",
        ),
    ],
)
def test_arguments_out_of_range(cls, options, message):
    case = linear_regression()
    with pytest.raises(InputError, match=message):
        cls(case.model, case.loss, **options)


def test_zero_is_refused_later_too():
    case = linear_regression()
    sketch = NystroemSketchInfluence(case.model, case.loss, 1)
    with pytest.raises(InputError, match="> 0; got 0"):
        sketch.with_regularization(0)


def test_a_tensor_as_the_curvature_of_a_sketch():
    case = linear_regression()
    matrix = randn(8, 8)
    matrix @= matrix.T
    options = {"second_order_mode": matrix}
    sketch = NystroemSketchInfluence(case.model, case.loss, 1e-3, rank=8, **options)
    direct = DirectInfluence(case.model, case.loss, 1e-3, **options)
    for influence in (sketch, direct):
        influence.fit(case.batches())
    torch.testing.assert_close(
        sketch.influences(*data(case)), direct.influences(*data(case))
    )
