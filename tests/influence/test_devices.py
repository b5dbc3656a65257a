"""A device changes where answers live, and nothing else."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from tests.influence.cases import convolutional, softmax_regression
from tests.influence.test_every_class import EVERY
from torchattr.influence import (
    DirectInfluence,
    InfluenceMode,
    NestedTorchCatAggregator,
    SecondOrderMode,
    SequentialInfluenceCalculator,
)


@pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
def test_every_class_answers_on_the_device_of_its_model(make, device):
    case = softmax_regression()
    test, train = (case.x_test, case.y_test), (case.x, case.y)
    expected = make(case.model, case.loss, 0.1).fit([train]).influences(*test, *train)
    model = copy.deepcopy(case.model).to(device)
    there = make(model, case.loss, 0.1).fit([train])  # data come from the processor
    moved = make(copy.deepcopy(case.model), case.loss, 0.1).fit([train]).to(device)
    for influence in (there, moved):
        found = influence.influences(*test, *train)
        assert found.device.type == torch.device(device).type
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", InfluenceMode)
def test_convolutions_and_calculators(mode, device):
    case = convolutional()
    test = case.x_test, case.y_test

    def answers(model):
        influence = DirectInfluence(
            model,
            nn.CrossEntropyLoss(),
            0.01,
            second_order_mode=SecondOrderMode.GAUSS_NEWTON,
        ).fit(case.batches(5))
        lazy = SequentialInfluenceCalculator(influence).influences(
            [test], case.batches(5), mode
        )
        return lazy.compute(NestedTorchCatAggregator())

    found = answers(copy.deepcopy(case.model).to(device))
    assert found.device.type == torch.device(device).type
    torch.testing.assert_close(found.cpu(), answers(case.model), rtol=1e-5, atol=1e-7)
