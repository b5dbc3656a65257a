"""What users mistype, and the messages that put them right."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from torchattr.errors import InputError
from torchattr.valuation import (
    ClasswiseModelUtility,
    ClasswiseSampler,
    ClasswiseShapleyValuation,
    ClasswiseSupervisedScorer,
    DataBanzhaf,
    Dataset,
    DataShapley,
    KNNShapleyValuation,
    MinUpdates,
    ModelUtility,
    NoIndexIteration,
    PermutationSampler,
    ShapleyValuation,
    SupervisedScorer,
    TorchLearner,
    UniformSampler,
    load_result,
)

X, Y = np.arange(16.0).reshape(8, 2), np.arange(8) % 2
DATA = Dataset(X, Y)
LEARNER = TorchLearner(
    nn.Linear(2, 2), nn.CrossEntropyLoss(), partial(torch.optim.SGD, lr=0.1), epochs=1
)


def by_permutations():
    utility = ModelUtility(LogisticRegression(), SupervisedScorer("accuracy", DATA))
    return ShapleyValuation(utility, PermutationSampler(seed=1), MinUpdates(1))


def by_classes():
    return ClasswiseShapleyValuation(
        ClasswiseModelUtility(
            LogisticRegression(), ClasswiseSupervisedScorer("accuracy", DATA)
        ),
        ClasswiseSampler(
            PermutationSampler(seed=1),
            UniformSampler(seed=2, index_iteration=NoIndexIteration),
        ),
        MinUpdates(1),
    )


def by_neighbours():
    return KNNShapleyValuation(KNeighborsClassifier(n_neighbors=1), DATA)


@pytest.mark.parametrize("method", [by_permutations, by_neighbours, by_classes])
@pytest.mark.parametrize("data", [(DATA, DATA), DATA.data(), (X, Y)])
def test_what_is_no_dataset_is_named_and_how_to_make_one_said(method, data):
    with pytest.raises(InputError, match=f"got {type(data).__name__}.*from_arrays"):
        method().fit(data)


def test_raw_data_are_test_data():
    of_dataset, of_raw = (
        SupervisedScorer("accuracy", data) for data in (DATA, DATA.data())
    )
    model = LogisticRegression().fit(X, Y)
    assert of_raw(model) == of_dataset(model)


def test_a_scorer_with_its_own_test_data_is_not_for_learners():
    with pytest.raises(
        InputError, match=r"SupervisedScorer, which is for ModelUtility"
    ):
        DataShapley(LEARNER, test=DATA, scorer=SupervisedScorer("accuracy", DATA))


@pytest.mark.parametrize("method", [DataShapley, DataBanzhaf])
def test_a_seed_is_no_generator(method):
    with pytest.raises(InputError, match=r"got 0\. Seeded: .*manual_seed"):
        method(LEARNER, test=DATA).attribute(DATA, n_samples=2, generator=0)


def test_a_class_of_losses_is_not_made_yet():
    with pytest.raises(InputError, match=r"pass CrossEntropyLoss\(\), not the class"):
        TorchLearner(
            nn.Linear(2, 2),
            nn.CrossEntropyLoss,
            partial(torch.optim.SGD, lr=0.1),
            epochs=1,
        )


def test_classes_as_floats_should_be_integers():
    wrong = (X, Y.astype(float))
    with pytest.raises(InputError, match=r"targets\.long\(\)"):
        DataShapley(LEARNER, test=wrong).attribute(wrong, n_samples=2)


def test_a_class_in_place_of_a_sampler_is_refused_in_english():
    utility = by_permutations().utility
    with pytest.raises(InputError, match="sampler must be of type IndexSampler; got <"):
        ShapleyValuation(utility, PermutationSampler, MinUpdates(1))


def test_a_foreign_file_is_refused_without_advice_to_unpickle_it(tmp_path):
    path = tmp_path / "junk"
    path.write_text("junk")
    with pytest.raises(InputError, match="is not a result") as refused:
        load_result(path)
    assert "pickle" not in str(refused.value)
