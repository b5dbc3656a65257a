"""Targets in all of captum's forms: the chosen output, or an InputError."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from tests.attr.cases import TABULAR, mlp
from torchattr import attr
from torchattr.errors import InputError

METHODS = {
    "FeatureAblation": lambda f: attr.FeatureAblation(f).attribute,
    "FeaturePermutation": lambda f: attr.FeaturePermutation(f).attribute,
    "KernelShap": lambda f: attr.KernelShap(f).attribute,
    "Lime": lambda f: attr.Lime(f).attribute,
    "Occlusion": lambda f: lambda x, **k: attr.Occlusion(f).attribute(x, (2,), **k),
    "Shapley": lambda f: partial(attr.Shapley(f).attribute, budget=20),
    "ShapleyValueSampling": lambda f: attr.ShapleyValueSampling(f).attribute,
    "ShapleyValues": lambda f: attr.ShapleyValues(f).attribute,
}
by_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
# All methods hand their target to the same forward: two try every form.
FEW = {name: METHODS[name] for name in ("FeatureAblation", "ShapleyValueSampling")}
by_few = pytest.mark.parametrize("method", FEW.values(), ids=FEW)


def table(x):
    """``(B, 3, 2)`` outputs."""
    return torch.stack([mlp()(x), mlp()(x).square()], dim=2)


def explained(method, forward, **arguments):
    torch.manual_seed(0)
    return method(forward)(TABULAR, **arguments)


CHOICES = {
    "an int": (mlp(), 1, lambda y: y[:, 1]),
    "from the end": (mlp(), -1, lambda y: y[:, 2]),
    "a numpy integer": (mlp(), np.int64(2), lambda y: y[:, 2]),
    "a tensor with one element": (mlp(), torch.tensor([2]), lambda y: y[:, 2]),
    "a tensor without dimensions": (mlp(), torch.tensor(2), lambda y: y[:, 2]),
    "a list": (mlp(), [0, 2, 1, 1], lambda y: y[range(4), [0, 2, 1, 1]]),
    "a tensor": (
        mlp(),
        torch.tensor([0, 2, 1, 1], dtype=torch.int32),
        lambda y: y[range(4), [0, 2, 1, 1]],
    ),
    "an int into a table": (table, 1, lambda y: y[:, 1]),
    "a tuple": (table, (1, 0), lambda y: y[:, 1, 0]),
    "a list of tuples": (
        table,
        [(0, 1), (2, 0), (1, 1), (-1, 0)],
        lambda y: y[range(4), [0, 2, 1, 2], [1, 0, 1, 0]],
    ),
    "a list into a table": (table, [0, 2, 1, 1], lambda y: y[range(4), [0, 2, 1, 1]]),
}


@by_few
@pytest.mark.parametrize(("forward", "target", "chosen"), CHOICES.values(), ids=CHOICES)
def test_it_is_as_if_the_model_had_returned_that(method, forward, target, chosen):
    expected = explained(method, lambda x: chosen(forward(x)), perturbations_per_eval=1)
    for perturbations_per_eval in (1, None):
        found = explained(
            method,
            forward,
            target=target,
            perturbations_per_eval=perturbations_per_eval,
        )
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def no_grid(x):
    return mlp()(x)[:, 0]


WRONG = {
    "a float": (mlp(), 1.0, "Target type <class 'float'> is not valid"),
    "a string": (mlp(), "1", "Target type <class 'str'> is not valid"),
    "a float tensor": (mlp(), torch.tensor([1.0]), "target must hold integers"),
    "a list of floats": (mlp(), [0.0, 1, 2, 0], "Target type <class 'list'>"),
    "a list of lists": (mlp(), [[0], [1], [2], [0]], "Target type <class 'list'>"),
    "an empty list": (mlp(), [], "Target type <class 'list'>"),
    "an empty tuple": (mlp(), (), "Target type <class 'tuple'>"),
    "tuples of several lengths": (
        table,
        [(0,), (1, 1), (0,), (0,)],
        "Target type <class 'list'>",
    ),
    "a mixed list": (table, [0, (1, 1), 0, 0], "Target type <class 'list'>"),
    "a tensor of two dimensions": (
        table,
        torch.zeros(4, 2, dtype=torch.int64),
        r"target as a tensor .*\(4, 2\)",
    ),
    "out of range": (mlp(), 3, r"target must lie in \[-3, 3\).*got 3"),
    "below the range": (mlp(), -4, r"target must lie in \[-3, 3\).*got -4"),
    "one of a list out of range": (mlp(), [0, 3, 1, 1], r"target must lie in \[-3, 3"),
    "out of range, by tuple": (table, (0, 2), r"target must lie in \[-2, 2\)"),
    "too few": (mlp(), [0, 1, 2], "Target list length does not match output!"),
    "too many": (mlp(), [0, 1, 2, 0, 1], "Target list length does not match"),
    "too few in a tensor": (mlp(), torch.tensor([0, 1]), "Target list length"),
    "too many indices": (mlp(), (0, 1), "target has 2 indices"),
    "an output without dimensions to choose from": (no_grid, 0, "target has 1 indices"),
    "a number for the batch": (torch.sum, 0, "target has 1 indices"),
}


@by_few
@pytest.mark.parametrize(("forward", "target", "message"), WRONG.values(), ids=WRONG)
def test_what_is_no_target(method, forward, target, message):
    with pytest.raises(InputError, match=message):
        method(forward)(TABULAR, target=target)


@by_method
def test_a_list_of_one_for_a_batch_of_one(method):
    torch.manual_seed(0)
    by_list = method(mlp())(TABULAR[:1], target=[2])
    torch.manual_seed(0)
    assert torch.equal(by_list, method(mlp())(TABULAR[:1], target=2))


@by_method
@pytest.mark.parametrize("target", [(2, 1), [(0, 1), (2, 0), (1, 1), (-1, 0)]])
def test_every_method_takes_a_target(method, target):
    by_hand = explained(method, table)
    rows = [target] * 4 if isinstance(target, tuple) else target
    expected = torch.stack([by_hand[(k, *row)] for k, row in enumerate(rows)])
    found = explained(method, table, target=target)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@by_method
def test_every_method_refuses_what_is_no_target(method):
    with pytest.raises(InputError, match="Target type <class 'float'> is not valid"):
        method(mlp())(TABULAR, target=1.0)
