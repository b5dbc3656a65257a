"""The contract of every influence class, one row for each."""

from __future__ import annotations

import pickle
import warnings
from collections import OrderedDict
from functools import partial

import pytest
import torch
from torch import nn

from tests.influence.cases import Case, classifier_mlp, softmax_regression, weighted
from torchattr.errors import InputError
from torchattr.influence.arnoldi_influence import ArnoldiInfluence
from torchattr.influence.blocks import BlockMode
from torchattr.influence.cg_influence import CgInfluence
from torchattr.influence.direct_influence import DirectInfluence
from torchattr.influence.ekfac_influence import EkfacInfluence
from torchattr.influence.influence_mode import InfluenceMode
from torchattr.influence.inverse_harmonic_mean_influence import (
    InverseHarmonicMeanInfluence,
)
from torchattr.influence.lissa_influence import LissaInfluence
from torchattr.influence.nystroem_sketch_influence import NystroemSketchInfluence
from torchattr.influence.second_order_mode import SecondOrderMode

PLENTY = 1000  # of rank: more than there are parameters
SOLVERS = {
    "direct": DirectInfluence,
    "block conjugate gradients": partial(
        CgInfluence, rtol=1e-10, solve_simultaneously=True
    ),
    "one by one": partial(CgInfluence, rtol=1e-10, solve_simultaneously=False),
    "lissa": partial(LissaInfluence, rtol=1e-8, maxiter=30_000, scale=1.0),
    "arnoldi": partial(ArnoldiInfluence, rank=PLENTY),
    "nystroem": partial(NystroemSketchInfluence, rank=PLENTY),
}
OTHERS = {
    "data inf": InverseHarmonicMeanInfluence,
    "ekfac": lambda model, loss, regularization=None, **options: EkfacInfluence(
        model, regularization=regularization, **options
    ),
    "ekfac, corrected": lambda model, loss, regularization=None, **options: (
        EkfacInfluence(
            model, regularization=regularization, update_diagonal=True, **options
        )
    ),
    "low rank": partial(ArnoldiInfluence, rank=4, use_woodbury=True),
}
EVERY = {**SOLVERS, **OTHERS}
SMALL = 1e-3
every = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
solver = pytest.mark.parametrize("make", SOLVERS.values(), ids=SOLVERS)


def both(case: Case):
    return case.x_test, case.y_test, case.x, case.y


def fitted(make, case, regularization=0.1, **options):
    return make(case.model, case.loss, regularization, **options).fit(case.batches(7))


@solver
@pytest.mark.parametrize(
    ("n_test", "sizes"),
    [(25, ()), (3, (29,)), (25, (7, 3))],
    ids=[
        "one batch, more than parameters",
        "29+1, few",
        "ragged, more than parameters",
    ],
)
def test_solvers_agree_with_the_direct_one_at_small_regularization(make, n_test, sizes):
    case = softmax_regression(n_test=n_test)
    expected = fitted(DirectInfluence, case, SMALL).influence_factors(*both(case)[:2])
    influence = make(case.model, case.loss, SMALL).fit(case.batches(*sizes))
    found = influence.influence_factors(*both(case)[:2])
    # A residual of 1e-8 is an error of 1e-8 / 1e-3 at most.
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-5)
    assert influence.relative_residuals(*both(case)[:2]).max() < 2e-8


@solver
@pytest.mark.parametrize(
    "mode", [SecondOrderMode.GAUSS_NEWTON, SecondOrderMode.EMPIRICAL_FISHER]
)
def test_solvers_take_any_curvature_and_any_blocks(make, mode):
    case = classifier_mlp()
    options = {"second_order_mode": mode, "block_structure": BlockMode.LAYER_WISE}
    expected = fitted(DirectInfluence, case, 0.1, **options)
    found = fitted(make, case, 0.1, **options)
    assert found.block_names == ["0", "2"]
    for m in InfluenceMode:
        torch.testing.assert_close(
            found.influences(*both(case), m),
            expected.influences(*both(case), m),
            rtol=1e-5,
            atol=1e-5,
        )


@every
def test_methods_agree_with_each_other(make):
    case = softmax_regression()
    influence = make(case.model, case.loss, 0.1)
    with pytest.raises(InputError, match="fit"):
        influence.influences(*both(case))
    assert influence.fit(iter(case.batches(7))) is influence
    assert influence.is_fitted
    assert influence.n_parameters == 15
    factors = influence.influence_factors(*both(case)[:2])
    assert factors.shape == (7, 15)
    assert factors.dtype == torch.float64
    close = partial(torch.testing.assert_close, rtol=1e-6, atol=1e-6)
    for mode, shape in (
        (InfluenceMode.Up, (7, 30)),
        (InfluenceMode.Perturbation, (7, 30, 4)),
    ):
        scores = influence.influences(*both(case), mode)
        assert scores.shape == shape
        by_block = influence.influences_by_block(*both(case), mode)
        assert isinstance(by_block, OrderedDict)
        close(sum(by_block.values()), scores)
        from_factors = influence.influences_from_factors(factors, case.x, case.y, mode)
        close(from_factors, scores)
    up = influence.influences(*both(case))
    swapped = influence.influences(case.x, case.y, case.x_test, case.y_test)
    close(swapped, up.T)
    close(influence.attribute((case.x, case.y), target=(case.x_test, case.y_test)), up)


@every
def test_any_batching_gives_the_same_answer(make):
    case = softmax_regression()
    found = [
        make(case.model, case.loss, 0.1).fit(batches).influences(*both(case))
        for batches in (case.batches(), case.batches(29), case.batches(3, 1, 5))
    ]
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-8, atol=1e-9)


@every
def test_regularization_is_checked_changed_and_automatic(make):
    case = softmax_regression()
    for wrong in (-1.0, float("nan"), "strong", {"nowhere": 1.0}):
        with pytest.raises(InputError, match="regularization"):
            make(case.model, case.loss, wrong)
    with pytest.raises(InputError, match="two names"):
        make(case.model, case.loss, 1.0, hessian_regularization=1.0)
    influence = fitted(make, case, 1)
    other = fitted(make, case, None, hessian_regularization=0.1)
    torch.testing.assert_close(
        influence.with_regularization(0.1).influences(*both(case)),
        other.influences(*both(case)),
        rtol=1e-6,
        atol=1e-7,
    )
    automatic = fitted(make, case, "auto")
    assert automatic.influences(*both(case)).isfinite().all()
    amounts = automatic.regularization.values()
    assert all(0 < amount < 1 for amount in amounts)


@every
def test_a_fitted_object_survives_pickling_and_moves(make):
    case = softmax_regression()
    influence = fitted(make, case)
    again = pickle.loads(pickle.dumps(influence))
    assert again.to("cpu") is again
    torch.testing.assert_close(
        again.influences(*both(case)), influence.influences(*both(case))
    )


@every
def test_single_precision_is_kept(make):
    case = softmax_regression()
    double = fitted(make, case).influences(*both(case))
    case.model.float()
    if make is SOLVERS["lissa"]:
        make = partial(make, maxiter=500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 1e-10 is beyond single precision
        influence = fitted(make, case)
        found = influence.influences(*both(case))
        assert influence.influence_factors(*both(case)[:2]).dtype == torch.float32
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), double, rtol=1e-2, atol=1e-2)


@every
def test_the_model_is_left_alone_and_frozen_parameters_take_no_part(make):
    model = nn.Sequential(
        nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 3)
    )
    weighted(model)
    model[0].weight.requires_grad_(False)
    case = softmax_regression()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    options = {}
    if make in SOLVERS.values():  # (the others have a curvature of their own)
        options["second_order_mode"] = SecondOrderMode.GAUSS_NEWTON
    influence = make(model, case.loss, 0.1, **options)
    influence.fit(case.batches(7))
    assert influence.influence_factors(*both(case)[:2]).shape == (7, 33)
    for mode in InfluenceMode:
        influence.influences(*both(case), mode)
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model[0].weight.requires_grad
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


def test_the_harmonic_mean_needs_regularization():
    case = softmax_regression()
    for amount in (None, 0, 0.0, {"full": 0.0}, {}):
        with pytest.raises(InputError, match="> 0"):
            InverseHarmonicMeanInfluence(case.model, case.loss, amount)
    with pytest.raises(InputError, match="> 0"):
        fitted(InverseHarmonicMeanInfluence, case).with_regularization(0)


@every
def test_an_example_without_a_finite_loss_is_refused_wherever_it_comes(make):
    case = softmax_regression()
    case.x[-1, 0] = torch.nan  # (``fit`` looks at the first three alone)
    with pytest.raises(InputError, match="finite"):
        fitted(make, case).influences(case.x_test, case.y_test)
