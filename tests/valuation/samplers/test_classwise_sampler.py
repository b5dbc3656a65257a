"""Samples inside a class, beside subsets of the others."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from torchattr.errors import InputError
from torchattr.valuation.dataset import Dataset, GroupedDataset
from torchattr.valuation.samplers import (
    ClasswiseSampler,
    DeterministicPermutationSampler,
    DeterministicUniformSampler,
    FiniteNoIndexIteration,
    LOOSampler,
    MSRSampler,
    NoIndexIteration,
    PermutationSampler,
    UniformSampler,
)

LABELS = np.array([0, 1, 2, 0, 1, 2, 2])
DATA = Dataset(np.eye(7), LABELS)


def random(seed=0, **kwargs):
    return ClasswiseSampler(
        PermutationSampler(seed=seed),
        UniformSampler(index_iteration=NoIndexIteration, seed=seed),
        **{"max_in_class_samples": 2} | kwargs,
    )


def test_classes_take_turns():
    samples = list(islice(random().samples_from_data(DATA), 12))
    assert [s.label for s in samples] == [0, 0, 1, 1, 2, 2] * 2
    for sample in samples:
        assert sample.idx is None
        assert sorted(sample.subset) == np.flatnonzero(sample.label == LABELS).tolist()
        assert set(LABELS[sample.ooc_subset]) == {0, 1, 2} - {sample.label}
    for one, other in zip(samples[::2], samples[1::2], strict=True):
        assert np.array_equal(one.ooc_subset, other.ooc_subset)


def test_permutations_inside_go_on():
    samples = list(islice(random().samples_from_data(DATA), 120))
    found = [s.subset.tolist() for s in samples if s.label == 2]
    stream = PermutationSampler(seed=0).generate(np.array([2, 5, 6]))
    assert found == [s.subset.tolist() for s in islice(stream, len(found))]


def test_the_same_seed_gives_the_same_samples_again_and_again():
    sampler = random()
    one, other = (list(islice(sampler.samples_from_data(DATA), 30)) for _ in range(2))
    assert one == other == list(islice(random().samples_from_data(DATA), 30))
    assert one != list(islice(random(1).samples_from_data(DATA), 30))


@pytest.mark.parametrize("least", [0, 1, 2])
def test_subsets_outside_have_enough_of_each_class(least):
    samples = islice(random(min_elements_per_label=least).samples_from_data(DATA), 90)
    counts = [
        np.bincount(LABELS[s.ooc_subset], minlength=3)[np.arange(3) != s.label].min()
        for s in samples
    ]
    assert min(counts) == least


def test_finite_samplers_end():
    outside = DeterministicUniformSampler(index_iteration=FiniteNoIndexIteration)
    sampler = ClasswiseSampler(DeterministicPermutationSampler(), outside)
    data = Dataset(np.eye(3), np.array([0, 0, 1]))
    samples = list(sampler.samples_from_data(data))
    # Outside of class 0 there is {2}; of class 1 there are {0}, {1} and {0, 1}.
    assert [(s.label, s.subset.tolist(), s.ooc_subset.tolist()) for s in samples] == [
        (0, [0, 1], [2]),
        (0, [1, 0], [2]),
        (1, [2], [0]),
        (1, [2], [1]),
        (1, [2], [0, 1]),
    ]


def test_finite_samplers_inside_begin_again():
    sampler = ClasswiseSampler(LOOSampler(), MSRSampler(seed=0), max_in_class_samples=3)
    samples = list(islice(sampler.samples_from_data(DATA), 27))
    assert [s.idx for s in samples if s.label == 0] == [0, 3, 0, 3, 0, 3, 0, 3, 0]


def test_batches_are_counted_and_interrupted():
    sampler = random(batch_size=4)
    batches = sampler.batches_from_data(DATA)
    assert [len(next(batches)) for _ in range(3)] == [4, 4, 4]
    assert sampler.n_samples == 12
    assert sampler.out_of_class.n_samples >= 6
    sampler.interrupt()
    assert list(batches) == []


def test_labels_may_be_strings():
    data = Dataset(np.eye(4), np.array(["a", "b", "a", "b"]))
    assert [s.label for s in islice(random().samples_from_data(data), 3)] == [
        "a",
        "a",
        "b",
    ]


@pytest.mark.parametrize(
    "data",
    [
        Dataset(np.eye(3), np.zeros(3, dtype=int)),
        Dataset(np.eye(3), np.array([0, 0, 1])),
        GroupedDataset(np.eye(4), np.array([0, 0, 1, 1]), [0, 0, 1, 1]),
    ],
)
def test_data_without_enough_labels_are_refused(data):
    with pytest.raises(InputError, match="class-wise samples need"):
        random(min_elements_per_label=2).samples_from_data(data)


def test_what_never_ends_is_refused():
    with pytest.raises(InputError, match="max_in_class_samples"):
        random(max_in_class_samples=None).samples_from_data(DATA)
    with pytest.raises(InputError, match="at least 1"):
        random(max_in_class_samples=0)


def test_subsets_outside_are_of_the_whole():
    with pytest.raises(InputError, match="NoIndexIteration"):
        ClasswiseSampler(PermutationSampler(), UniformSampler())


def test_indices_have_no_labels():
    with pytest.raises(InputError, match="labels"):
        random().generate(np.arange(3))
    assert random().sample_limit(np.arange(3)) is None
