"""EkfacInfluence and its solver, against dense matrices."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from tests.influence.cases import (
    Case,
    classifier_mlp,
    convolutional,
    exact_gradients,
    linear_regression,
    randn,
)
from torchattr.errors import InputError
from torchattr.influence.blocks import BlockMode
from torchattr.influence.curvature.ekfac import EKFAC
from torchattr.influence.curvature.kfac import KFAC
from torchattr.influence.direct_influence import DirectInfluence
from torchattr.influence.ekfac_influence import EkfacInfluence
from torchattr.influence.influence_mode import InfluenceMode
from torchattr.influence.solvers.kronecker_eigenbasis import KroneckerEigenbasis

CLOSE = {"rtol": 1e-9, "atol": 1e-10}


def fitted(case: Case, **arguments: object) -> EkfacInfluence:
    return EkfacInfluence(case.model, loss=case.loss, **arguments).fit(case.batches(7))


def dense_solutions(case: Case, regularization: float, cls: type = KFAC) -> Tensor:
    """Solutions for the gradients of the test examples, in rows."""
    matrix = cls(case.risk, case.batches()).dense()
    matrix += regularization * torch.eye(len(matrix), dtype=matrix.dtype)
    sides = exact_gradients(case.risk, case.x_test, case.y_test)
    return torch.linalg.solve(matrix, sides.T).T


@pytest.mark.parametrize("corrected", [False, True])
def test_influences_are_those_of_the_dense_matrix(corrected: bool) -> None:
    case = classifier_mlp(n=12, n_test=4)
    ekfac = fitted(case, update_diagonal=corrected, hessian_regularization=1e-3)
    factors = dense_solutions(case, 1e-3, EKFAC if corrected else KFAC)
    train = exact_gradients(case.risk, case.x, case.y)
    torch.testing.assert_close(
        ekfac.influence_factors(case.x_test, case.y_test), factors, **CLOSE
    )
    found = ekfac.influences(case.x_test, case.y_test, case.x, case.y)
    torch.testing.assert_close(found, factors @ train.T, **CLOSE)
    residuals = ekfac.relative_residuals(case.x_test, case.y_test)
    assert residuals.max() < 1e-10


def test_layers_add_up_whichever_side_is_larger() -> None:
    case = convolutional(n=4, n_test=9)
    ekfac = fitted(case, regularization=1e-2)
    few, many = (case.x, case.y), (case.x_test, case.y_test)
    for test, train in ((many, few), (few, many)):
        shape = (len(test[0]), len(train[0]))
        total = ekfac.influences(*test, *train)
        by_layer = ekfac.influences_by_layer(*test, *train)
        assert list(by_layer) == ["0", "3"]
        assert {scores.shape for scores in by_layer.values()} == {shape}
        torch.testing.assert_close(sum(by_layer.values()), total, **CLOSE)
        factors = ekfac.influence_factors_by_layer(*test)
        assert [tuple(f.shape) for f in factors.values()] == [
            (shape[0], 20),
            (shape[0], 38),
        ]
        again = ekfac.influences_from_factors_by_layer(factors, *train)
        for layer, scores in again.items():
            torch.testing.assert_close(scores, by_layer[layer], **CLOSE)


def test_perturbations_are_derivatives_of_influences() -> None:
    case = classifier_mlp(n=4)
    ekfac = fitted(case, regularization=1e-2)
    test, train = (case.x_test, case.y_test), (case.x, case.y)
    found = ekfac.influences(*test, *train, mode=InfluenceMode.Perturbation)
    step = torch.zeros_like(case.x)
    step[:, 2] = 1e-5
    up = ekfac.influences(*test, case.x + step, case.y)
    down = ekfac.influences(*test, case.x - step, case.y)
    torch.testing.assert_close(found[..., 2], (up - down) / 2e-5, rtol=1e-5, atol=1e-6)
    by_layer = ekfac.influences_by_layer(*test, *train, mode=InfluenceMode.Perturbation)
    torch.testing.assert_close(sum(by_layer.values()), found, **CLOSE)


class Passes:
    """The batches of a case, counting how often they are read."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.count = 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self.count += 1
        yield from self.case.batches(7)


@pytest.mark.parametrize(("corrected", "passes"), [(False, 1), (True, 2)])
def test_all_layers_come_from_the_same_passes(corrected: bool, passes: int) -> None:
    case, one_layer = classifier_mlp(), linear_regression()
    counts = []
    for each in (case, one_layer):
        loader = Passes(each)
        ekfac = EkfacInfluence(
            each.model, loss=each.loss, update_diagonal=corrected, regularization=0.1
        ).fit(loader)
        counts.append(loader.count)
        ekfac.with_regularization(1e-3).influences(each.x_test, each.y_test)
        assert loader.count == counts[-1]  # (not read again)
    assert counts[0] == counts[1] <= passes + 2  # (two looks at the first batch)


def test_another_regularization_needs_no_fit() -> None:
    case = classifier_mlp(n=12, n_test=4)
    ekfac = fitted(case, hessian_regularization=1.0)
    asked = (case.x_test, case.y_test)
    torch.testing.assert_close(
        ekfac.with_regularization(1e-3).influence_factors(*asked),
        dense_solutions(case, 1e-3),
        **CLOSE,
    )
    explored = ekfac.explore_hessian_regularization(*asked, [1e-2, 1.0])
    assert ekfac.regularization == {"0": 1e-3, "2": 1e-3}
    assert list(explored) == [1e-2, 1.0]
    for value, by_layer in explored.items():
        expected = ekfac.with_regularization(value).influences_by_layer(*asked)
        assert list(by_layer) == list(expected) == ["0", "2"]
        for layer, scores in by_layer.items():
            torch.testing.assert_close(scores, expected[layer], **CLOSE)
    mixed = ekfac.with_regularization({"0": 1e-2, "2": 1.0}).influences_by_layer(*asked)
    torch.testing.assert_close(mixed["0"], explored[1e-2]["0"], **CLOSE)
    torch.testing.assert_close(mixed["2"], explored[1.0]["2"], **CLOSE)
    with pytest.raises(InputError, match="finite and >= 0"):
        ekfac.explore_hessian_regularization(*asked, [-1.0])


def test_without_regularization_directions_without_curvature_are_left_out() -> None:
    case = classifier_mlp(n=12, n_test=4)
    ekfac = EkfacInfluence(case.model).fit(case.batches(7))
    matrix = KFAC(case.risk, case.batches()).dense()
    sides = exact_gradients(case.risk, case.x_test, case.y_test)
    assert torch.linalg.matrix_rank(matrix, hermitian=True) < len(matrix)
    found = ekfac.influence_factors(case.x_test, case.y_test)
    expected = sides @ torch.linalg.pinv(matrix, hermitian=True, rtol=1e-14)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)
    # The gradients of labels have no part in the direction of equal logits.
    assert ekfac.relative_residuals(case.x_test, case.y_test).max() < 1e-10


def test_without_regularization_residuals_show_what_no_training_example_shows() -> None:
    case = linear_regression()
    case.x[:, 0] = 0
    ekfac = fitted(case)
    asked = (case.x_test, case.y_test)
    assert ekfac.relative_residuals(*asked).min() > 0.01
    found = ekfac.influence_factors(*asked)
    assert found.isfinite().all()
    assert not found[:, [0, 3]].any()
    assert ekfac.with_regularization(1e-3).relative_residuals(*asked).max() < 1e-10


def test_automatic_regularization_is_by_layer() -> None:
    case = classifier_mlp(n=12, n_test=4)
    ekfac = fitted(case, regularization="auto")
    matrix = KFAC(case.risk, case.batches()).dense().diagonal()
    assert ekfac.regularization == pytest.approx({
        "0": 0.1 * matrix[:25].mean().item(),
        "2": 0.1 * matrix[25:].mean().item(),
    })


@pytest.mark.parametrize("mode", list(BlockMode))
def test_other_classes_take_the_same_curvature(mode: BlockMode) -> None:
    case = classifier_mlp(n=12, n_test=4)
    direct = DirectInfluence(
        case.model, case.loss, 1e-2, second_order_mode=KFAC, block_structure=mode
    ).fit(case.batches(7))
    asked = (case.x_test, case.y_test)
    found = direct.influence_factors(*asked)
    if mode is BlockMode.PARAMETER_WISE:  # a weight and its bias have nothing in common
        parts = [
            KFAC(case.risk.restricted([name]), case.batches()).dense()
            for name in case.risk.names
        ]
        matrix = torch.block_diag(*parts)
        matrix += 1e-2 * torch.eye(len(matrix), dtype=matrix.dtype)
        sides = exact_gradients(case.risk, *asked)
        expected = torch.linalg.solve(matrix, sides.T).T
    else:
        expected = dense_solutions(case, 1e-2)
    torch.testing.assert_close(found, expected, **CLOSE)


def test_a_fitted_object_survives_a_pickle_and_a_move() -> None:
    case = classifier_mlp(n=12, n_test=4)
    ekfac = fitted(case, regularization=1e-2)
    asked = (case.x_test, case.y_test, case.x, case.y)
    other = pickle.loads(pickle.dumps(ekfac))
    torch.testing.assert_close(other.influences(*asked), ekfac.influences(*asked))
    assert ekfac.to("cpu") is ekfac
    assert ekfac.is_fitted


def test_arguments() -> None:
    model = nn.Linear(3, 2)
    assert not EkfacInfluence(model, progress=True).is_fitted  # (pyDVL's argument)
    with pytest.raises(InputError, match="fit"):
        EkfacInfluence(model).influences_by_layer(randn(1, 3), torch.zeros(1).long())
    with pytest.raises(InputError, match="fit"):
        EkfacInfluence(model).explore_hessian_regularization(
            randn(1, 3), torch.zeros(1).long(), [1.0]
        )
    with pytest.raises(InputError, match="two names"):
        EkfacInfluence(model, hessian_regularization=0.1, regularization=0.1)
    with pytest.raises(InputError, match="unknown blocks"):
        EkfacInfluence(model, regularization={"0": 1.0})
    with pytest.raises(InputError, match="KFAC or an EKFAC; got Tensor"):
        KroneckerEigenbasis(torch.eye(2))


def test_a_matrix_is_divided_by_whole_layers_and_multiplied_by_its_size() -> None:
    case = classifier_mlp(n=12, n_test=4)
    kfac = KFAC(case.risk, case.batches())
    part = kfac.restricted(case.risk.restricted(["2.weight", "2.bias"]))
    torch.testing.assert_close(part.dense(), kfac.dense()[25:, 25:])
    vector = randn(43)
    torch.testing.assert_close(kfac @ vector, kfac.dense() @ vector)
    torch.testing.assert_close(
        kfac.eigenvalues().sort().values, torch.linalg.eigvalsh(kfac.dense())
    )
    with pytest.raises(InputError, match=r"2\.weight.*whole layers"):
        kfac.restricted(case.risk.restricted(["2.weight"]))
    with pytest.raises(InputError, match=r"shape \(43, R\); got \(5,\)"):
        kfac @ randn(5)
