"""Baselines become tensors that broadcast to (D, B, *feat); inputs are promoted."""

from __future__ import annotations

import pytest
import torch

from torchattr.errors import InputError
from torchattr.games.baselines import Baseline, BaselineDistribution

X = torch.ones(2, 3)


def replaced(baselines, *inputs):
    """What everything would be replaced by."""
    inputs = inputs or (X,)
    resolved = Baseline.of(baselines, inputs)
    return [
        part.expand(resolved.n_samples, *x.shape)
        for part, x in zip(resolved.replacements, inputs, strict=True)
    ]


@pytest.mark.parametrize(
    ("baselines", "expected"),
    [
        (None, [[0, 0, 0], [0, 0, 0]]),
        (2, [[2, 2, 2], [2, 2, 2]]),
        (0.5, [[0.5] * 3] * 2),
        (torch.tensor(4.0), [[4.0] * 3] * 2),
        (torch.tensor([1.0, 2, 3]), [[1, 2, 3]] * 2),
        (torch.tensor([[1.0], [2.0]]), [[1, 1, 1], [2, 2, 2]]),
        (lambda x: 3 * x, [[3, 3, 3], [3, 3, 3]]),
        ((lambda x: 3 * x)(X), [[3, 3, 3], [3, 3, 3]]),
    ],
)
def test_one_replacement(baselines, expected):
    (part,) = replaced(baselines)
    assert part.tolist() == [expected]


def test_samples_come_first():
    samples = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9], [0, 1, 2]])
    (part,) = replaced(BaselineDistribution(samples))
    assert part.shape == (4, 2, 3)
    assert torch.equal(part[:, 0], samples)
    assert torch.equal(part[:, 1], samples)
    assert Baseline.of(BaselineDistribution(samples), (X,)).is_distribution


def test_a_sample_broadcasts_to_an_example():
    (part,) = replaced(BaselineDistribution(torch.tensor([[1.0], [2.0]])))
    assert part[:, 0].tolist() == [[1, 1, 1], [2, 2, 2]]
    (part,) = replaced(BaselineDistribution(torch.tensor([1.0, 2.0])))
    assert part[:, 0].tolist() == [[1, 1, 1], [2, 2, 2]]


def test_images():
    image = torch.ones(2, 3, 4, 4)
    (part,) = replaced(torch.arange(3.0).reshape(3, 1, 1), image)
    assert part[0, 1, :, 0, 0].tolist() == [0, 1, 2]


def test_several_inputs():
    other = torch.ones(2, 2)
    samples = (torch.zeros(3, 3), torch.ones(3, 2))
    for baselines in (
        BaselineDistribution(samples),
        tuple(map(BaselineDistribution, samples)),
        lambda inputs: BaselineDistribution(samples),
    ):
        one, two = replaced(baselines, X, other)
        assert (one.shape, two.shape) == ((3, 2, 3), (3, 2, 2))
    assert [part.tolist() for part in replaced(5, X[:1, :1], X[:1, :1])] == [
        [[[5]]]
    ] * 2


@pytest.mark.parametrize(
    ("dtype", "baseline", "expected"),
    [
        (torch.int64, 0.5, torch.float32),
        (torch.int64, 2, torch.int64),
        (torch.int64, 2.0, torch.int64),
        (torch.int64, torch.tensor([[0.5, 1, 2]]), torch.float32),
        (torch.int64, torch.tensor([[1.0, 1, 2]]), torch.int64),
        (torch.int64, torch.tensor([[0.5]], dtype=torch.float64), torch.float64),
        (torch.int64, torch.tensor([[torch.nan]]), torch.float32),
        (torch.uint8, -1, torch.int64),
        (torch.uint8, 300, torch.int64),
        (torch.uint8, 3, torch.uint8),
        (torch.bool, 0, torch.bool),
        (torch.bool, True, torch.bool),
        (torch.bool, 2, torch.int64),
        (torch.bool, 0.5, torch.float32),
        (torch.float16, 0.5, torch.float16),
        (torch.float16, torch.tensor(0.5, dtype=torch.float64), torch.float16),
        (torch.float64, 0.5, torch.float64),
        (torch.bfloat16, None, torch.bfloat16),
    ],
)
def test_inputs_are_promoted_where_they_cannot_hold_the_baseline(
    dtype, baseline, expected
):
    resolved = Baseline.of(baseline, (X.to(dtype),))
    assert resolved.inputs[0].dtype == resolved.replacements[0].dtype == expected
    assert torch.equal(resolved.inputs[0].double(), X.double())


def test_samples_decide_together_about_promotion():
    samples = BaselineDistribution(torch.tensor([[1.0], [0.5]]))
    resolved = Baseline.of(samples, (X.long(),))
    assert resolved.inputs[0].dtype == torch.float32


def test_everything_is_on_the_device_of_its_input(device):
    x = X.to(device)
    for baselines in (None, 1, X, BaselineDistribution(X)):
        resolved = Baseline.of(baselines, (x,))
        assert resolved.replacements[0].device.type == device.type


@pytest.mark.parametrize(
    ("baselines", "message"),
    [
        (
            torch.zeros(3, 3),
            r"baselines\[0\] has shape \(3, 3\).*\(2, 3\) of inputs\[0\]",
        ),
        (torch.zeros(2, 4), r"baselines\[0\] has shape \(2, 4\)"),
        (torch.zeros(1, 2, 3), r"baselines\[0\] has shape \(1, 2, 3\)"),
        (BaselineDistribution(torch.zeros(5, 2)), r"\(each sample\) has shape \(2,\)"),
        ("zero", r"baselines\[0\] must be a number, a tensor or .*got str"),
        ([0], r"baselines\[0\] must be a number, a tensor or .*got list"),
        ((), "one entry for each of the 1 inputs, got 0"),
        ((0, 0), "one entry for each of the 1 inputs, got 2"),
        (lambda x: "zero", r"baselines\[0\] must be a number"),
    ],
)
def test_what_is_no_baseline(baselines, message):
    with pytest.raises(InputError, match=message):
        Baseline.of(baselines, (X,))


def test_two_distributions_of_different_sizes():
    baselines = tuple(BaselineDistribution(torch.zeros(k, 3)) for k in (2, 3))
    with pytest.raises(InputError, match=r"same number of samples.*\[2, 3\]"):
        Baseline.of(baselines, (X, X))
