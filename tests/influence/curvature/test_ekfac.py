"""KFAC and EKFAC against the exact Fisher matrix, and against explicit factors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.influence.cases import (
    Case,
    classifier_mlp,
    convolutional,
    cuts,
    labels,
    randn,
    softmax_regression,
    weighted,
)
from torchattr.errors import InputError
from torchattr.influence.curvature.eigen_block import eigenbasis
from torchattr.influence.curvature.ekfac import EKFAC
from torchattr.influence.curvature.kfac import KFAC
from torchattr.influence.curvature.kronecker_fisher import KroneckerFisher
from torchattr.influence.empirical_risk import EmpiricalRisk

BOTH = pytest.mark.parametrize("curvature", [KFAC, EKFAC])
CLOSE = {"rtol": 1e-10, "atol": 1e-12}


def exact_fisher(case: Case) -> Tensor:
    """J^T H J by autograd, with the Hessian H of all the losses in all the outputs."""
    risk = case.risk
    flat = risk.flatten(risk.parameters())

    def outputs(vector: Tensor) -> Tensor:
        return risk.outputs(risk.unflatten(vector), case.x)

    def total(values: Tensor) -> Tensor:
        ones = zip(values.split(1), case.y.split(1), strict=True)
        return torch.stack([case.loss(*one).sum() for one in ones]).sum()

    with risk.evaluating():
        jacobian = torch.autograd.functional.jacobian(outputs, flat, vectorize=True)
        hessian = torch.autograd.functional.hessian(
            total, outputs(flat), vectorize=True
        )
    jacobian = jacobian.reshape(-1, len(flat))
    hessian = hessian.reshape(len(jacobian), len(jacobian))
    return jacobian.T @ hessian @ jacobian / len(case.x)


def by_module(case: Case, matrix: Tensor) -> Tensor:
    """The matrix with 0 between parameters of different modules."""
    risk = case.risk
    modules = [name.rpartition(".")[0] for name in risk.names]
    ids = torch.tensor([modules.index(module) for module in modules])
    ids = ids.repeat_interleave(torch.tensor(risk.sizes))
    return matrix * (ids.unsqueeze(1) == ids)


def distance(matrix: Tensor, exact: Tensor) -> float:
    return float(torch.linalg.norm(matrix - exact) / torch.linalg.norm(exact))


def zeroed(model: nn.Module) -> nn.Module:
    """The model in double precision with parameters 0: uniform predictions."""
    model = model.double()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


def case_of(
    model: nn.Module, x: Tensor, y: Tensor, loss: Callable[..., Tensor] | None = None
) -> Case:
    return Case(model, loss or nn.CrossEntropyLoss(), x, y, x, y)


# ----- where they must be exact


@BOTH
@pytest.mark.parametrize("make", [softmax_regression, classifier_mlp])
def test_one_example_is_exact_in_every_layer(
    curvature: type[KroneckerFisher], make: Callable[..., Case]
) -> None:
    case = make(n=1)
    found = curvature(case.risk, case.batches()).dense()
    torch.testing.assert_close(found, by_module(case, exact_fisher(case)), **CLOSE)


@BOTH
@pytest.mark.parametrize("bias", [True, False])
def test_uniform_predictions_are_exact_and_not_zero(
    curvature: type[KroneckerFisher], bias: bool
) -> None:
    model = zeroed(nn.Linear(4, 3, bias=bias))
    case = case_of(model, randn(9, 4), labels(9, 3))
    found = curvature(case.risk, case.batches(4))
    assert found.shape == (15, 15) if bias else (12, 12)
    assert found.trace() > 0.1
    torch.testing.assert_close(found.dense(), exact_fisher(case), **CLOSE)


class TwoHalves(nn.Module):
    """Logits of the first half of x by fixed weights, of the second by zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fixed", randn(3, 2, seed=5))
        self.own = zeroed(nn.Linear(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :2] @ self.fixed.T + self.own(x[:, 2:])


@BOTH
def test_inputs_that_are_independent_of_predictions_are_exact(
    curvature: type[KroneckerFisher],
) -> None:
    firsts, seconds = randn(3, 2), randn(4, 2, seed=1)  # every pair of them once
    x = torch.cat([firsts.repeat_interleave(4, 0), seconds.repeat(3, 1)], 1)
    case = case_of(TwoHalves(), x, labels(12, 3))
    found = curvature(case.risk, case.batches(7)).dense()
    torch.testing.assert_close(found, exact_fisher(case), **CLOSE)


@BOTH
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(2, 3, 2),
        nn.Conv2d(2, 3, (2, 1), stride=2, dilation=(1, 2), bias=False),
        nn.Conv2d(2, 4, 2, groups=2),
        nn.Conv1d(2, 3, 2),
    ],
    ids=["plain", "strided", "groups", "one-dimensional"],
)
def test_convolution_with_a_prediction_at_every_position_is_exact(
    curvature: type[KroneckerFisher], layer: nn.Module
) -> None:
    # Positions have nothing to do with each other, and predictions are alike.
    model = zeroed(layer)
    size = (4, 4) if isinstance(layer, nn.Conv2d) else (5,)
    x = randn(3, 2, *size)
    n_classes, *positions = model(x).shape[1:]
    y = labels(3 * torch.Size(positions).numel(), n_classes).reshape(3, *positions)
    case = case_of(model, x, y)
    found = curvature(case.risk, case.batches(1)).dense()
    exact = exact_fisher(case)
    if isinstance(layer, nn.Conv2d) and layer.groups == 2:  # nothing between groups
        group = torch.cat([
            torch.tensor([0, 0, 1, 1]).repeat_interleave(4),
            torch.tensor([0, 0, 1, 1]),
        ])
        exact *= group.unsqueeze(1) == group
    torch.testing.assert_close(found, exact, **CLOSE)


@BOTH
def test_sequence_with_a_prediction_at_every_position_is_exact(
    curvature: type[KroneckerFisher],
) -> None:
    model = zeroed(nn.Linear(4, 3))
    case = case_of(model, randn(5, 6, 4), randn(5, 6, 3), nn.MSELoss(reduction="sum"))
    found = curvature(case.risk, case.batches(2)).dense()
    torch.testing.assert_close(found, exact_fisher(case), **CLOSE)


# ----- how close they are elsewhere


def test_softmax_regression_is_close() -> None:
    # pyDVL's factors are .94 away, with a trace ratio of .066.
    case = softmax_regression(n=50)
    exact = exact_fisher(case)
    kfac, ekfac = (cls(case.risk, case.batches()) for cls in (KFAC, EKFAC))
    assert distance(kfac.dense(), exact) < 0.3
    assert distance(ekfac.dense(), exact) < distance(kfac.dense(), exact)
    assert kfac.trace() / exact.trace().item() == pytest.approx(1, abs=0.1)


class Shared(nn.Module):
    """One layer used twice, over a sequence, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(3, 3)
        self.head = nn.Linear(3, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.shared(torch.tanh(self.shared(x)))).sum(1))


def with_sequence(n: int = 6) -> Case:
    return case_of(weighted(Shared()), randn(n, 4, 3), labels(n, 2))


@pytest.mark.parametrize(
    "make", [softmax_regression, classifier_mlp, convolutional, with_sequence]
)
def test_corrected_eigenvalues_are_the_diagonal_of_the_exact_matrix(
    make: Callable[..., Case],
) -> None:
    case = make(n=8)
    exact = by_module(case, exact_fisher(case))
    kfac = KFAC(case.risk, case.batches()).dense()
    ekfac = EKFAC(case.risk, case.batches(3, 1)).dense()
    _, basis = torch.linalg.eigh(kfac)
    inside, wanted = basis.T @ ekfac @ basis, basis.T @ exact @ basis
    torch.testing.assert_close(inside, inside.diagonal().diag(), rtol=0, atol=1e-9)
    torch.testing.assert_close(inside.diagonal(), wanted.diagonal(), rtol=0, atol=1e-9)
    assert ekfac.trace().item() == pytest.approx(exact.trace().item(), rel=1e-10)


def explicit_factors(
    case: Case, module: nn.Module, unfold: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """A and G of a layer by hooks, one example and one label at a time."""
    seen: list[tuple[Tensor, Tensor]] = []
    handle = module.register_forward_hook(
        lambda _, inputs, output: seen.append((inputs[0], output))
    )
    rows, products = [], []
    for x in case.x:
        seen.clear()
        log_p = case.model(x.unsqueeze(0)).log_softmax(1)[0]
        for label in range(len(log_p)):
            grads = torch.autograd.grad(
                -log_p[label], [output for _, output in seen], retain_graph=True
            )
            flat = torch.cat([by_position(module, grad) for grad in grads])
            products.append(log_p[label].exp() * flat.T @ flat)
        rows += [unfold(inputs) for inputs, _ in seen]
    handle.remove()
    inputs = torch.cat(rows)
    if module.bias is not None:
        inputs = torch.cat([inputs, inputs.new_ones(len(inputs), 1)], 1)
    return inputs.T @ inputs / len(inputs), torch.stack(products).sum(0) / len(case.x)


def by_position(module: nn.Module, grad: Tensor) -> Tensor:
    if isinstance(module, nn.Conv2d):
        return grad.flatten(2).transpose(1, 2).flatten(0, 1)
    return grad.flatten(0, -2)


def test_factors_of_a_convolution_are_those_of_unfolded_inputs() -> None:
    case = convolutional()
    found = KFAC(case.risk, case.batches(5)).dense()[:20, :20]
    a, g = explicit_factors(
        case, case.model[0], lambda x: F.unfold(x, 3).transpose(1, 2).flatten(0, 1)
    )
    product = torch.kron(g, a).reshape(2, 10, 2, 10)
    weights = product[:, :9, :, :9].reshape(18, 18)
    torch.testing.assert_close(found[:18, :18], weights, **CLOSE)
    torch.testing.assert_close(found[18:, 18:], product[:, 9, :, 9], **CLOSE)
    torch.testing.assert_close(
        found[:18, 18:], product[:, :9, :, 9].reshape(18, 2), **CLOSE
    )


def test_factors_of_a_shared_layer_are_over_all_its_uses_and_positions() -> None:
    case = with_sequence()
    found = KFAC(case.risk, case.batches(4)).dense()
    a, g = explicit_factors(case, case.model.shared, lambda x: x.flatten(0, -2))
    product = torch.kron(g, a).reshape(3, 4, 3, 4)[:, :3, :, :3].reshape(9, 9)
    torch.testing.assert_close(found[:9, :9], product, **CLOSE)
    a, g = explicit_factors(case, case.model.head, lambda x: x)
    torch.testing.assert_close(found[12:, 12:], torch.kron(g, a), **CLOSE)


@BOTH
@pytest.mark.parametrize("make", [classifier_mlp, convolutional])
def test_batches_do_not_matter(
    curvature: type[KroneckerFisher], make: Callable[..., Case]
) -> None:
    case = make(n=7)
    first, *others = [curvature(case.risk, cut).dense() for cut in cuts(case)]
    for other in others:
        torch.testing.assert_close(other, first, **CLOSE)


@BOTH
def test_eigenvalues_that_are_noise_are_zero(curvature: type[KroneckerFisher]) -> None:
    case = softmax_regression()
    case.x[:, 0] = 1  # as the bias is; and logits that rise together change nothing
    eigenvalues = curvature(case.risk, case.batches()).eigenvalues()
    assert int((eigenvalues == 0).sum()) == 15 - 2 * 4
    assert eigenvalues.min() >= 0


# ----- parameters without Kronecker structure


class Tokens(nn.Module):
    def __init__(self, size: int = 5) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, 3)
        self.norm = nn.LayerNorm(3)
        self.scale = nn.Parameter(torch.ones(3))
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.scale * self.norm(self.embedding(x)).mean(1))


def with_tokens() -> Case:
    return case_of(weighted(Tokens()), labels(28, 5).reshape(7, 4), labels(7, 2))


@BOTH
def test_embedding_norm_and_root_parameters_have_exact_blocks(
    curvature: type[KroneckerFisher],
) -> None:
    case = with_tokens()
    assert case.risk.names[0] == "scale"
    exact = by_module(case, exact_fisher(case))
    found = curvature(case.risk, case.batches(3)).dense()
    torch.testing.assert_close(found[:24, :24], exact[:24, :24], **CLOSE)
    assert distance(found[24:, 24:], exact[24:, 24:]) < 1
    assert not found[:24, 24:].any()


@BOTH
@pytest.mark.parametrize("make", [with_sequence, with_tokens])
def test_chunks_do_not_matter(
    curvature: type[KroneckerFisher],
    make: Callable[..., Case],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = make()
    whole = curvature(case.risk, case.batches()).dense()
    for module in ("kronecker_pass", "kronecker_factors"):
        monkeypatch.setattr(f"torchattr.influence.curvature.{module}._ELEMENTS", 1)
    small = curvature(case.risk, case.batches()).dense()
    torch.testing.assert_close(small, whole, **CLOSE)


@BOTH
def test_dense_blocks_are_computed_some_examples_at_a_time(
    curvature: type[KroneckerFisher], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = with_tokens()
    whole = curvature(case.risk, case.batches()).dense()
    # Two examples of 24 numbers and 2 labels; forward passes are of all at once.
    monkeypatch.setattr(
        "torchattr.influence.curvature.kronecker_pass._ELEMENTS", 2 * 2 * 24
    )
    small = curvature(case.risk, case.batches()).dense()
    torch.testing.assert_close(small, whole, **CLOSE)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.embedding(x).mean(1), self.embedding.weight)


class SequenceFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.layer(x.transpose(0, 1))).sum(0)


@BOTH
@pytest.mark.parametrize(
    ("model", "x"),
    [
        (Tied(), labels(20, 4).reshape(5, 4)),
        (SequenceFirst(), randn(5, 4, 3)),
        (SequenceFirst(), randn(5, 2, 3)),  # as long as there are examples to check on
    ],
    ids=["tied", "sequence-first", "sequence-of-two-first"],
)
def test_what_outer_products_do_not_account_for_has_an_exact_block(
    curvature: type[KroneckerFisher], model: nn.Module, x: Tensor
) -> None:
    case = case_of(weighted(model), x, labels(5, 2))
    found = curvature(case.risk, case.batches(3)).dense()
    torch.testing.assert_close(found, exact_fisher(case), **CLOSE)


def test_too_many_parameters_without_structure_are_refused() -> None:
    case = case_of(weighted(Tokens(6000)), labels(8, 5).reshape(2, 4), labels(2, 2))
    with pytest.raises(InputError, match=r"embedding\.weight .* 18000 rows.*Freeze"):
        KFAC(case.risk, case.batches())
    case.model.embedding.requires_grad_(False)
    assert KFAC(case.risk, case.batches()).shape == (17, 17)


@BOTH
def test_frozen_parameters_take_no_part(curvature: type[KroneckerFisher]) -> None:
    case = classifier_mlp()
    whole = curvature(case.risk, case.batches())
    case.model[0].requires_grad_(False)
    found = curvature(case.risk, case.batches()).dense()
    torch.testing.assert_close(found, whole.dense()[25:, 25:], **CLOSE)
    case.model[2].bias.requires_grad_(False)
    model = nn.Sequential(case.model[0], nn.Tanh(), nn.Linear(5, 3, bias=False))
    model[2].weight.data = case.model[2].weight.data
    constant = case.model[2].bias.data

    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x) + constant

    expected = curvature(EmpiricalRisk(Shifted(), case.loss), case.batches()).dense()
    found = curvature(case.risk, case.batches()).dense()
    assert found.shape == (15, 15)
    torch.testing.assert_close(found, expected, **CLOSE)


# ----- decompositions


def test_decompositions_are_in_double_precision_and_may_fall_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[Tensor] = []
    eigh = torch.linalg.eigh

    def failing_once(matrix: Tensor) -> Tensor:
        given.append(matrix)
        if len(given) % 2:
            raise torch.linalg.LinAlgError("no convergence")
        return eigh(matrix)

    case = softmax_regression()
    expected = KFAC(case.risk, case.batches()).dense().float()
    single = case.model.float()
    monkeypatch.setattr(torch.linalg, "eigh", failing_once)
    found = KFAC(EmpiricalRisk(single, case.loss), case.batches())
    assert found.dtype == found.dense().dtype == torch.float32
    assert {matrix.dtype for matrix in given} == {torch.float64}
    torch.testing.assert_close(found.dense(), expected, rtol=1e-4, atol=1e-5)


def test_decompositions_that_fail_say_whose(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = torch.full((2, 2), torch.nan, dtype=torch.float64)
    with pytest.raises(InputError, match=r"0\.weight is not finite"):
        eigenbasis(matrix, torch.float64, ("0.weight",))
    monkeypatch.setattr(torch.linalg, "eigh", _no_convergence)
    with pytest.raises(InputError, match=r"0\.weight, 2 rows"):
        eigenbasis(torch.eye(2), torch.float64, ("0.weight",))


def _no_convergence(_: Tensor) -> Tensor:
    raise torch.linalg.LinAlgError("no convergence")


@BOTH
def test_a_model_is_left_as_it_was(curvature: type[KroneckerFisher]) -> None:
    case = convolutional()
    case.model.train()
    case.model[0].bias.requires_grad_(False)
    state = torch.get_rng_state()
    curvature(case.risk, case.batches(5))
    assert all(module.training for module in case.model.modules())
    assert all(parameter.grad is None for parameter in case.model.parameters())
    assert [p.requires_grad for p in case.model.parameters()] == [
        True,
        False,
        True,
        True,
    ]
    assert torch.equal(torch.get_rng_state(), state)


def test_a_model_with_no_tensor_is_refused() -> None:
    class Several(nn.Linear):
        def forward(self, x: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
            return {"logits": super().forward(x)}

    case = case_of(
        weighted(Several(3, 2)),
        randn(4, 3),
        labels(4, 2),
        lambda outputs, y: F.cross_entropy(outputs["logits"], y),
    )
    with pytest.raises(InputError, match=r"returns a tensor.*got dict"):
        KFAC(case.risk, case.batches())
