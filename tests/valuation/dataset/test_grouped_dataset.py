"""Groups have ids with gaps, and names in the order in which they first appear."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris

from torchattr.errors import InputError
from torchattr.valuation.dataset import Dataset, GroupedDataset

X, Y = np.arange(12.0).reshape(6, 2), np.arange(6)
GROUPS = [5, 3, 5, 9, 3, 5]


@pytest.fixture(params=[np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def data(request):
    """Three groups with ids and names."""
    return GroupedDataset(
        request.param(X),
        request.param(Y),
        GROUPS,
        group_names=["five", "three", "nine"],
    )


def test_names_follow_the_order_of_first_appearance(data):
    assert data.indices.tolist() == [5, 3, 9]
    assert data.names.tolist() == ["five", "three", "nine"]
    assert len(data) == 3


def test_a_coalition_is_a_set_of_groups(data):
    assert data.data([9, 5]).y.tolist() == [3, 0, 2, 5]
    assert data.data(3).y.tolist() == [1, 4]
    assert data.data([]).y.tolist() == []
    assert data.data().y.tolist() == Y.tolist()
    assert data.data_indices([3]).tolist() == [1, 4]
    assert sorted(data.data_indices().tolist()) == list(range(6))
    assert data.logical_indices().tolist() == GROUPS
    assert data.logical_indices([3, 0]).tolist() == [9, 5]


def test_slices_keep_ids_and_names(data):
    part = data[[9, 5]]
    assert isinstance(part, GroupedDataset)
    assert part.indices.tolist() == [9, 5]
    assert part.names.tolist() == ["nine", "five"]
    assert part.data([5]).y.tolist() == [0, 2, 5]
    assert part.data_names.tolist() == ["3", "0", "2", "5"]
    assert data[:2].names.tolist() == ["five", "three"]
    assert data[np.array([False, True, False])].names.tolist() == ["three"]


def test_no_such_group_is_refused(data):
    for wrong in (0, [5, 4], -1):
        with pytest.raises(IndexError, match="no index"):
            data.data(wrong)


def test_coalitions_of_groups_become_masks_of_points(data):
    coalitions = torch.tensor([[1, 0, 0], [0, 1, 1], [0, 0, 0]], dtype=torch.bool)
    masks = data.masks(coalitions)
    assert masks.int().tolist() == [
        [1, 0, 1, 0, 0, 1],
        [0, 1, 0, 1, 1, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    assert Dataset(X, Y).masks(torch.eye(6).bool()).equal(torch.eye(6).bool())


@given(st.lists(st.integers(-3, 40), min_size=1, max_size=12))
def test_groups_partition_the_points(groups):
    n = len(groups)
    data = GroupedDataset(np.zeros((n, 1)), np.arange(n), groups)
    assert data.indices.tolist() == list(dict.fromkeys(groups))
    assert data.names.tolist() == [str(g) for g in dict.fromkeys(groups)]
    for group in data.indices.tolist():
        expected = [i for i in range(n) if groups[i] == group]
        assert data.data([group]).y.tolist() == expected
    coalitions = torch.eye(len(data), dtype=torch.bool)
    points = [mask.nonzero().ravel().tolist() for mask in data.masks(coalitions)]
    assert points == [data.data([g]).y.tolist() for g in data.indices]


def test_names_of_groups_can_be_given_in_place_of_ids():
    data = GroupedDataset(X, Y, ["b", "a", "b", "c", "a", "b"])
    assert data.indices.tolist() == [0, 1, 2]
    assert data.names.tolist() == ["b", "a", "c"]
    assert data.data([0]).y.tolist() == [0, 2, 5]


def test_tensors_and_whole_floats_are_ids():
    for ids in (torch.tensor(GROUPS), np.array(GROUPS, dtype=float)):
        assert GroupedDataset(X, Y, ids).indices.tolist() == [5, 3, 9]


def test_points_of_a_dataset_in_groups():
    single = Dataset(X, Y, ["p", "q"], data_names=list("abcdef"), description="mine")
    data = GroupedDataset.from_dataset(single, GROUPS, ["five", "three", "nine"])
    assert data.names.tolist() == ["five", "three", "nine"]
    assert data.data_names.tolist() == list("abcdef")
    assert data.feature_names == ["p", "q"]
    assert data.description == "mine"
    assert data.data().x is single.data().x
    assert single.names.tolist() == list("abcdef")
    again = GroupedDataset.from_dataset(data, [0] * 6)
    assert again.indices.tolist() == [0]


def test_splits_keep_points_in_their_groups():
    bunch = load_iris()
    groups = 7 * bunch.target + 2  # 2, 9, 16
    names = ["two", "nine", "sixteen"]
    for train, test in (
        GroupedDataset.from_sklearn(
            bunch, 0.7, 0, data_groups=groups, group_names=names
        ),
        GroupedDataset.from_arrays(
            bunch.data,
            bunch.target,
            random_state=0,
            stratify_by_target=True,
            data_groups=groups,
            group_names=names,
        ),
    ):
        for part in (train, test):
            assert isinstance(part, GroupedDataset)
            by_id = dict(zip(part.indices.tolist(), part.names.tolist(), strict=True))
            assert by_id == {2: "two", 9: "nine", 16: "sixteen"}
            for group in part.indices:
                assert set(7 * part.data([group]).y + 2) == {group}
        assert len(train.data()) + len(test.data()) == 150


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_groups": [1, 2]}, "one id for each of 6 points"),
        ({"data_groups": [0.5] * 6}, "whole numbers or strings"),
        ({"group_names": ["a"]}, "group_names must have one name for each of 3"),
    ],
)
def test_what_does_not_agree_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        GroupedDataset(**{"x": X, "y": Y, "data_groups": GROUPS} | options)


def test_mapped_groups():
    data = GroupedDataset(X, Y, GROUPS, mmap=True)
    assert isinstance(data.data().x, np.memmap)
    assert data.data([3]).y.tolist() == [1, 4]
