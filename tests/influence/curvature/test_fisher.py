"""Fisher matrices: the exact one by enumeration, the sampled one by its mean."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.influence.cases import (
    classifier_mlp,
    cuts,
    exact_gradients,
    labels,
    randn,
    softmax_regression,
    weighted,
)
from torchattr.errors import InputError
from torchattr.influence.curvature.fisher import Fisher
from torchattr.influence.curvature.hessian import Hessian
from torchattr.influence.curvature.likelihood import likelihood_of
from torchattr.influence.empirical_risk import EmpiricalRisk

close = partial(torch.testing.assert_close, rtol=0, atol=1e-10)
SEQUENCE = torch.tensor([[1, 0, 2, -100, 1]])


def test_classes_are_summed_by_their_probabilities():
    case = classifier_mlp(6)
    chances = case.model(case.x).softmax(1).detach()
    expected = torch.zeros(43, 43, dtype=torch.float64)
    for label in range(3):
        g = exact_gradients(case.risk, case.x, torch.full((6,), label))
        expected += (g.T * chances[:, label]) @ g / 6
    close(Fisher(case.risk, case.batches(4)).dense(), expected)


def test_of_softmax_regression_it_is_the_hessian():
    case = softmax_regression()
    fisher = Fisher(case.risk, case.batches(8))
    close(fisher.dense(), Hessian(case.risk, case.batches()).dense())
    close(fisher @ case.x.new_ones(15), fisher.dense().sum(1))


def test_drawn_labels_depend_on_the_seed_and_the_position():
    case = classifier_mlp(17)
    expected = Fisher(case.risk, case.batches(), "sampled", 3).dense()
    for batches in cuts(case):
        fisher = Fisher(case.risk, batches, "sampled", seed=3)
        close(fisher.dense(), expected)
        close(fisher @ expected, expected @ expected)  # the same draw each time
    other = Fisher(case.risk, case.batches(), "sampled", seed=4).dense()
    assert (other - expected).norm() > 0.1 * expected.norm()
    bias = case.risk.restricted(["2.bias"])
    close(Fisher(bias, case.batches(), "sampled", 3).dense(), expected[-3:, -3:])


def test_drawn_labels_give_the_fisher_matrix_on_average():
    case = classifier_mlp(1)
    many = case.x.expand(4000, -1), case.y.expand(4000)
    sampled = Fisher(case.risk, [many], "sampled").dense()
    exact = Fisher(case.risk, [(case.x, case.y)]).dense()
    gradients = torch.stack([
        exact_gradients(case.risk, case.x, torch.tensor([k]))[0] for k in range(3)
    ])
    chances = case.model(case.x).softmax(1)[0].detach()
    squares = torch.einsum("k,ki,kj->ij", chances, gradients**2, gradients**2)
    deviation = ((squares - exact**2).clamp(min=0) / 4000).sqrt()
    assert ((sampled - exact).abs() <= 5 * deviation + 1e-10).all()


@pytest.mark.parametrize(
    ("loss", "outputs", "targets"),
    [
        (nn.CrossEntropyLoss(), randn(1, 3), torch.tensor([2])),
        (nn.CrossEntropyLoss(weight=torch.rand(3), reduction="sum"), randn(1, 3), [1]),
        (nn.CrossEntropyLoss(label_smoothing=0.2), randn(1, 3), torch.tensor([0])),
        (nn.CrossEntropyLoss(), randn(1, 3, 5), SEQUENCE),
        (partial(F.cross_entropy, reduction="sum"), randn(1, 3, 5), SEQUENCE),
        (
            nn.CrossEntropyLoss(torch.rand(3), label_smoothing=0.3),
            randn(1, 3, 5),
            SEQUENCE,
        ),
        (
            nn.CrossEntropyLoss(torch.rand(3), label_smoothing=0.3),
            randn(1, 3, 2),
            randn(1, 3, 2, seed=1).softmax(1),
        ),
        (F.binary_cross_entropy_with_logits, randn(1), torch.ones(1)),
        (
            nn.BCEWithLogitsLoss(torch.rand(3), pos_weight=torch.rand(3)),
            randn(1, 3),
            torch.tensor([[1.0, 0.0, 1.0]]),
        ),
        (nn.BCEWithLogitsLoss(reduction="none"), randn(1, 2, 2), torch.ones(1, 2, 2)),
        (nn.MSELoss(), randn(1, 3), randn(1, 3)),
        (nn.MSELoss(reduction="sum"), randn(1, 3), randn(1, 3)),
    ],
)
def test_scores_have_the_second_moments_of_the_loss(loss, outputs, targets):
    targets = torch.as_tensor(targets)
    likelihood = likelihood_of(loss)
    if targets.is_floating_point():
        targets = targets.double()
    if isinstance(loss, nn.Module):
        loss = loss.double()
    expected = torch.autograd.functional.hessian(
        lambda values: loss(values, targets).sum(), outputs
    )
    expected = expected.reshape(outputs.numel(), -1)
    n, shape = 20_000, outputs.shape[1:]
    uniform = torch.rand(
        n,
        likelihood.n_draws(outputs),
        dtype=torch.float64,
        generator=torch.Generator().manual_seed(0),
    )
    many = targets.expand(n, *targets.shape[1:])
    scores = likelihood.scores(outputs.expand(n, *shape), many, uniform).reshape(n, -1)
    products = scores[:, :, None] * scores[:, None]
    assert scores.shape == (n, outputs.numel())
    spread = products.std(0) / n**0.5
    assert ((products.mean(0) - expected).abs() <= 5 * spread + 1e-12).all()


class Words(nn.Linear):
    """A linear classifier of each position, its classes second as the loss has them."""

    def forward(self, x):
        return super().forward(x).movedim(-1, 1)


def test_for_sequences_it_is_on_the_scale_of_the_hessian():
    risk = EmpiricalRisk(weighted(Words(4, 3)), nn.CrossEntropyLoss())
    data = [(randn(5, 6, 4), labels(30, 3).view(5, 6))]
    close(Fisher(risk, data).dense(), Hessian(risk, data).dense())
    sampled = Fisher(
        risk, [tuple(d.repeat(500, *[1] * (d.ndim - 1)) for d in data[0])], "sampled"
    )
    ratio = sampled.dense().trace() / Fisher(risk, data).dense().trace()
    assert abs(ratio - 1) < 0.05


@pytest.mark.parametrize(
    "loss",
    [
        lambda outputs, targets: outputs.sum(),
        nn.L1Loss(),
        partial(F.cross_entropy, size_average=True),
    ],
)
def test_a_loss_that_is_no_likelihood_is_refused(loss):
    risk = EmpiricalRisk(nn.Linear(2, 2), loss)
    with pytest.raises(InputError, match="GaussNewton takes any loss"):
        Fisher(risk, [(torch.ones(1, 2), torch.ones(1, 2))])


def test_unknown_labels_are_refused():
    case = softmax_regression()
    with pytest.raises(InputError, match='"exact" or "sampled"; got \'true\''):
        Fisher(case.risk, case.batches(), labels="true")


def test_drawing_needs_one_tensor_of_outputs():
    risk = EmpiricalRisk(nn.LSTM(2, 2), nn.MSELoss())
    fisher = Fisher(risk, [(torch.ones(1, 3, 2), torch.ones(1, 3, 2))], "sampled")
    with pytest.raises(InputError, match="output is a tensor; got tuple"):
        fisher.dense()
