"""What all influence classes share, seen through the exact one."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_map
from torch.utils.data import DataLoader, TensorDataset, default_collate

from tests.influence.cases import (
    Case,
    classifier_mlp,
    convolutional,
    cuts,
    exact_gradients,
    exact_hessian,
    labels,
    linear_regression,
    randn,
    softmax_regression,
    weighted,
)
from torchattr.errors import InputError
from torchattr.influence.blocks import BlockMode
from torchattr.influence.curvature.fisher import Fisher
from torchattr.influence.direct_influence import DirectInfluence
from torchattr.influence.influence_mode import InfluenceMode
from torchattr.influence.second_order_mode import SecondOrderMode

SMALL = 1e-3
EXACT = {"rtol": 0, "atol": 1e-10}


def fitted(case: Case, regularization=SMALL, **options) -> DirectInfluence:
    influence = DirectInfluence(case.model, case.loss, regularization, **options)
    return influence.fit(case.batches(7, 3))


def up(case: Case, regularization: float = SMALL) -> torch.Tensor:
    """Up by solving with the Hessian of reverse over reverse mode."""
    hessian = exact_hessian(case.risk, case.x, case.y)
    matrix = hessian + regularization * torch.eye(len(hessian), dtype=hessian.dtype)
    test = exact_gradients(case.risk, case.x_test, case.y_test)
    train = exact_gradients(case.risk, case.x, case.y)
    return test @ torch.linalg.solve(matrix, train.T)


def linear_closed_forms(case: Case):
    """Gradients, Hessian, and mixed derivatives of ``mean((Wx + b - y)^2)``."""
    weight, bias = (p.detach() for p in case.model.parameters())
    n_out = len(bias)

    def gradients(x, y):
        residual = x @ weight.T + bias - y
        outer = residual[:, :, None] * x[:, None, :]
        return 2 / n_out * torch.cat([outer.flatten(1), residual], 1)

    eye = torch.eye(n_out, dtype=torch.float64)
    second = case.x.T @ case.x / len(case.x)
    first = case.x.mean(0)
    cross = torch.kron(eye, first[:, None])
    hessian = torch.cat([
        torch.cat([torch.kron(eye, second), cross], 1),
        torch.cat([cross.T, eye], 1),
    ])
    # d/dx_c of the gradient in W_ab is A_ac x_b + delta_bc r_a, and in b_a it is A_ac.
    residual = case.x @ weight.T + bias - case.y
    in_weight = torch.einsum("ac,nb->nabc", weight, case.x) + torch.einsum(
        "na,bc->nabc", residual, torch.eye(3, dtype=torch.float64)
    )
    in_bias = weight.expand(len(case.x), -1, -1)
    mixed = torch.cat([in_weight.flatten(1, 2), in_bias], 1)
    return gradients, 2 / n_out * hessian, 2 / n_out * mixed


def test_up_and_perturbation_of_linear_regression_are_the_closed_forms():
    case = linear_regression()
    gradients, hessian, mixed = linear_closed_forms(case)
    matrix = hessian + SMALL * torch.eye(8, dtype=torch.float64)
    factors = torch.linalg.solve(matrix, gradients(case.x_test, case.y_test).T).T
    expected = {
        InfluenceMode.Up: factors @ gradients(case.x, case.y).T,
        InfluenceMode.Perturbation: torch.einsum("mp,npc->mnc", factors, mixed),
    }
    influence = fitted(case)
    found = influence.influence_factors(case.x_test, case.y_test)
    torch.testing.assert_close(found, factors, **EXACT)
    for mode, closed in expected.items():
        both = (case.x_test, case.y_test, case.x, case.y)
        torch.testing.assert_close(influence.influences(*both, mode), closed, **EXACT)
        found = influence.influences_from_factors(factors, case.x, case.y, mode)
        torch.testing.assert_close(found, closed, **EXACT)


@pytest.mark.parametrize(
    "case",
    [
        softmax_regression(),
        softmax_regression(bias=False),
        classifier_mlp(),
        convolutional(),
    ],
    ids=["softmax", "no bias", "indefinite", "convolution"],
)
def test_up_is_the_solution_with_the_hessian_for_any_batches(case):
    expected = up(case)
    for batches in cuts(case):
        influence = DirectInfluence(case.model, case.loss, SMALL).fit(batches)
        both = (case.x_test, case.y_test, case.x, case.y)
        torch.testing.assert_close(influence.influences(*both), expected, **EXACT)


def test_the_smaller_side_is_solved_for_and_the_answer_is_the_same():
    case = classifier_mlp(n=9, n_test=20)
    torch.testing.assert_close(
        fitted(case).influences(case.x_test, case.y_test, case.x, case.y),
        up(case),
        **EXACT,
    )


def test_without_training_examples_those_of_the_test_influence_each_other():
    case = classifier_mlp()
    influence = fitted(case)
    matrix = influence.influences(case.x_test, case.y_test)
    both = (case.x_test, case.y_test, case.x_test, case.y_test)
    torch.testing.assert_close(matrix, influence.influences(*both), **EXACT)
    torch.testing.assert_close(
        influence.self_influences(case.x_test, case.y_test), matrix.diagonal(), **EXACT
    )


def ridge(weight_decay: float = 0.05, n: int = 40):
    """Ridge regression at its minimum, and the means to train it again."""
    x, noise = randn(n, 4), randn(n, 1, seed=9)
    y = x @ randn(4, 1, seed=8) + noise
    x_test, y_test = randn(10, 4, seed=3), randn(10, 1, seed=4)

    def solved(keep):
        gram = x[keep].T @ x[keep] / n + weight_decay / 2 * torch.eye(4).double()
        return torch.linalg.solve(gram, x[keep].T @ y[keep] / n)

    model = nn.Linear(4, 1, bias=False).double()
    everyone = torch.arange(n)
    model.weight.data = solved(everyone).T
    case = Case(model, nn.MSELoss(), x, y, x_test, y_test)

    def test_losses(keep):
        return (x_test @ solved(keep) - y_test).square().flatten()

    effects = [
        test_losses(everyone[everyone != i]) - test_losses(everyone) for i in range(n)
    ]
    return case, weight_decay, torch.stack(effects, 1)


def test_influence_of_ridge_regression_is_leaving_one_out():
    case, weight_decay, effects = ridge()
    influence = fitted(case, weight_decay, scale="loo")
    found = influence.influences(case.x_test, case.y_test, case.x, case.y)
    pairs = torch.stack([found.flatten(), effects.flatten()])
    slope = (pairs[0] @ pairs[1] / (pairs[0] @ pairs[0])).item()
    assert 0.8 < slope < 1.25
    assert torch.corrcoef(pairs)[0, 1] > 0.98


def test_perturbation_is_the_slope_of_retraining_in_a_feature():
    case, weight_decay, _ = ridge()
    example, feature, step = 5, 2, 1e-4
    losses = []
    for sign in (1, -1):
        moved = case.x.clone()
        moved[example, feature] += sign * step
        gram = moved.T @ moved / 40 + weight_decay / 2 * torch.eye(4).double()
        weight = torch.linalg.solve(gram, moved.T @ case.y / 40)
        losses.append((case.x_test @ weight - case.y_test).square().flatten())
    slope = (losses[0] - losses[1]) / (2 * step)
    influence = fitted(case, weight_decay, scale="loo")
    both = (case.x_test, case.y_test, case.x, case.y)
    found = influence.influences(*both, InfluenceMode.Perturbation)
    # Positive helps: the loss falls where the influence is positive.
    torch.testing.assert_close(found[:, example, feature], -slope, rtol=1e-5, atol=1e-9)


def test_scale_divides_by_the_number_of_training_examples():
    case = classifier_mlp()
    plain, loo = fitted(case), fitted(case, scale="loo")
    both = (case.x_test, case.y_test, case.x, case.y)
    for mode in InfluenceMode:
        torch.testing.assert_close(
            loo.influences(*both, mode), plain.influences(*both, mode) / 30, **EXACT
        )
    torch.testing.assert_close(
        loo.self_influences(*both[:2]), plain.self_influences(*both[:2]) / 30, **EXACT
    )
    with pytest.raises(InputError, match="loo"):
        DirectInfluence(case.model, case.loss, scale=3)


@pytest.mark.parametrize(
    "structure",
    [
        BlockMode.LAYER_WISE,
        BlockMode.PARAMETER_WISE,
        OrderedDict(top=["2.bias", "2.weight"], bottom=["0.weight", "0.bias"]),
    ],
    ids=["layers", "parameters", "own"],
)
@pytest.mark.parametrize("mode", InfluenceMode)
def test_blocks_are_solved_alone_and_add_up(structure, mode):
    case = classifier_mlp()
    whole = fitted(case, block_structure=structure)
    both = (case.x_test, case.y_test, case.x, case.y)
    by_block = whole.influences_by_block(*both, mode)
    assert isinstance(by_block, OrderedDict)
    assert list(by_block) == whole.block_names
    factors = whole.influence_factors_by_block(*both[:2])
    for block, found in by_block.items():
        names = whole.inverse.risks[block].names
        alone = fitted(case, block_structure={block: list(names)})
        torch.testing.assert_close(found, alone.influences(*both, mode), **EXACT)
        torch.testing.assert_close(
            factors[block], alone.influence_factors(*both[:2]), **EXACT
        )
    total = sum(by_block.values())
    torch.testing.assert_close(whole.influences(*both, mode), total, **EXACT)
    joined = torch.cat(list(factors.values()), 1)
    torch.testing.assert_close(whole.influence_factors(*both[:2]), joined, **EXACT)
    for given in (joined, factors):
        again = whole.influences_from_factors_by_block(given, *both[2:], mode)
        for block, found in again.items():
            torch.testing.assert_close(found, by_block[block], **EXACT)


def test_regularization_by_block():
    case = classifier_mlp()
    amounts = {"2": 1}
    layers = fitted(case, amounts, block_structure=BlockMode.LAYER_WISE)
    assert layers.regularization == {"0": 0.0, "2": 1.0}
    alone = fitted(case, 1, block_structure={"2": ["2.weight", "2.bias"]})
    both = (case.x_test, case.y_test, case.x, case.y)
    torch.testing.assert_close(
        layers.influences_by_block(*both)["2"], alone.influences(*both), **EXACT
    )


def test_regularization_is_changed_in_place_without_the_data():
    case = classifier_mlp()

    class Once(list):
        passes = 0

        def __iter__(self):
            self.passes += 1
            return super().__iter__()

    loader = Once(case.batches(4))
    influence = DirectInfluence(case.model, case.loss, 5).fit(loader)
    read = loader.passes
    for amount in (SMALL, 0.7, SMALL):
        assert influence.with_regularization(amount) is influence
        found = influence.influences(case.x_test, case.y_test, case.x, case.y)
        torch.testing.assert_close(found, up(case, amount), **EXACT)
    assert loader.passes == read
    with pytest.raises(InputError, match=">= 0"):
        influence.with_regularization(-1)


def test_automatic_regularization_is_a_tenth_of_the_mean_eigenvalue():
    case = classifier_mlp()
    mode = SecondOrderMode.GAUSS_NEWTON
    influence = DirectInfluence(case.model, case.loss, "auto", second_order_mode=mode)
    with pytest.raises(InputError, match="fit"):
        influence.regularization  # ruff: ignore[useless-expression] (it raises)
    influence.fit(case.batches(7))
    expected = (
        0.1 * fitted(case, second_order_mode=mode).inverse.solvers["full"].trace()
    )
    assert influence.regularization["full"] == pytest.approx(expected / 43, rel=1e-10)
    case.model[2].weight.data *= 0  # then refitting finds another
    assert influence.fit(case.batches(7)).regularization["full"] < 0.9 * expected / 43


def test_an_alias_of_the_keyword():
    case = classifier_mlp()
    both = (case.x_test, case.y_test, case.x, case.y)
    alias = fitted(case, None, hessian_regularization=SMALL)
    torch.testing.assert_close(
        alias.influences(*both), fitted(case).influences(*both), **EXACT
    )
    with pytest.raises(InputError, match="two names"):
        fitted(case, SMALL, hessian_regularization=SMALL)


def test_any_operator_or_curvature_may_stand_for_the_second_derivative():
    case = softmax_regression()
    both = (case.x_test, case.y_test, case.x, case.y)
    matrix = exact_hessian(case.risk, case.x, case.y)

    class Operator:
        shape, dtype, device = matrix.shape, matrix.dtype, matrix.device

        def __matmul__(self, vectors):
            return matrix @ vectors

    # In softmax regression these are one matrix.
    for choice in (matrix, Operator(), Fisher, SecondOrderMode.GAUSS_NEWTON):
        found = fitted(case, second_order_mode=choice).influences(*both)
        torch.testing.assert_close(found, up(case), **EXACT)
    with pytest.raises(InputError, match=r"shape \(3, 3\).*15 parameters"):
        fitted(case, second_order_mode=torch.eye(3))
    for wrong in ("hessian", None, 3):
        with pytest.raises(InputError, match="SecondOrderMode"):
            DirectInfluence(case.model, case.loss, second_order_mode=wrong)
    for wrong in (matrix.numpy(), lambda risk, batches: None):
        with pytest.raises(InputError, match=r"operator of torch.*(ndarray|NoneType)"):
            fitted(case, second_order_mode=wrong)


def test_empirical_fisher_is_not_gauss_newton():
    case = classifier_mlp()
    train = exact_gradients(case.risk, case.x, case.y)
    test = exact_gradients(case.risk, case.x_test, case.y_test)
    fisher = train.T @ train / 30 + SMALL * torch.eye(43, dtype=torch.float64)
    expected = test @ torch.linalg.solve(fisher, train.T)
    both = (case.x_test, case.y_test, case.x, case.y)
    found = fitted(case, second_order_mode=SecondOrderMode.EMPIRICAL_FISHER)
    torch.testing.assert_close(found.influences(*both), expected, **EXACT)
    other = fitted(case, second_order_mode=SecondOrderMode.GAUSS_NEWTON)
    assert not torch.allclose(other.influences(*both), expected, rtol=0.1)


class TwoInputs(nn.Module):
    """Images and measurements, by position or by name."""

    def __init__(self):
        super().__init__()
        self.of_image, self.of_numbers = nn.Linear(4, 3), nn.Linear(2, 3)

    def forward(self, image, numbers):
        return self.of_image(image.flatten(1)).tanh() * self.of_numbers(numbers)


@pytest.mark.parametrize("kind", [tuple, list, dict])
def test_inputs_may_be_several_and_perturbation_answers_in_their_structure(kind):
    def made(n, seed):
        parts = {"image": randn(n, 2, 2, seed=seed), "numbers": randn(n, 2, seed=seed)}
        return parts if kind is dict else kind(parts.values())

    model = weighted(TwoInputs())
    x, y, x_test, y_test = made(9, 0), labels(9, 3), made(4, 3), labels(4, 3)
    influence = DirectInfluence(model, nn.CrossEntropyLoss(), SMALL).fit([(x, y)])
    assert influence.influences(x_test, y_test, x, y).shape == (4, 9)
    found = influence.influences(x_test, y_test, x, y, InfluenceMode.Perturbation)
    parts = found.values() if kind is dict else found
    assert [part.shape for part in parts] == [(4, 9, 2, 2), (4, 9, 2)]
    factors = influence.influence_factors(x_test, y_test)
    mode = InfluenceMode.Perturbation

    def alike(part):
        return torch.zeros(part.shape, dtype=torch.long)

    for answer in (
        found,
        influence.influences(x_test, y_test, mode=mode),
        influence.influences_by_block(x_test, y_test, x, y, mode)["full"],
        influence.influences_from_factors(factors, x, y, mode),
        influence.attribute((x, y), x, mode=mode),
        influence.attribute((x, y), mode=mode, feature_mask=tree_map(alike, x)),
    ):
        assert type(answer) is kind
    expected = mixed_by_hand(influence.risk, factors, x, y)
    for part, closed in zip(parts, expected, strict=True):
        torch.testing.assert_close(part, closed, **EXACT)


def mixed_by_hand(risk, factors, x, y):
    """Derivative in the inputs of each factor times each gradient, one by one."""
    names = list(x) if isinstance(x, dict) else None
    tensors = list(x.values()) if names else list(x)
    rows = []
    for factor in factors:
        leaves = [tensor.clone().requires_grad_() for tensor in tensors]
        parameters = {
            k: v.clone().requires_grad_() for k, v in risk.parameters().items()
        }
        inputs = dict(zip(names, leaves, strict=True)) if names else tuple(leaves)
        outputs = risk.outputs(parameters, inputs)
        loss = nn.functional.cross_entropy(outputs, y, reduction="sum")
        slopes = torch.autograd.grad(loss, list(parameters.values()), create_graph=True)
        along = torch.cat([slope.flatten() for slope in slopes]) @ factor
        rows.append(torch.autograd.grad(along, leaves))
    return [torch.stack(part) for part in zip(*rows, strict=True)]


def test_perturbation_refuses_integers():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.head = nn.Embedding(5, 2), nn.Linear(2, 3)

        def forward(self, tokens):
            return self.head(self.embedding(tokens).mean(1))

    model, x, y = weighted(Tokens()), labels(6, 5)[:, None], labels(6, 3)
    influence = DirectInfluence(model, nn.CrossEntropyLoss(), SMALL).fit([(x, y)])
    assert influence.influences(x, y).dtype == torch.float64
    with pytest.raises(InputError, match=r"floating.*int64"):
        influence.influences(x, y, x, y, InfluenceMode.Perturbation)


def test_nothing_can_be_asked_before_fit():
    case = linear_regression()
    influence = DirectInfluence(case.model, case.loss, SMALL)
    assert not influence.is_fitted
    assert influence.n_parameters == 8
    x, y = case.x, case.y
    for ask in (
        lambda: influence.influences(x, y),
        lambda: influence.influences_by_block(x, y),
        lambda: influence.influence_factors(x, y),
        lambda: influence.influence_factors_by_block(x, y),
        lambda: influence.influences_from_factors(randn(3, 8), x, y),
        lambda: influence.influences_from_factors_by_block(randn(3, 8), x, y),
        lambda: influence.self_influences(x, y),
        lambda: influence.relative_residuals(x, y),
        lambda: influence.attribute((x, y)),
    ):
        with pytest.raises(InputError, match="fit"):
            ask()
    assert influence.fit(case.batches()) is influence
    assert influence.is_fitted


def test_arguments_that_do_not_fit_are_refused():
    case = linear_regression()
    influence = fitted(case)
    with pytest.raises(InputError, match="both x and y"):
        influence.influences(case.x_test, case.y_test, case.x)
    with pytest.raises(InputError, match="InfluenceMode"):
        influence.influences(case.x_test, case.y_test, mode="up")
    with pytest.raises(InputError, match=r"\(M, 8\).*\(3, 7\)"):
        influence.influences_from_factors(randn(3, 7), case.x, case.y)
    with pytest.raises(InputError, match=r"a tensor.*got ndarray"):
        influence.influences_from_factors(randn(3, 8).numpy(), case.x, case.y)


def test_a_fitted_object_survives_a_round_trip_and_a_move():
    case = classifier_mlp()
    influence = fitted(case)
    both = (case.x_test, case.y_test, case.x, case.y)
    expected = influence.influences(*both)
    again = pickle.loads(pickle.dumps(influence))
    torch.testing.assert_close(again.influences(*both), expected, **EXACT)
    assert again.to("cpu") is again
    torch.testing.assert_close(again.influences(*both), expected, **EXACT)


def test_a_loader_that_cannot_be_pickled_is_not_kept():
    case = classifier_mlp()
    loader = DataLoader(
        TensorDataset(case.x, case.y),
        batch_size=4,
        collate_fn=lambda b: default_collate(b),
    )
    influence = DirectInfluence(case.model, case.loss, SMALL).fit(loader)
    again = pickle.loads(pickle.dumps(influence))
    assert again.relative_residuals(case.x, case.y).max() < 1e-10


def test_single_precision_stays_single():
    case = classifier_mlp()
    single = replace(case, model=case.model.float())
    influence = fitted(single)
    both = (case.x_test, case.y_test, case.x, case.y)  # inputs in double precision
    for mode in InfluenceMode:
        found = influence.influences(*both, mode)
        assert found.dtype == influence.dtype == torch.float32
        reference = fitted(
            replace(case, model=pickle.loads(pickle.dumps(single.model)).double())
        )
        torch.testing.assert_close(
            found.double(), reference.influences(*both, mode), rtol=1e-2, atol=1e-2
        )


def test_residuals_say_how_well_the_system_is_solved():
    case = classifier_mlp()
    residuals = fitted(case).relative_residuals(case.x, case.y)
    assert residuals.shape == (30,)
    assert residuals.max() < 1e-10
    layers = fitted(case, block_structure=BlockMode.LAYER_WISE)
    assert layers.relative_residuals(case.x, case.y).max() < 1e-10


def traces(model):
    state = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    wanted = [(p.requires_grad, p.grad) for p in model.parameters()]
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    return state, modes, wanted, hooks, torch.get_rng_state()


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_as_it_was(fails):
    model = nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2)
    )
    model = weighted(model)
    model[0].bias.requires_grad_(False)
    model[3].eval()
    x, y = randn(8, 3), labels(8, 2)
    before = traces(model)
    influence = DirectInfluence(model, nn.CrossEntropyLoss(), SMALL).fit([(x, y)])
    for mode in InfluenceMode:
        influence.influences(x[:3], y[:3], x, y, mode)
    if fails:
        with pytest.raises((RuntimeError, InputError)):
            influence.influences(x[:, :2], y)
        with pytest.raises((RuntimeError, InputError, IndexError)):
            influence.fit([(x, y + 7)])
    after = traces(model)
    assert all(torch.equal(v, before[0][k]) for k, v in after[0].items())
    assert after[1:4] == before[1:4]
    assert torch.equal(after[4], before[4])
    assert influence.n_parameters == sum(
        p.numel() for p in model.parameters() if p.requires_grad
    )


def test_answers_carry_no_graph_and_gradient_mode_does_not_matter():
    case = classifier_mlp()
    both = (case.x_test, case.y_test, case.x, case.y)
    expected = fitted(case).influences(*both)
    with torch.no_grad():
        found = fitted(case).influences(*both)
    torch.testing.assert_close(found, expected, **EXACT)
    assert not found.requires_grad
    assert not expected.requires_grad
    matrix = torch.eye(43, dtype=torch.float64, requires_grad=True)
    assert not fitted(case, second_order_mode=matrix).influences(*both).requires_grad
