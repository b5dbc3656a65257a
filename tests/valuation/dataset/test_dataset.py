"""Points with indices and names, of arrays or tensors, which they stay."""

from __future__ import annotations

import gc
import math
import pickle
import sys
import tempfile
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.model_selection import train_test_split

from torchattr.errors import InputError, MissingExtraError
from torchattr.games.examples import as_examples
from torchattr.valuation.dataset import Dataset, GroupedDataset, RawData

X, Y = np.arange(12.0).reshape(4, 3), np.array([0, 1, 1, 0])
KINDS = {"numpy": np.asarray, "torch": torch.as_tensor}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def kind(request):
    """Arrays, or tensors."""
    return request.param


# RawData


def test_raw_data_unpacks_and_takes_rows(kind):
    data = RawData(kind(X), kind(Y))
    x, y = data
    assert x is data.x
    assert y is data.y
    assert len(data) == 4
    for rows, expected in ((2, [2]), (slice(1, 3), [1, 2]), ([3, 0], [3, 0])):
        part = data[rows]
        assert type(part.x) is type(kind(X))
        assert part.x.tolist() == X[expected].tolist()
        assert part.y.tolist() == Y[expected].tolist()
    assert data.cpu().x.tolist() == X.tolist()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X, torch.as_tensor(Y), "both be NumPy arrays, or both torch"),
        (X, Y[:3], r"\(4, 3\) and \(3,\)"),
        (X, np.array(1), "one row for each point"),
        ([[1.0]], np.array([1]), "arrays or tensors, got list and ndarray"),
    ],
)
def test_raw_data_must_agree(x, y, message):
    with pytest.raises(InputError, match=message):
        RawData(x, y)


# Dataset


def test_a_dataset_keeps_its_kind_and_names(kind):
    data = Dataset(kind(X), kind(Y), data_names=list("abcd"))
    assert type(data.data().x) is type(kind(X))
    assert len(data) == 4
    assert data.indices.tolist() == [0, 1, 2, 3]
    assert data.names.tolist() == list("abcd")
    assert data.data([2, 0]).x.tolist() == X[[2, 0]].tolist()
    assert data.data(3).y.tolist() == [0]
    assert data.data(slice(2)).y.tolist() == [0, 1]
    assert data.data_indices([2, 0]).tolist() == [2, 0]
    assert data.data_indices().tolist() == [0, 1, 2, 3]
    assert data.logical_indices([3]).tolist() == [3]
    assert data.logical_indices().tolist() == [0, 1, 2, 3]


def test_everything_is_given_without_a_copy(kind):
    x = kind(X)
    assert Dataset(x, kind(Y)).data().x is x


def test_names_are_indices_by_default():
    data = Dataset(X, Y)
    assert data.names.tolist() == ["0", "1", "2", "3"]
    assert data.feature_names == ["x0", "x1", "x2"]
    assert data.target_names == ["y0"]
    assert data.description == ""


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (2, [2]),
        (-1, [3]),
        (slice(1, None), [1, 2, 3]),
        ([3, 1], [3, 1]),
        (np.array([True, False, True, False]), [0, 2]),
        ([], []),
    ],
)
def test_slices_are_datasets_that_keep_names(kind, key, expected):
    data = Dataset(kind(X), kind(Y), ["p", "q", "r"], data_names=[10, 11, 12, 13])
    part = data[key]
    assert type(part) is Dataset
    assert part.names.tolist() == [10 + i for i in expected]
    assert part.indices.tolist() == list(range(len(expected)))
    assert part.data().x.tolist() == X[expected].tolist()
    assert part.feature_names == ["p", "q", "r"]
    assert data[1:][[0, 2]].names.tolist() == [11, 13]


def test_no_such_index_is_an_index_error_and_an_input_error():
    for wrong in (4, [-5], [0, 9]):
        with pytest.raises(IndexError) as caught:
            Dataset(X, Y).data(wrong)
        assert isinstance(caught.value, InputError)
    for wrong in ("a", [0.5], [[0]]):
        with pytest.raises(InputError, match="chosen by an index"):
            Dataset(X, Y)[wrong]


def test_features_and_targets_are_found_by_name(kind):
    data = Dataset(kind(X), kind(Y), ["p", "q", "r"])
    assert data.data().x[data.feature("q")].tolist() == X[:, 1].tolist()
    assert data.data().y[data.target("y0")].tolist() == Y.tolist()
    assert (data.n_features, data.n_targets) == (3, 1)
    with pytest.raises(InputError, match=r"no feature is called 'z'.*'p', 'q'"):
        data.feature("z")
    two = Dataset(kind(X), kind(X[:, :2]), target_names=["a", "b"], multi_output=True)
    assert two.data().y[two.target("b")].tolist() == X[:, 1].tolist()
    assert two.n_targets == 2
    classes = Dataset(kind(X), kind(Y), target_names=["cat", "dog"])
    with pytest.raises(InputError, match="name the classes"):
        classes.target("dog")


def test_images_and_other_shapes_are_inputs(kind):
    data = Dataset(kind(np.zeros((4, 1, 8, 8))), kind(Y))
    assert data.n_features == 64
    assert data[:2].data().x.shape == (2, 1, 8, 8)
    assert Dataset(kind(X[:, 0]), kind(Y)).n_features == 1


def test_a_single_column_of_targets_is_flattened_unless_it_is_meant(kind):
    column = kind(Y[:, None])
    assert Dataset(kind(X), column).data().y.shape == (4,)
    assert Dataset(kind(X), column, multi_output=True).data().y.shape == (4, 1)
    with pytest.raises(InputError, match="multi_output=True"):
        Dataset(kind(X), kind(X))


def test_lists_become_arrays_and_strings_are_targets():
    data = Dataset([[1.0], [2.0]], ["cat", "dog"])
    assert data.data().y.tolist() == ["cat", "dog"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"feature_names": ["a"]}, "feature_names must name the 3 columns"),
        ({"data_names": ["a"]}, "data_names must have one name for each of 4"),
        ({"y": Y[:3]}, "one row for each point"),
        ({"y": torch.as_tensor(Y)}, "both be NumPy arrays"),
    ],
)
def test_what_does_not_agree_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        Dataset(**{"x": X, "y": Y} | options)


def test_a_dataset_is_what_a_learner_is_trained_on(kind):
    examples = as_examples(Dataset(kind(X), kind(Y)), dtype=torch.float64)
    assert examples.inputs.tolist() == X.tolist()
    assert examples.targets.dtype is torch.int64


# Splits


@pytest.mark.parametrize("train_size", [0.8, 0.55, 7])
@pytest.mark.parametrize("stratify", [False, True])
def test_splits_are_scikit_learns(train_size, stratify):
    bunch = load_iris()
    train, test = Dataset.from_sklearn(bunch, train_size, 16, stratify)
    expected = train_test_split(
        bunch.data,
        bunch.target,
        train_size=train_size,
        random_state=16,
        stratify=bunch.target if stratify else None,
    )
    found = [train.data().x, test.data().x, train.data().y, test.data().y]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert train.feature_names == test.feature_names == bunch.feature_names
    assert list(train.target_names) == ["setosa", "versicolor", "virginica"]
    assert "Iris" in train.description


def test_other_bundled_data_are_taken():
    train, test = Dataset.from_sklearn(load_diabetes(), 100)
    assert (len(train), len(test)) == (100, 342)
    train, _ = Dataset.from_sklearn(load_digits(), 100, description="mine")
    assert train.n_features == 64
    assert train.description == "mine"


def test_a_split_keeps_kinds_and_names_together(kind):
    x, names = np.arange(20.0)[:, None], [f"p{i}" for i in range(20)]
    train, test = Dataset.from_arrays(
        kind(x), kind(x[:, 0]), random_state=1, data_names=names
    )
    assert (len(train), len(test)) == (16, 4)
    for part in (train, test):
        assert type(part.data().x) is type(kind(x))
        assert part.names.tolist() == [f"p{int(v)}" for v in part.data().y]
    assert set(train.names) | set(test.names) == set(names)


def test_a_split_follows_its_seed_and_leaves_the_global_one():
    def points(seed):
        return Dataset.from_arrays(X, Y, 0.5, seed)[0].data().x.tolist()

    assert points(3) == points(3)
    assert points(np.random.default_rng(3)) == points(np.random.default_rng(3))
    np.random.seed(5)  # ruff: ignore[numpy-legacy-random] (the global state is meant)
    points(None)
    drawn = np.random.rand()  # ruff: ignore[numpy-legacy-random] (as above)
    assert drawn == pytest.approx(0.22199317, abs=1e-8)


def test_stratified_splits_of_tensors():
    y = torch.tensor([0, 1] * 10)
    train, _ = Dataset.from_arrays(
        torch.zeros(20, 1), y, 0.5, np.random.default_rng(0), stratify_by_target=True
    )
    assert train.data().y.sum() == 5


@pytest.mark.parametrize("train_size", [0.0, 1.0, 0, 4, 0.1])
def test_no_part_may_be_empty(train_size):
    with pytest.raises(InputError, match="both parts need at least one"):
        Dataset.from_arrays(X, Y, train_size)


def test_a_class_of_one_cannot_be_stratified():
    with pytest.raises(InputError, match="cannot be split by class"):
        Dataset.from_arrays(X, np.array([0, 0, 0, 1]), 0.5, stratify_by_target=True)


def test_stratifying_without_scikit_learn_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.model_selection", None)
    with pytest.raises(MissingExtraError, match=r"torchattr\[sklearn\]"):
        Dataset.from_arrays(X, Y, stratify_by_target=True)
    assert len(Dataset.from_arrays(X, Y, 0.5)[0]) == 2


# Memory maps


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where temporary files go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_mapped_arrays_live_in_files_that_go_with_the_last_user(folder):
    data = Dataset(X, Y, mmap=True)
    view = GroupedDataset.from_dataset(data, [0, 0, 1, 1])
    assert isinstance(data.data().x, np.memmap)
    assert data.data().x.tolist() == X.tolist()
    assert len(list(folder.rglob("*.npy"))) == 2
    part = data[1:]
    del data
    gc.collect()
    assert view.data([1]).y.tolist() == [1, 0]
    del view
    gc.collect()
    assert list(folder.iterdir()) == []
    assert part.data().x.tolist() == X[1:].tolist()  # a copy


def test_what_is_sent_is_a_path(folder):
    data = Dataset(np.zeros((1000, 400)), np.zeros(1000), mmap=True)
    sent = pickle.dumps(data)
    assert len(sent) < 150_000
    received = pickle.loads(sent)
    assert isinstance(received.data().x, np.memmap)
    del received
    gc.collect()
    assert len(list(folder.rglob("*.npy"))) == 2  # still the first one's
    assert len(pickle.dumps(Dataset(np.zeros((1000, 400)), np.zeros(1000)))) > 3_200_000


def test_workers_read_the_files(folder):
    data = Dataset(X, Y, mmap=True)
    sums = joblib.Parallel(n_jobs=2, backend="threading")(
        joblib.delayed(lambda d, i: float(d.data([i]).x.sum()))(data, i)
        for i in range(4)
    )
    assert sums == X.sum(1).tolist()


def test_a_model_cannot_change_the_files(folder):
    data = Dataset(X, Y, mmap=True)
    received = pickle.loads(pickle.dumps(data))
    received.data().x[0, 0] = math.pi
    assert data.data().x[0, 0] == 0
    assert as_examples(data).inputs.shape == (4, 3)  # without a warning


def test_splits_are_mapped_each(folder):
    train, test = Dataset.from_arrays(X, Y, 0.5, mmap=True)
    assert isinstance(train.data().x, np.memmap)
    assert isinstance(test.data().x, np.memmap)
    assert len(list(folder.rglob("*.npy"))) == 4


def test_what_cannot_be_mapped_leaves_nothing_behind(folder):
    with pytest.raises(InputError, match="share_memory_"):
        Dataset(torch.zeros(4, 3), torch.zeros(4), mmap=True)
    with pytest.raises(InputError, match="not of objects"):
        Dataset(X, np.array([1, "a", None, 2], dtype=object), mmap=True)
    gc.collect()
    assert list(Path(folder).iterdir()) == []
