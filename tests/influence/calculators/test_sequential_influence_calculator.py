"""Lazy influences of batches: right, and each side computed once."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from tests.influence.cases import Case, classifier_mlp, labels, randn, weighted
from tests.influence.cases import with_random_curvature as fitted
from torchattr.errors import InputError
from torchattr.influence import scores
from torchattr.influence.calculators.nested_sequence_aggregator import (
    NestedTorchCatAggregator,
)
from torchattr.influence.calculators.sequence_aggregator import TorchCatAggregator
from torchattr.influence.calculators.sequential_influence_calculator import (
    SequentialInfluenceCalculator,
)
from torchattr.influence.influence_mode import InfluenceMode

PERTURBATION = InfluenceMode.Perturbation
modes = pytest.mark.parametrize("mode", InfluenceMode)


@pytest.fixture(scope="module")
def case():
    return classifier_mlp(n=9, n_test=5)


@pytest.fixture(scope="module")
def influence(case):
    return fitted(case)


def loaders(case: Case, n_test: int = 2, n_train: int = 4, **options):
    test = TensorDataset(case.x_test, case.y_test)
    train = TensorDataset(case.x, case.y)
    return (
        DataLoader(test, batch_size=n_test, **options),
        DataLoader(train, batch_size=n_train, **options),
    )


def eager(influence, case, mode=InfluenceMode.Up):
    return influence.influences(case.x_test, case.y_test, case.x, case.y, mode)


def close(one, other):
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


class Counted:
    """A solver that counts the right-hand sides it is given, call by call."""

    def __init__(self, solver):
        self.solver = solver
        self.sides = []

    def solve(self, vectors, regularization):
        self.sides.append(len(vectors))
        return self.solver.solve(vectors, regularization)


@pytest.fixture
def counts(influence, monkeypatch):
    """Right-hand sides by call, and numbers of examples by gradient pass."""
    solver = Counted(influence.inverse.solvers["full"])
    monkeypatch.setitem(influence.inverse.solvers, "full", solver)
    passes = []
    one_pass = scores.example_gradients

    def counted(risk, examples):
        passes.append(len(examples))
        return one_pass(risk, examples)

    monkeypatch.setattr(scores, "example_gradients", counted)
    return solver.sides, passes


@modes
def test_lazy_is_eager(influence, case, mode):
    lazy = SequentialInfluenceCalculator(influence).influences(*loaders(case), mode)
    close(lazy.compute(NestedTorchCatAggregator()), eager(influence, case, mode))


@modes
def test_the_smaller_side_may_be_either(influence, case, mode):
    train, test = loaders(case)  # nine test examples, five training examples
    lazy = SequentialInfluenceCalculator(influence).influences(test, train, mode)
    expected = influence.influences(case.x, case.y, case.x_test, case.y_test, mode)
    close(lazy.compute(NestedTorchCatAggregator()), expected)


def test_rows_are_test_batches(influence, case):
    for sides in (loaders(case, 2, 4), loaders(case, 4, 2)[::-1]):
        lazy = SequentialInfluenceCalculator(influence).influences(*sides)
        shapes = [[tuple(block.shape) for block in row] for row in lazy]
        assert shapes == [[tuple(b.shape) for b in row] for row in lazy.compute()]
        assert shapes == [
            [(len(y), len(y_train)) for _, y_train in sides[1]] for _, y in sides[0]
        ]


@given(
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    swapped=st.booleans(),
    generators=st.booleans(),
)
@settings(max_examples=8, deadline=None)
def test_batching_does_not_matter(influence, case, sizes, swapped, generators):
    test, train = loaders(case, *sizes)
    expected = eager(influence, case)
    if swapped:
        test, train, expected = train, test, expected.T
    if generators:
        test, train = iter(list(test)), (batch for batch in list(train))
    lazy = SequentialInfluenceCalculator(influence).influences(test, train)
    close(lazy.compute(NestedTorchCatAggregator()), expected)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("factors", [False, True])
def test_each_side_is_computed_once(influence, case, counts, swapped, factors):
    sides, passes = counts
    test, train = loaders(case)[:: -1 if swapped else 1]
    calculator = SequentialInfluenceCalculator(influence)
    given = iter(list(test)), iter(list(train))
    lazy = calculator.influences(*given)
    if factors:
        solved = calculator.influence_factors(given[0])
        lazy = calculator.influences_from_factors(solved, given[1])
    assert not sides
    assert not passes
    lazy.compute()
    assert sides == [len(y) for _, y in test]
    assert sorted(passes) == sorted(
        len(y) for loader in (test, train) for _, y in loader
    )
    # The smaller side is read first, and held.
    assert passes[0] == len(next(iter(train if swapped else test))[1])


def test_an_unknown_length_holds_the_test_side(influence, case, counts):
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(zip(case.x_test, case.y_test, strict=True))

    _, passes = counts
    test = loaders(case)[1]
    train = DataLoader(Stream(), batch_size=1)
    lazy = SequentialInfluenceCalculator(influence).influences(test, train)
    close(lazy.compute(NestedTorchCatAggregator()), eager(influence, case).T)
    assert passes[:3] == [4, 4, 1]


def test_results_can_be_asked_for_again_after_a_generator(influence, case):
    test, train = loaders(case)
    read = []

    def generator(loader):
        for batch in loader:
            read.append(1)
            yield batch

    lazy = SequentialInfluenceCalculator(influence).influences(
        generator(test), generator(train)
    )
    assert not read
    first = lazy.compute(NestedTorchCatAggregator())
    assert torch.equal(first, lazy.compute(NestedTorchCatAggregator()))
    assert len(read) == len(test) + len(train)


def test_a_loader_that_shuffles_has_one_order(influence, case):
    test, train = loaders(case, shuffle=True)
    lazy = SequentialInfluenceCalculator(influence).influences(test, train)
    state = torch.get_rng_state()
    first = lazy.compute(NestedTorchCatAggregator())
    assert torch.equal(first, lazy.compute(NestedTorchCatAggregator()))
    assert torch.equal(state, torch.get_rng_state())


def test_factors(influence, case):
    test, _ = loaders(case)
    factors = SequentialInfluenceCalculator(influence).influence_factors(test)
    assert [len(chunk) for chunk in factors] == [2, 2, 1]
    assert factors.len_generator == 3
    close(
        factors.compute(TorchCatAggregator()),
        influence.influence_factors(case.x_test, case.y_test),
    )


@modes
def test_factors_in_any_form(influence, case, mode):
    test, train = loaders(case)
    calculator = SequentialInfluenceCalculator(influence)
    lazy = calculator.influence_factors(test)
    whole = lazy.compute(TorchCatAggregator())
    forms = [
        lazy,
        lazy.compute(),
        iter(lazy),
        whole,
        whole.numpy(),
        DataLoader(TensorDataset(whole), batch_size=3),
    ]
    for form in forms:
        table = calculator.influences_from_factors(form, train, mode)
        for _ in range(2):
            computed = table.compute(NestedTorchCatAggregator())
            close(computed, eager(influence, case, mode))


def test_the_scale_and_the_batch_function_apply(case):
    def pair(batch):
        return batch["pair"] if isinstance(batch, dict) else batch

    influence = fitted(case, scale="loo", batch_function=pair)
    test, train = (
        [{"pair": batch} for batch in loader] for loader in loaders(case, 3, 2)
    )
    expected = eager(influence, case)
    for sides, result in (((test, train), expected), ((train, test), expected.T)):
        lazy = SequentialInfluenceCalculator(influence).influences(*sides)
        close(lazy.compute(NestedTorchCatAggregator()), result)


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Linear(2, 3)
        self.right = nn.Linear(3, 3)

    def forward(self, left, right):
        return self.left(left).tanh() * self.right(right)


@pytest.mark.parametrize("named", [False, True])
def test_several_inputs(named):
    x, y = {"left": randn(6, 2), "right": randn(6, 3, seed=1)}, labels(6, 3)
    x = x if named else tuple(x.values())
    batches = [
        ({k: v[i : i + 4] for k, v in x.items()}, y[i : i + 4])
        if named
        else (tuple(v[i : i + 4] for v in x), y[i : i + 4])
        for i in (0, 4)
    ]
    influence = fitted(Case(weighted(TwoInputs()), nn.CrossEntropyLoss(), x, y, x, y))
    calculator = SequentialInfluenceCalculator(influence)
    up = calculator.influences(batches, batches).compute(NestedTorchCatAggregator())
    close(up, influence.influences(x, y))
    lazy = calculator.influences(batches, batches, PERTURBATION)
    close(
        lazy.compute(NestedTorchCatAggregator()),
        influence.influences(x, y, mode=PERTURBATION),
    )


def test_a_tuple_may_be_one_batch_or_two(influence, case):
    calculator = SequentialInfluenceCalculator(influence)
    test, train = (tuple(loader) for loader in loaders(case, 2, 2))
    lazy = calculator.influences(test[:2], train[:2])
    assert [[tuple(block.shape) for block in row] for row in lazy] == [[(2, 2)] * 2] * 2
    single = calculator.influences(tuple(test[0]), tuple(train[0])).compute()
    assert torch.allclose(single[0][0], lazy.compute()[0][0])


def test_what_is_refused(influence, case):
    test, train = loaders(case)
    unfitted = type(influence)(case.model, case.loss)
    calculator = SequentialInfluenceCalculator(influence)
    for attempt, message in (
        (lambda: SequentialInfluenceCalculator(case.model), "influence object"),
        (
            lambda: SequentialInfluenceCalculator(unfitted).influences(test, train),
            "fit",
        ),
        (
            lambda: SequentialInfluenceCalculator(unfitted).influence_factors(test),
            "fit",
        ),
        (lambda: calculator.influences(1, train), "iterable"),
        (lambda: calculator.influences(test, train, "up"), "mode"),
        (lambda: calculator.influences_from_factors(1, train), "iterable"),
        (
            lambda: calculator.influences_from_factors(
                torch.ones(2, 3), train
            ).compute(),
            "shape",
        ),
        (lambda: calculator.influences(iter([]), train).compute(), "batch"),
    ):
        with pytest.raises(InputError, match=message):
            attempt()
