"""What a module's buffers were, they are again."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from torchattr.games.module_state import buffers_preserved, module_of


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("in_place", torch.zeros(2))
        self.register_buffer("assigned", torch.zeros(2))
        self.register_buffer("absent", None)

    def forward(self, x):
        self.in_place.add_(1)
        self.assigned = torch.add(self.assigned, 1)
        return x


@pytest.mark.parametrize("wrapped", [lambda m: m, lambda m: m.forward, partial])
def test_buffers_changed_in_either_way_are_restored(wrapped):
    module = Counter()
    before = [id(buffer) for buffer in module.buffers()]
    with buffers_preserved(wrapped(module)):
        module(0)
        assert module.in_place.tolist() == module.assigned.tolist() == [1, 1]
    assert module.in_place.tolist() == module.assigned.tolist() == [0, 0]
    assert [id(buffer) for buffer in module.buffers()] == before


def test_also_after_an_error():
    module = nn.Sequential(nn.BatchNorm1d(3))
    with pytest.raises(ValueError, match="expected 2D"), buffers_preserved(module):
        module(module(torch.randn(5, 3))[0])
    assert not bool(module[0].running_mean.any())
    assert int(module[0].num_batches_tracked) == 0


def test_one_layer_in_training_mode_is_enough():
    module = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).eval()
    module[1].train()
    with buffers_preserved(module):
        module(torch.randn(5, 3))
    assert not bool(module[1].running_mean.any())


def test_a_module_in_evaluation_mode_keeps_what_it_changes():
    module = Counter().eval()
    with buffers_preserved(module):
        module(0)
    assert module.in_place.tolist() == [1, 1]


def test_tied_buffers_stay_tied():
    module = nn.ModuleList([Counter(), Counter()])
    module[1].in_place = module[0].in_place
    with buffers_preserved(module):
        module[0](0)
    assert module[1].in_place is module[0].in_place
    assert module[0].in_place.tolist() == [0, 0]


def test_functions_are_let_be():
    with buffers_preserved(lambda x: x):
        pass


def test_the_module_behind_a_function():
    module = Counter()
    assert module_of(module) is module
    assert module_of(module.forward) is module
    assert module_of(partial(partial(module, 1), 2)) is module
    assert module_of(lambda x: module(x)) is None
    assert module_of(print) is None
