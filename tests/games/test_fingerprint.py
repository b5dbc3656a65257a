"""Fingerprints depend on content, all of it, and on nothing else."""

from __future__ import annotations

import argparse
import enum
import functools
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from torchattr.errors import InputError
from torchattr.games.fingerprint import fingerprint, structure_of

SMOOTHING = 0.1
SETTING = None


def smoothed(outputs, targets):
    return nn.functional.cross_entropy(outputs, targets, label_smoothing=SMOOTHING)


def scaled(factor):
    return lambda x: factor * x


def recursive(n):
    return recursive(n - 1) if n else 0


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass
class Pair:
    left: object
    right: object


class Net(nn.Module):
    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return self.scale * self.layer(x)


class Loss:
    def __init__(self, weight):
        self.weight = weight

    def __call__(self, outputs, targets):
        return self.weight * (outputs - targets).square()


def net(seed=0, scale=1.0, *, frozen=False):
    torch.manual_seed(seed)
    made = Net(scale)
    made.layer.bias.requires_grad_(not frozen)
    return made


def adam(**options):
    return torch.optim.Adam([nn.Parameter(torch.zeros(1))], **options)


def with_code(source):
    namespace = {"__name__": "own"}
    exec(source, namespace)
    return namespace["f"]


DIFFERENT = {
    "none": None,
    "false": False,
    "zero": 0,
    "one": 1,
    "half": 0.5,
    "complex": 1j,
    "text": "1",
    "bytes": b"1",
    "empty": [],
    "nested": [[]],
    "sequence": [1, 2],
    "swapped": [2, 1],
    "joined": [12],
    "set": {1, 2},
    "dict": {"a": 1, "b": 2},
    "other key": {"a": 1, "c": 2},
    "array": np.zeros(2),
    "float32": np.zeros(2, dtype=np.float32),
    "int": torch.zeros(2, dtype=torch.int64),
    "column": torch.zeros(2, 1, dtype=torch.float64),
    "one element": torch.tensor([0.0, 1e-300], dtype=torch.float64),
    "half precision": torch.zeros(2, dtype=torch.bfloat16),
    "objects": np.array(["a", None], dtype=object),
    "texts": np.array(["a", "b"]),
    "dtype": torch.float32,
    "colour": Colour.RED,
    "other colour": Colour.BLUE,
    "pair": Pair(1, 2),
    "other pair": Pair(2, 1),
    "function": smoothed,
    "closure": scaled(2),
    "other closure": scaled(3),
    "recursive": recursive,
    "builtin": len,
    "ufunc": np.add,
    "torch function": torch.relu,
    "functional": nn.functional.relu,
    "partial": functools.partial(torch.optim.Adam, lr=1e-2),
    "other rate": functools.partial(torch.optim.Adam, lr=1e-3),
    "class": torch.optim.Adam,
    "own class": Net,
    "optimizer": adam(lr=1e-2),
    "other optimizer": adam(lr=1e-3),
    "module": net(),
    "other weights": net(1),
    "other setting": net(0, 2.0),
    "frozen": net(0, 1.0, frozen=True),
    "loss module": nn.CrossEntropyLoss(),
    "smoothing module": nn.CrossEntropyLoss(label_smoothing=0.1),
    "weighted module": nn.CrossEntropyLoss(weight=torch.ones(2)),
    "dropout": nn.Dropout(0.1),
    "more dropout": nn.Dropout(0.2),
    "method": "a".join,
    "own method": Pair(1, 2).__eq__,
    "callable object": Loss(1),
    "other callable object": Loss(2),
    "code": with_code("def f(x): return x + 1"),
    "other constant": with_code("def f(x): return x + 2"),
    "other operation": with_code("def f(x): return x - 1"),
    "default": with_code("def f(x=1): return x + 1"),
    "keyword": with_code("def f(*, x=1): return x + 1"),
    "inner": with_code("def f(x): return (lambda: x + 1)()"),
    "other inner": with_code("def f(x): return (lambda: x + 2)()"),
    "set of constants": with_code("def f(x): return x in {'a', 'b', 'c'}"),
}


def test_different_things_have_different_fingerprints():
    prints = {name: fingerprint(thing) for name, thing in DIFFERENT.items()}
    assert len(set(prints.values())) == len(prints)
    assert all(len(text) == 64 for text in prints.values())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (0.1, np.float64(0.1)),
        (True, np.True_),
        ([1, 2], (1, 2)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (np.arange(6).reshape(2, 3), torch.arange(6).reshape(2, 3)),
        (torch.arange(6).reshape(2, 3).T, torch.arange(6).reshape(2, 3).T.contiguous()),
        (np.arange(3, dtype=">i8"), np.arange(3)),
        (torch.arange(6).reshape(2, 3)[1:, 2], torch.tensor([5])),
        (torch.tensor(2.0).expand(3), torch.full((3,), 2.0)),
        (torch.eye(2).to_sparse(), torch.eye(2)),
        (scaled(2), scaled(2)),
        (net(3), net(3)),
        (net(3).train(), net(3).eval()),
        (adam(lr=0.1), adam(lr=0.1)),
        (Loss(1), Loss(1)),
        (with_code("def f(x):\n    return x"), with_code("\n\ndef f(x): return x")),
    ],
)
def test_equal_content_has_equal_fingerprints(one, other):
    assert fingerprint(one) == fingerprint(other)


def test_what_a_function_looks_up_counts(monkeypatch):
    before = fingerprint(smoothed)
    monkeypatch.setitem(globals(), "SMOOTHING", 0.2)
    assert fingerprint(smoothed) != before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"lr": 0.1}, {"lr": 0.2}),
        (argparse.Namespace(lr=[0.1]), argparse.Namespace(lr=[0.2])),
        (nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.1)),
        (functools.partial(recursive, 1), functools.partial(recursive, 2)),
        (torch.relu, torch.tanh),
        (type("Config", (), {"lr": 0.1}), type("Config", (), {"lr": 0.2})),
    ],
)
def test_settings_that_a_function_looks_up_count(monkeypatch, one, other):
    def looks_up():
        return SETTING

    monkeypatch.setitem(globals(), "SETTING", one)
    before = fingerprint(looks_up)
    assert fingerprint(looks_up) == before
    monkeypatch.setitem(globals(), "SETTING", other)
    assert fingerprint(looks_up) != before


def recording():
    calls, counts, total, kept = [], {"n": 0}, 0, {}

    def loss(outputs, targets):
        nonlocal total
        total += 1
        calls.append(outputs)
        counts["n"] += 1
        kept["last"] = targets
        return outputs - targets

    return loss


def test_what_a_function_records_is_none_of_it():
    loss = recording()
    before = fingerprint(loss)
    loss(2.0, 1.0)
    assert fingerprint(loss) == before == fingerprint(recording())


def variant(*, scale="2", activation=torch.relu, options=()):
    """A class of the user's, whose parts differ in one place."""
    source = f"""
class Variant(nn.Module):
    def __init__(self, activation, options):
        super().__init__()
        self.activation, self.options = activation, options

    @property
    def scale(self):
        return {scale}

    def helper(self, x):
        return {scale} * x

    def forward(self, x):
        return self.activation(self.helper(x))
"""
    names = {"nn": nn, "__name__": __name__}
    exec(source, names)
    return structure_of(names["Variant"](activation, options))


def test_the_code_and_settings_of_a_users_module_count():
    assert variant() == variant()
    others = [
        variant(scale="3"),
        variant(activation=torch.tanh),
        variant(options={"a": [1]}),
        variant(options={"a": [2]}),
        variant(options=None),
    ]
    assert len({variant(), *others}) == 6


def test_shared_parameters_differ_from_equal_ones():
    tied, equal = (nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)) for _ in range(2))
    tied[1].weight = tied[0].weight
    assert structure_of(tied) != structure_of(equal)


def test_structure_is_without_weights():
    assert structure_of(net(0)) == structure_of(net(1))
    assert structure_of(net(0)) != structure_of(net(0, 2.0))
    assert structure_of(net(0)) != structure_of(net(0, 1.0, frozen=True))
    assert structure_of(nn.Linear(2, 3)) != structure_of(nn.Linear(2, 4))


def test_what_holds_itself_has_a_fingerprint():
    loop = [1]
    loop.append(loop)
    assert fingerprint(loop) != fingerprint([1, [1]])


@pytest.mark.parametrize("thing", [object(), [object()], {"a": torch.Generator()}])
def test_anything_else_is_refused(thing):
    with pytest.raises(InputError, match="Pass tensors"):
        fingerprint(thing)


def test_estimators_and_scorers_of_sklearn():
    linear = pytest.importorskip("sklearn.linear_model")
    metrics = pytest.importorskip("sklearn.metrics")
    one, other = linear.Ridge(alpha=1.0), linear.Ridge(alpha=2.0)
    assert fingerprint(one) == fingerprint(linear.Ridge(alpha=1.0))
    assert fingerprint(one) != fingerprint(other)
    first, second = (metrics.get_scorer(name) for name in ("accuracy", "f1"))
    assert fingerprint(first) == fingerprint(metrics.get_scorer("accuracy"))
    assert fingerprint(first) != fingerprint(second)


CHILD = """
import functools, torch
from torch import nn
from torchattr.games.fingerprint import fingerprint
torch.manual_seed(0)
def loss(a, b, kinds=frozenset("abcdef")):
    return (a - b) if "a" in {"x", "y", "z"} else (a - b) ** 2
print(fingerprint([loss, nn.Linear(2, 2), functools.partial(torch.optim.Adam, lr=0.1),
                   {"a", "b", "c"}, Ellipsis]))
"""


def test_processes_agree(capsys):
    other = subprocess.run(
        [sys.executable, "-c", CHILD],
        env={"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    exec(CHILD, {"__name__": "__main__"})
    assert capsys.readouterr().out == other.stdout
