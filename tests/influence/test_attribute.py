"""Influence in the words that all attributions share."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.influence.cases import classifier_mlp, labels, randn, weighted
from torchattr.attr import PerturbationAttribution
from torchattr.errors import InputError
from torchattr.influence.direct_influence import DirectInfluence
from torchattr.influence.influence_mode import InfluenceMode

EXACT = {"rtol": 0, "atol": 1e-10}
CASE = classifier_mlp(n=10, n_test=4)
TRAIN, TEST = (CASE.x, CASE.y), (CASE.x_test, CASE.y_test)
FITTED = DirectInfluence(CASE.model, CASE.loss, 1e-3).fit([TRAIN])
PERTURBATION = {"mode": InfluenceMode.Perturbation}


def test_it_is_an_attribution_by_perturbation():
    assert isinstance(FITTED, PerturbationAttribution)
    assert FITTED.get_name() == "Direct Influence"


def test_up_is_the_influence_of_each_example():
    expected = FITTED.influences(*TEST, *TRAIN)
    torch.testing.assert_close(FITTED.attribute(TRAIN, target=TEST), expected, **EXACT)
    torch.testing.assert_close(
        FITTED.attribute(TRAIN), FITTED.influences(*TRAIN), **EXACT
    )


@pytest.mark.parametrize("as_float", [False, True])
def test_members_of_a_group_of_examples_have_its_sum(as_float):
    ids = torch.tensor([3, 3, 0, 7, 0, 3, 9, 9, 1, 2])
    single = FITTED.attribute(TRAIN, target=TEST)
    mask = ids.double() if as_float else ids
    found = FITTED.attribute(TRAIN, target=TEST, feature_mask=mask)
    for i, group in enumerate(ids):
        expected = single[:, ids == group].sum(1)
        torch.testing.assert_close(found[:, i], expected, **EXACT)
    by_array = FITTED.attribute(TRAIN, target=TEST, feature_mask=ids.numpy())
    torch.testing.assert_close(by_array, found, **EXACT)


def test_perturbation_is_slope_times_change_to_the_baseline():
    slopes = FITTED.influences(*TEST, *TRAIN, InfluenceMode.Perturbation)
    for baselines, replaced in (
        (None, torch.zeros(10, 4).double()),
        (0.5, torch.full((10, 4), 0.5).double()),
        (CASE.x.mean(0, keepdim=True), CASE.x.mean(0).expand(10, 4)),
        (CASE.x.flip(0), CASE.x.flip(0)),
    ):
        found = FITTED.attribute(TRAIN, baselines, TEST, **PERTURBATION)
        torch.testing.assert_close(found, slopes * (CASE.x - replaced), **EXACT)


def test_perturbation_predicts_the_effect_of_replacing_a_feature():
    """Value kept minus value removed: the test loss of a model fitted to other data."""
    x, y = randn(60, 2), randn(60, 1, seed=1)
    x_test, y_test = randn(5, 2, seed=3), randn(5, 1, seed=4)

    def weight_of(inputs):
        return torch.linalg.lstsq(inputs, y).solution

    model = nn.Linear(2, 1, bias=False).double()
    model.weight.data = weight_of(x).T
    influence = DirectInfluence(model, nn.MSELoss(), scale="loo").fit([(x, y)])
    baseline = x - 0.01
    found = influence.attribute((x, y), baseline, (x_test, y_test), **PERTURBATION)
    for example in (0, 17):
        replaced = x.clone()
        replaced[example, 1] -= 0.01
        rise = (x_test @ weight_of(replaced) - y_test).square()
        rise -= (x_test @ weight_of(x) - y_test).square()
        torch.testing.assert_close(
            found[:, example, 1], rise[:, 0], rtol=0.05, atol=1e-7
        )


@pytest.mark.parametrize(
    "mask",
    [
        torch.tensor([0, 0, 5, 5]),
        torch.tensor([[0, 1, 1, 0]]),
        torch.arange(40).reshape(10, 4) // 2 % 7,
    ],
    ids=["shared", "one row", "by example"],
)
def test_groups_of_features_hold_within_each_example(mask):
    single = FITTED.attribute(TRAIN, target=TEST, **PERTURBATION)
    found = FITTED.attribute(TRAIN, target=TEST, feature_mask=mask, **PERTURBATION)
    for i, ids in enumerate(mask.expand(10, 4)):
        for feature, group in enumerate(ids):
            expected = single[:, i, ids == group].sum(1)
            torch.testing.assert_close(found[:, i, feature], expected, **EXACT)


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(3, 2), nn.Linear(2, 2)

    def forward(self, a, b):
        return self.left(a).tanh() + self.right(b)


@pytest.mark.parametrize("kind", [tuple, dict])
def test_structures_of_inputs_baselines_and_masks(kind):
    def made(a, b):
        return {"a": a, "b": b} if kind is dict else (a, b)

    x, y = made(randn(6, 3), randn(6, 2, seed=5)), labels(6, 2)
    influence = DirectInfluence(weighted(TwoInputs()), nn.CrossEntropyLoss(), 0.1)
    influence.fit([(x, y)])
    single = influence.attribute((x, y), made(1.0, 2.0), **PERTURBATION)
    mask = made(torch.tensor([0, 0, 1]), torch.tensor([1, 2]))
    grouped = influence.attribute(
        (x, y), made(1.0, 2.0), feature_mask=mask, **PERTURBATION
    )
    slopes = influence.influences(x, y, x, y, InfluenceMode.Perturbation)
    a, b = ("a", "b") if kind is dict else (0, 1)
    torch.testing.assert_close(single[a], slopes[a] * (x[a] - 1), **EXACT)
    torch.testing.assert_close(single[b], slopes[b] * (x[b] - 2), **EXACT)
    shared = single[a][..., 2] + single[b][..., 0]
    torch.testing.assert_close(grouped[a][..., 2], shared, **EXACT)
    torch.testing.assert_close(grouped[b][..., 0], shared, **EXACT)
    pair = single[a][..., :2].sum(-1)
    torch.testing.assert_close(grouped[a][..., 1], pair, **EXACT)
    torch.testing.assert_close(grouped[b][..., 1], single[b][..., 1], **EXACT)


@pytest.mark.parametrize("mode", InfluenceMode)
@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_how_many_gradients_are_held_does_not_matter(mode, at_once):
    expected = FITTED.attribute(TRAIN, target=TEST, mode=mode)
    found = FITTED.attribute(
        TRAIN, target=TEST, mode=mode, perturbations_per_eval=at_once
    )
    torch.testing.assert_close(found, expected, **EXACT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"baselines": 0.0}, "Perturbation"),
        ({"feature_mask": torch.zeros(9, dtype=torch.long)}, r"\(10,\).*\(9,\)"),
        ({"feature_mask": torch.zeros(10, 1).long()}, r"\(10,\).*\(10, 1\)"),
        ({"feature_mask": torch.arange(10) / 2}, "whole numbers"),
        ({"feature_mask": torch.zeros(9).long(), **PERTURBATION}, "broadcast"),
        ({"feature_mask": torch.arange(4) / 2, **PERTURBATION}, "whole numbers"),
        ({"baselines": torch.zeros(3), **PERTURBATION}, "broadcast"),
        ({"baselines": {"a": 0}, **PERTURBATION}, "dict"),
        ({"perturbations_per_eval": 0}, "perturbations_per_eval"),
        ({"perturbations_per_eval": 1.5}, "perturbations_per_eval"),
        ({"target": CASE.x_test}, "target must be a pair"),
        ({"target": (CASE.x_test, 3)}, "tensor"),
        ({"mode": "up"}, "InfluenceMode"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        FITTED.attribute(TRAIN, **{"target": TEST, **arguments})


def test_inputs_must_be_a_pair():
    with pytest.raises(InputError, match="inputs must be a pair"):
        FITTED.attribute(CASE.x)
