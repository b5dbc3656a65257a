"""Square roots of the Fisher matrix in the outputs, loss by loss."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.influence.cases import labels, randn
from torchattr.errors import InputError
from torchattr.influence.curvature.kfac import KFAC
from torchattr.influence.curvature.output_fisher_roots import output_fisher_roots
from torchattr.influence.empirical_risk import EmpiricalRisk

WEIGHT = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
CLASSES = labels(4, 3)
GRID = labels(20, 3).reshape(4, 5)
SHARES = randn(4, 3, seed=7).softmax(1)
BITS = labels(12, 2).reshape(4, 3).double()
LOGITS, GRID_LOGITS = randn(4, 3), randn(4, 3, 5)


def products(loss: Callable[..., Tensor], outputs: Tensor, targets: Tensor) -> Tensor:
    risk = EmpiricalRisk(nn.Linear(1, 1).double(), loss)
    roots = output_fisher_roots(risk, outputs, targets)
    roots = roots.reshape(len(roots), len(outputs), -1)
    return torch.einsum("kbi,kbj->bij", roots, roots)


def hessians(loss: Callable[..., Tensor], outputs: Tensor, targets: Tensor) -> Tensor:
    """Of each example alone, by plain autograd."""
    found = [
        torch.autograd.functional.hessian(
            lambda output, y=y: loss(output.unsqueeze(0), y.unsqueeze(0)).sum(), output
        ).reshape(output.numel(), output.numel())
        for output, y in zip(outputs, targets, strict=True)
    ]
    return torch.stack(found)


@pytest.mark.parametrize(
    ("loss", "outputs", "targets"),
    [
        (nn.CrossEntropyLoss(), LOGITS, CLASSES),
        (F.cross_entropy, LOGITS, CLASSES),
        (partial(F.cross_entropy, label_smoothing=0.1), LOGITS, CLASSES),
        (nn.CrossEntropyLoss(WEIGHT, reduction="sum"), LOGITS, CLASSES),
        (nn.CrossEntropyLoss(label_smoothing=0.2), LOGITS, CLASSES),
        (
            nn.CrossEntropyLoss(WEIGHT, label_smoothing=0.2, reduction="none"),
            LOGITS,
            CLASSES,
        ),
        (nn.CrossEntropyLoss(WEIGHT, label_smoothing=0.2), LOGITS, SHARES),
        (nn.CrossEntropyLoss(WEIGHT), GRID_LOGITS, GRID),
        (nn.CrossEntropyLoss(ignore_index=1), GRID_LOGITS, GRID),
        (nn.CrossEntropyLoss(), randn(4, 3, 2, 2), labels(16, 3).reshape(4, 2, 2)),
        (nn.CrossEntropyLoss(), GRID_LOGITS, GRID_LOGITS.softmax(1)),
        (nn.BCEWithLogitsLoss(), LOGITS, BITS),
        (F.binary_cross_entropy_with_logits, LOGITS[:, 0], BITS[:, 0]),
        (nn.BCEWithLogitsLoss(pos_weight=WEIGHT, reduction="sum"), LOGITS, BITS),
        (nn.BCEWithLogitsLoss(WEIGHT), LOGITS, BITS),
        (nn.MSELoss(), LOGITS, BITS),
        (nn.MSELoss(reduction="none"), LOGITS, BITS),
        (F.mse_loss, LOGITS[:, 0], BITS[:, 0]),
        (lambda out, y: F.cross_entropy(out, y), LOGITS, CLASSES),
        (lambda outputs, y: (outputs - y).exp().sum(), LOGITS, BITS),
        (nn.HuberLoss(delta=0.5), LOGITS, BITS),
    ],
)
def test_roots_are_of_the_hessian_in_the_outputs(
    loss: Callable[..., Tensor], outputs: Tensor, targets: Tensor
) -> None:
    torch.testing.assert_close(
        products(loss, outputs, targets),
        hessians(loss, outputs, targets),
        rtol=1e-10,
        atol=1e-12,
    )


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_outputs_that_are_broadcast_count_several_times() -> None:
    found = products(nn.MSELoss(reduction="sum"), LOGITS[:, :1], BITS)
    torch.testing.assert_close(found, torch.full((4, 1, 1), 6.0).double())


def test_log_probabilities_have_the_labels_that_they_are_of() -> None:
    # Their loss is linear in them, and has no Hessian.
    log_p = LOGITS.log_softmax(1)
    for loss in (nn.NLLLoss(), F.nll_loss):
        found = products(loss, log_p, CLASSES)
        torch.testing.assert_close(found, torch.diag_embed(log_p.exp()))
    grid = GRID_LOGITS.log_softmax(1)
    for reduction, amount in (("sum", 1), ("mean", 1 / 5)):
        found = products(nn.NLLLoss(reduction=reduction), grid, GRID)
        torch.testing.assert_close(
            found, torch.diag_embed(amount * grid.exp().flatten(1))
        )
    data = [(randn(9, 2), labels(9, 3))]
    layer = nn.Linear(2, 3).double()
    model = nn.Sequential(layer, nn.LogSoftmax(1))
    torch.testing.assert_close(
        KFAC(EmpiricalRisk(model, nn.NLLLoss()), data).dense(),
        KFAC(EmpiricalRisk(layer, nn.CrossEntropyLoss()), data).dense(),
    )


def test_certain_predictions_of_an_unknown_loss_are_not_taken_for_concave() -> None:
    outputs = torch.tensor([[30.0, 14.0, 2.0], [17.0, 0.0, 1.0]])
    found = products(lambda out, y: F.cross_entropy(out, y), outputs, CLASSES[:2])
    assert found.isfinite().all()


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda outputs, y: -(outputs - y).square().sum(), "convex in the outputs"),
        (nn.L1Loss(), "Fisher matrix is 0"),
    ],
)
def test_losses_without_a_fisher_matrix_are_refused(
    loss: Callable[..., Tensor], message: str
) -> None:
    risk = EmpiricalRisk(nn.Linear(2, 3).double(), loss)
    with pytest.raises(InputError, match=message):
        KFAC(risk, [(randn(5, 2), randn(5, 3, seed=1))])
