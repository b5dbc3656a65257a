"""Masks to elements and back: any layout, shared ids, gaps, groups of each example."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchattr.errors import InputError
from torchattr.games.players import FeatureGroups

SEEDS = st.integers(0, 10_000)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def coalitions(count, n, seed=0):
    return torch.rand(count, n, generator=seeded(seed)) < 0.5


def spread_by_hand(groups, masks, asked):
    """For each input, whether the player of each element stays."""
    place = {label: player for player, label in enumerate(groups.labels.tolist())}
    return [
        torch.stack([
            torch.tensor([bool(row[place[i]]) for i in mask.flatten().tolist()])
            for row in asked
        ]).reshape(len(asked), *mask.shape)
        for mask in masks
    ]


def test_without_masks_elements_are_numbered_across_the_inputs():
    groups = FeatureGroups((torch.zeros(2, 3), torch.zeros(2, 2, 2)))
    assert groups.n_players == groups.n_labels == 7
    assert groups.labels.tolist() == list(range(7))
    first, second = (owner.tolist() for owner in groups.owners)
    assert first == [[0, 1, 2]]
    assert second == [[[3, 4], [5, 6]]]
    asked = coalitions(5, 7)
    first, second = groups.spread(asked)
    assert torch.equal(first[:, 0], asked[:, :3])
    assert torch.equal(second.reshape(5, 4), asked[:, 3:])


@given(seed=SEEDS, rows=st.sampled_from([1, 3]))
def test_masks_of_any_ids_shared_by_two_inputs(seed, rows):
    inputs = (torch.zeros(3, 4), torch.zeros(3, 2, 2))
    masks = tuple(
        torch.randint(9, (rows, *x.shape[1:]), generator=seeded(seed + k)) * 5
        for k, x in enumerate(inputs)
    )
    groups = FeatureGroups(inputs, masks)
    ids = sorted({i for mask in masks for i in mask.flatten().tolist()})
    assert groups.labels.tolist() == ids
    assert groups.n_labels == ids[-1] + 1
    asked = coalitions(4, groups.n_players, seed)
    for found, expected, x in zip(
        groups.spread(asked), spread_by_hand(groups, masks, asked), inputs, strict=True
    ):
        whole = (4, *x.shape)
        assert torch.equal(found.expand(whole), expected.expand(whole))


@given(seed=SEEDS)
def test_elements_get_the_value_of_their_player(seed):
    inputs = (torch.zeros(3, 4), torch.zeros(3, 2))
    masks = tuple(
        torch.randint(4, (1, x.shape[1]), generator=seeded(seed)) + 2 for x in inputs
    )
    groups = FeatureGroups(inputs, masks)
    values = torch.randn(3, 2, groups.n_players, generator=seeded(seed))
    place = {label: player for player, label in enumerate(groups.labels.tolist())}
    for gathered, mask in zip(groups.gather(values), masks, strict=True):
        columns = [place[label] for label in mask[0].tolist()]
        assert torch.equal(gathered, values[..., columns])
        assert gathered.is_contiguous()


@given(seed=SEEDS, outputs=st.sampled_from([(), (2,), (2, 3)]))
def test_groups_of_each_example_get_its_own_values(seed, outputs):
    mask = torch.randint(4, (3, 2, 3), generator=seeded(seed))
    groups = FeatureGroups((torch.zeros(3, 2, 3),), mask)
    values = torch.randn(3, *outputs, groups.n_players, generator=seeded(seed))
    (gathered,) = groups.gather(values)
    place = {label: player for player, label in enumerate(groups.labels.tolist())}
    for example in range(3):
        own = torch.tensor([place[i] for i in mask[example].flatten().tolist()])
        expected = values[example][..., own].reshape(*outputs, 2, 3)
        assert torch.equal(gathered[example], expected)


@pytest.mark.parametrize(
    ("mask", "differ"),
    [
        (torch.tensor([[0, 1, 1]]), False),
        (torch.tensor([[0, 1, 1]]).expand(2, 3), False),
        (torch.tensor([[0, 1, 1], [0, 1, 1]]), False),
        (torch.tensor([[0, 1, 1], [0, 0, 1]]), True),
        (torch.tensor([0, 1, 1]), False),
        (torch.tensor(5), False),
    ],
)
def test_examples_differ_if_their_groups_do(mask, differ):
    groups = FeatureGroups((torch.zeros(2, 3),), mask)
    assert groups.differ_by_example is differ


def test_one_example_alone():
    mask = torch.tensor([[0, 1, 1], [2, 0, 0]])
    groups = FeatureGroups((torch.zeros(2, 3),), mask)
    alone = groups.of_example(1)
    assert (alone.n_players, alone.differ_by_example) == (3, False)
    assert alone.gather(torch.tensor([5.0, 6.0, 7.0]))[0].tolist() == [7.0, 5.0, 5.0]
    assert groups.differ_by_example


def test_totals_are_sums_over_the_elements_of_each_player():
    x, w = torch.tensor([[1.0, 2, 4], [8.0, 16, 32]]), torch.tensor([[64.0, 128.0]])
    masks = (torch.tensor([[0, 3, 0], [3, 3, 0]]), torch.tensor([[3, 7]]))
    groups = FeatureGroups((x, w), masks)
    assert groups.totals((x, w)).tolist() == [[5, 66, 128], [32, 88, 128]]
    assert groups.totals((x, w)).dtype == torch.float64


def test_an_empty_input_has_no_players():
    groups = FeatureGroups((torch.zeros(2, 3), torch.zeros(0, 4), torch.zeros(2, 0)))
    assert groups.n_players == 3
    gathered = groups.gather(torch.ones(5, 3))
    assert [part.shape for part in gathered] == [(5, 3), (5, 4), (5, 0)]
    masked = FeatureGroups(
        (torch.zeros(2, 3), torch.zeros(2, 0)), (torch.zeros(1, 3), torch.zeros(1, 0))
    )
    assert masked.n_players == 1


def test_values_and_masks_may_be_on_another_device(device):
    x = torch.zeros(2, 3, device=device)
    groups = FeatureGroups((x,), torch.tensor([[0, 0, 4]]))
    assert groups.spread(coalitions(2, 2))[0].device.type == device.type
    assert groups.gather(torch.ones(2))[0].device.type == device.type


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (
            torch.zeros(1, 4),
            r"feature_mask\[0\] must .*\(2, 3\); got \(1, 4\)",
        ),
        (torch.zeros(3, 3), r"feature_mask\[0\] must broadcast"),
        (torch.zeros(1, 2, 3), r"feature_mask\[0\] must broadcast"),
        (torch.tensor([[0.0, 0.5, 1.0]]), r"feature_mask\[0\] must hold whole numbers"),
        (torch.tensor([[0, 1j, 1]]), r"feature_mask\[0\] must hold whole numbers"),
        (torch.tensor([[0, 1, -2]]), r"feature_mask\[0\] must hold ids from 0.*got -2"),
        (torch.tensor([[0, 1, 10**8]]), "feature_mask ids must be below 100000000"),
        ((torch.zeros(1, 3),) * 2, "one mask for each of the 1 inputs, got 2"),
        ([0, 1, 2], "feature_mask must be a tensor or a tuple of tensors"),
    ],
)
def test_what_are_no_masks(mask, message):
    with pytest.raises(InputError, match=message):
        FeatureGroups((torch.zeros(2, 3),), mask)
