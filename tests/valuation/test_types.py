"""Samples are what they contain; models are what they can do."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from skorch import NeuralNetClassifier
from torch import nn

from torchattr.errors import InputError
from torchattr.valuation.types import (
    BaggingModel,
    BaseModel,
    ClasswiseSample,
    Sample,
    SkorchSupervisedModel,
    SupervisedModel,
)


def classwise(idx=3, subset=(0, 1), label=1, ooc_subset=(5,)):
    return ClasswiseSample(
        idx, np.array(subset), label=label, ooc_subset=np.array(ooc_subset)
    )


def test_samples_are_compared_by_content():
    sample = Sample(3, np.array([0, 2]))
    same = Sample(3, np.array([0, 2], dtype=np.int32))
    assert sample == same
    assert hash(sample) == hash(same)
    assert len({sample, same}) == 1
    others = [
        Sample(2, np.array([0, 2])),
        Sample(None, np.array([0, 2])),
        Sample(3, np.array([2, 0])),  # an order, as of a permutation
        Sample(3, np.array([0, 2, 4])),
        ClasswiseSample(3, np.array([0, 2])),
        (3, np.array([0, 2])),
    ]
    for other in others:
        assert sample != other


def test_classwise_samples_are_compared_in_all_parts():
    assert classwise() == classwise()
    assert hash(classwise()) == hash(classwise())
    for change in ({"label": 0}, {"ooc_subset": [4]}, {"idx": 2}, {"subset": [1]}):
        assert classwise(**change) != classwise()


@pytest.mark.parametrize("make", [lambda: Sample(3, np.array([0, 1])), classwise])
def test_samples_with_another_index_or_subset(make):
    sample = make()
    assert sample.with_idx(3) is sample
    assert sample.with_idx(None).idx is None
    assert sample.with_idx(7) == type(sample)(**{**vars(sample), "idx": 7})
    assert sample.with_subset([4]).subset.tolist() == [4]
    joined = sample.with_idx_in_subset()
    assert joined.subset.tolist() == [0, 1, 3]
    assert joined.with_idx_in_subset() is joined
    whole = sample.with_idx(None)
    assert whole.with_idx_in_subset() is whole
    assert type(joined) is type(sample)
    assert sample == make()  # none of this changed it


def test_samples_can_be_sent():
    for sample in (Sample(None, np.array([], dtype=int)), classwise()):
        assert pickle.loads(pickle.dumps(sample)) == sample


@pytest.mark.parametrize("subset", [[[0, 1]], [0.5], ["a"], 3])
def test_subsets_are_indices(subset):
    with pytest.raises(InputError, match="indices in one dimension"):
        Sample(0, subset)
    with pytest.raises(InputError, match="ooc_subset must be"):
        ClasswiseSample(0, [1], ooc_subset=subset)


def test_models_are_recognised_by_what_they_can_do():
    bagging = BaggingClassifier().fit([[0.0], [1.0]], [0, 1])
    assert isinstance(bagging, BaggingModel)
    assert not isinstance(BaggingClassifier(), BaggingModel)  # not fitted
    for model in (LogisticRegression(), bagging):
        assert isinstance(model, SupervisedModel)
        assert isinstance(model, BaseModel)
        assert not isinstance(model, SkorchSupervisedModel)
    network = NeuralNetClassifier(nn.Linear, module__in_features=1)
    assert isinstance(network, SkorchSupervisedModel)
    assert not isinstance(nn.Linear(1, 1), BaseModel)
