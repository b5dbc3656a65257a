"""Data of every kind become the same tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from torchattr.errors import InputError
from torchattr.training import Examples, as_examples

X = np.arange(12, dtype=np.float64).reshape(4, 3)
Y = np.array([0, 1, 0, 2], dtype=np.int32)
TX, TY = torch.tensor(X, dtype=torch.float32), torch.tensor(Y, dtype=torch.int64)


class Map(Dataset):
    def __init__(self, item):
        self.item = item

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return self.item(i)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(X, Y.tolist(), strict=True))


class Raw:
    """What a dataset of the valuation face offers."""

    def data(self):
        return X, Y


DATA = {
    "tensors": (TX, TY),
    "arrays": (X, Y),
    "lists": [X.tolist(), Y.tolist()],
    "other byte order": (X.astype(">f8"), Y.astype(">i4")),
    "long double": (X.astype(np.longdouble), Y.astype(np.uint8)),
    "strided": (np.repeat(X, 2, axis=0)[::2], Y[::-1][::-1]),
    "dataset of tensors": TensorDataset(TX, TY),
    "dataset of arrays": Map(lambda i: (X[i], int(Y[i]))),
    "subset": Subset(TensorDataset(TX, TY), range(4)),
    "stream": Stream(),
    "raw": Raw(),
    "examples": Examples(TX, TY),
}


@pytest.mark.parametrize("name", DATA)
def test_the_same_tensors(name):
    examples = as_examples(DATA[name], dtype=torch.float32)
    assert torch.equal(examples.inputs, TX)
    assert torch.equal(examples.targets, TY)
    assert examples.inputs.dtype == torch.float32
    assert examples.targets.dtype == torch.int64
    assert len(examples) == 4


def test_tensors_stay_as_they_are_but_need_no_gradient():
    x = TX.double().requires_grad_()
    examples = as_examples((x, TY.to(torch.int32)), dtype=torch.float32)
    assert examples.inputs.dtype == torch.float64
    assert examples.targets.dtype == torch.int32
    assert not examples.inputs.requires_grad


def test_tuples_and_dicts():
    pair = as_examples(((X, TX), Y))
    assert isinstance(pair.inputs, tuple)
    assert [t.dtype for t in pair.inputs] == [torch.float32] * 2
    named = as_examples(({"a": X, "b": Y}, Y)).take(torch.tensor([[1, 2], [3, 3]]))
    assert named.inputs["a"].shape == (2, 2, 3)
    assert named.inputs["b"].tolist() == [[1, 0], [2, 2]]
    three = as_examples(TensorDataset(TX, TX, TY))
    assert len(three.inputs) == 2
    items = as_examples(Map(lambda i: ({"a": X[i]}, float(Y[i]))))
    assert items.inputs["a"].dtype == items.targets.dtype == torch.float32
    items = as_examples(Map(lambda i: ((X[i], TX[i]), TY[i])))
    assert torch.equal(items.inputs[0], items.inputs[1])
    assert named.to("cpu").targets is named.targets


WRONG = {
    "no pair": (np.ones(3), "pair"),
    "three": ((X, Y, Y), "of length 3"),
    "lengths": ((X, Y[:3]), "one row for each"),
    "scalar": ((X, 1.0), "one row for each"),
    "texts": ((np.array([["a"], ["b"]]), [0, 1]), "must hold numbers"),
    "objects": ((np.array([None, 1]), [0, 1]), "must hold numbers"),
    "list of tensors": (([TX, TX], TY), "torch.stack"),
    "nobody": ((X[:0], Y[:0]), "at least one example"),
    "empty dataset": (TensorDataset(TX[:0], TY[:0]), "at least one example"),
    "no pairs inside": (Map(lambda i: TX[i]), "pair"),
    "texts inside": (Map(lambda i: ("a", 1)), "numbers"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_used_is_refused(name):
    data, message = WRONG[name]
    with pytest.raises(InputError, match=message):
        as_examples(data)
