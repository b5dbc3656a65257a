"""Blocks of parameters, and what is added to their diagonals."""

from __future__ import annotations

import math

import pytest
from torch import nn

from torchattr.errors import InputError
from torchattr.influence.blocks import BlockMode, blocks_of
from torchattr.influence.regularization import by_block, one_of


class Nested(nn.Module):
    """Parameters at the root, in a child, in a grandchild, and one shared module."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(nn.init.ones_(nn.Linear(1, 1).weight.data))
        self.body = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1)))
        self.again = self.body[0]


def test_layers_are_the_modules_that_own_parameters():
    assert blocks_of(Nested(), BlockMode.LAYER_WISE) == {
        "": ["scale"],
        "body.0": ["body.0.weight", "body.0.bias"],
        "body.1.0": ["body.1.0.weight", "body.1.0.bias"],
    }


def test_full_and_by_parameter():
    names = [name for name, _ in Nested().named_parameters()]
    assert blocks_of(Nested(), BlockMode.FULL) == {"full": names}
    assert blocks_of(Nested(), BlockMode.PARAMETER_WISE) == {n: [n] for n in names}


def test_frozen_parameters_are_in_no_block():
    model = Nested()
    model.scale.requires_grad_(False)
    model.body[0].requires_grad_(False)
    for mode in BlockMode:
        members = [m for block in blocks_of(model, mode).values() for m in block]
        assert members == ["body.1.0.weight", "body.1.0.bias"]


def test_own_blocks_are_flattened_in_the_order_of_the_parameters():
    own = {"second": ["2.bias", "2.weight"], "first": ["0.weight"]}
    model = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1))
    blocks = blocks_of(model, own)
    assert list(blocks.items()) == [
        ("second", ["2.weight", "2.bias"]),
        ("first", ["0.weight"]),
    ]


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        ({"a": ["nowhere"]}, "nowhere"),
        ({"a": ["scale"], "b": ["scale"]}, "two blocks.*scale"),
        ({"a": []}, "empty.*'a'"),
        ({"a": "scale"}, r"list of parameter names.*string for \['a'\]"),
        ({}, "at least one block"),
        ("full", "BlockMode"),
    ],
)
def test_blocks_that_are_none_are_refused(structure, message):
    with pytest.raises(InputError, match=message):
        blocks_of(Nested(), structure)


@pytest.mark.parametrize("amount", [-1e-9, math.nan, math.inf, "strong", True, [0.1]])
def test_amounts_that_are_none_are_refused(amount):
    with pytest.raises(InputError, match="regularization"):
        by_block(amount, ["a"], positive=False)
    with pytest.raises(InputError, match="regularization"):
        by_block({"a": amount}, ["a"], positive=False)


def test_amounts_by_block():
    blocks = ["a", "b", "c"]
    assert by_block(None, blocks, positive=False) == dict.fromkeys(blocks, 0.0)
    assert by_block(1, blocks, positive=True) == dict.fromkeys(blocks, 1.0)
    given = {"a": 1, "c": "auto"}
    assert by_block(given, blocks, positive=False) == {"a": 1.0, "b": 0.0, "c": "auto"}
    with pytest.raises(InputError, match="> 0"):
        by_block(given, blocks, positive=True)
    with pytest.raises(InputError, match=r"unknown blocks \['d'\].*'a', 'b', 'c'"):
        by_block({"d": 1}, blocks, positive=False)


def test_two_names_of_one_argument():
    assert (one_of(0.1, None), one_of(None, 0.2)) == (0.1, 0.2)
    assert one_of(None, None) is None
    with pytest.raises(InputError, match="two names"):
        one_of(0.1, 0.1)
