"""Batches: any iterable, read again and again, without a trace."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tests.influence.cases import labels, linear_regression, randn
from torchattr.errors import InputError
from torchattr.influence.batches import Batches
from torchattr.influence.empirical_risk import EmpiricalRisk

CASE = linear_regression(n=6)


def lengths(loader, **options):
    batches = Batches(loader, CASE.risk, **options)
    once, again = ([len(b) for b in batches] for _ in range(2))
    assert once == again
    assert batches.n_examples == sum(once)
    return once


@pytest.mark.parametrize(
    ("loader", "expected"),
    [
        (CASE.batches(4), [4, 2]),
        (iter(CASE.batches(4)), [4, 2]),
        ((batch for batch in CASE.batches(1, 2)), [1, 2, 3]),
        ((CASE.x, CASE.y), [6]),
        ([[CASE.x, CASE.y]], [6]),
        (DataLoader(TensorDataset(CASE.x, CASE.y), batch_size=5), [5, 1]),
        (tuple(CASE.batches(1, 2)), [1, 2, 3]),
        (((CASE.x, CASE.y), (CASE.x, CASE.y)), [6, 6]),
    ],
)
def test_any_iterable_is_read_twice(loader, expected):
    assert lengths(loader) == expected


def test_a_batch_of_another_form_needs_a_function():
    loader = [{"pixels": CASE.x, "label": CASE.y}]
    with pytest.raises(InputError, match=r"batch_function.*inputs, targets"):
        lengths(loader)
    taken = lengths(loader, batch_function=lambda b: (b["pixels"], b["label"]))
    assert taken == [6]


@pytest.mark.parametrize("loader", [[CASE.x], [(CASE.x, CASE.y, CASE.y)], [3], [], 3])
def test_what_is_no_batch_is_refused(loader):
    with pytest.raises(InputError):
        lengths(loader)


def test_a_batch_without_a_list_around_it_is_told_apart():
    with pytest.raises(InputError, match=r"got Tensor.*\[\(x, y\)\] for one batch"):
        lengths([CASE.x, CASE.y])


def test_reading_draws_nothing_from_the_global_stream():
    data = TensorDataset(CASE.x, CASE.y)
    torch.manual_seed(0)
    batches = Batches(DataLoader(data, batch_size=2, shuffle=True), CASE.risk)
    once = torch.cat([b.inputs for b in batches])
    drawn = torch.rand(3)
    again = torch.cat([b.inputs for b in batches])
    torch.manual_seed(0)
    assert torch.equal(torch.rand(3), drawn)
    assert torch.equal(once, again)
    assert not torch.equal(once, CASE.x)  # it does shuffle
    assert torch.equal(once.sort(0).values, CASE.x.sort(0).values)


def test_random_augmentation_is_the_same_in_each_pass_and_differs_between_batches():
    class Noisy(TensorDataset):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x + torch.randn(3, dtype=x.dtype), y

    batches = Batches(DataLoader(Noisy(0 * CASE.x, CASE.y), batch_size=2), CASE.risk)
    once, again = ([b.inputs for b in batches] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert not torch.equal(once[0], once[1])


def test_numbers_take_the_models_precision_and_labels_stay():
    risk = EmpiricalRisk(nn.Linear(4, 3), nn.CrossEntropyLoss())
    (batch,) = Batches([(randn(5, 4), labels(5, 3))], risk)
    assert batch.inputs.dtype == torch.float32
    assert batch.targets.dtype == torch.int64
