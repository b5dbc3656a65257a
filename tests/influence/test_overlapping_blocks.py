"""Threads that evaluate one model at a time leave it, and torch, as they were."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from torch import nn

from torchattr.influence.empirical_risk import EmpiricalRisk
from torchattr.influence.plain_kernels import plain_kernels


def switches():
    return (
        torch.backends.mha.get_fastpath_enabled(),
        torch.backends.cuda.flash_sdp_enabled(),
        torch.backends.cudnn.enabled,
    )


def test_blocks_that_overlap_are_undone_by_the_last():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.GRU(2, 2)).train()
    model[1].eval()
    risk = EmpiricalRisk(model, nn.MSELoss())
    before = switches()
    steps = Barrier(2, timeout=10)

    def first():
        with risk.evaluating():
            steps.wait()  # both are inside
        steps.wait()  # this one has left

    def second():
        with risk.evaluating():
            steps.wait()
            steps.wait()
            return model.training, switches()

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(first), pool.submit(second)]
        assert futures[1].result() == (False, (False, False, False))
    assert [m.training for m in model] == [True, False, True]
    assert model.training
    assert switches() == before


def test_errors_and_blocks_within_blocks():
    model = nn.Linear(2, 2).train()
    risk = EmpiricalRisk(model, nn.MSELoss())
    before = switches()

    def fail():
        with risk.evaluating():
            with risk.evaluating(), plain_kernels(model):
                assert not torch.backends.mha.get_fastpath_enabled()
            assert not model.training
            assert not torch.backends.mha.get_fastpath_enabled()
            assert torch.backends.cudnn.enabled  # without recurrent layers
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert model.training
    assert switches() == before
