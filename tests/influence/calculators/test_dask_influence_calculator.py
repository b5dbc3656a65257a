"""Influences of Dask arrays."""

from __future__ import annotations

import pickle
import sys
import threading
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from tests.influence.cases import Case, classifier_mlp, labels, randn, weighted
from tests.influence.cases import with_random_curvature as fitted
from torchattr.errors import InputError, MissingExtraError
from torchattr.influence.calculators import dask_tasks
from torchattr.influence.calculators.dask_chunks import (
    InvalidDimensionChunksError,
    ThreadSafetyViolationError,
    UnalignedChunksError,
)
from torchattr.influence.calculators.dask_influence_calculator import (
    DaskInfluenceCalculator,
    DisableClientSingleThreadCheck,
)
from torchattr.influence.calculators.torch_dataset_to_dask_array import (
    torch_dataset_to_dask_array,
)
from torchattr.influence.calculators.torch_numpy_converter import TorchNumpyConverter
from torchattr.influence.influence_mode import InfluenceMode

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
modes = pytest.mark.parametrize("mode", InfluenceMode)


@pytest.fixture(autouse=True)
def synchronous():
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def case():
    return classifier_mlp(n=7, n_test=5)


@pytest.fixture(scope="module")
def influence(case):
    return fitted(case)


@pytest.fixture(scope="module")
def calculator(influence):
    return local(influence)


def local(influence):
    converter = TorchNumpyConverter()
    return DaskInfluenceCalculator(influence, converter, DisableClientSingleThreadCheck)


def cut(tensor, *sizes):
    return da.from_array(tensor.numpy(), chunks=(sizes, *tensor.shape[1:]))


def arrays(case):
    test = (cut(case.x_test, 3, 2), cut(case.y_test, 3, 2))
    return *test, cut(case.x, 2, 4, 1), cut(case.y, 2, 4, 1)


def same(array, tensor):
    assert array.shape == tuple(tensor.shape)
    assert array.dtype == array.compute().dtype == tensor.numpy().dtype
    np.testing.assert_allclose(array.compute(), tensor.numpy(), rtol=1e-10, atol=1e-10)


@modes
def test_influences(calculator, influence, case, mode):
    x_test, y_test, x, y = arrays(case)
    result = calculator.influences(x_test, y_test, x, y, mode)
    same(
        result,
        influence.influences(case.x_test, case.y_test, case.x, case.y, mode=mode),
    )
    assert result.chunks[:2] == ((3, 2), (2, 4, 1))
    factors = calculator.influence_factors(x_test, y_test)
    same(factors, influence.influence_factors(case.x_test, case.y_test))
    again = calculator.influences_from_factors(factors, x, y, mode)
    np.testing.assert_array_equal(again.compute(), result.compute())
    assert calculator.n_parameters == influence.n_parameters


def test_the_training_examples_may_be_the_test_examples(calculator, influence, case):
    x_test, y_test, *_ = arrays(case)
    expected = influence.influences(case.x_test, case.y_test)
    same(calculator.influences(x_test, y_test), expected)


def test_each_chunk_is_computed_once(calculator, case, monkeypatch):
    calls = []

    def counted(task):
        def call(*arguments, **options):
            calls.append(task.__name__)
            return task(*arguments, **options)

        return call

    module = "torchattr.influence.calculators.dask_influence_calculator."
    for name in ("factors_of_chunk", "gradients_of_chunk"):
        monkeypatch.setattr(module + name, counted(getattr(dask_tasks, name)))
    calculator.influences(*arrays(case)).compute()
    assert sorted(calls) == ["factors_of_chunk"] * 2 + ["gradients_of_chunk"] * 3


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(6, 2)
        self.linear = nn.Linear(2, 3)

    def forward(self, ids, bias=0):
        return self.linear(self.embedding(ids).mean(1)) + bias


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_is_the_models_even_of_tokens(dtype):
    x, y = labels(5, 6).reshape(5, 1), labels(5, 3)
    model = weighted(Tokens()).to(dtype)
    influence = fitted(Case(model, nn.CrossEntropyLoss(), x, y, x, y))
    calculator = local(influence)
    assert cut(x, 3, 2).dtype == np.int64
    result = calculator.influences(cut(x, 3, 2), cut(y, 3, 2))
    for lazy in (result, calculator.influence_factors(cut(x, 3, 2), cut(y, 3, 2))):
        assert lazy.dtype == lazy.compute().dtype == np.dtype(str(dtype)[6:])
    with pytest.raises(InputError, match="floating"):
        calculator.influences(
            cut(x, 3, 2), cut(y, 3, 2), mode=InfluenceMode.Perturbation
        )


def test_several_inputs():
    x = {"ids": labels(5, 6).reshape(5, 1), "bias": randn(5, 3)}
    y = labels(5, 3)
    influence = fitted(Case(weighted(Tokens()), nn.CrossEntropyLoss(), x, y, x, y))
    calculator = local(influence)
    named = {key: cut(value, 3, 2) for key, value in x.items()}
    expected = influence.influences(x, y)
    for given in (named, tuple(named.values()), list(named.values())):
        same(calculator.influences(given, cut(y, 3, 2)), expected)
    with pytest.raises(InputError, match="several inputs"):
        calculator.influences(named, cut(y, 3, 2), mode=InfluenceMode.Perturbation)


class Alone(TorchNumpyConverter):
    """Takes its time over each array, and fails if another thread comes in between."""

    def __init__(self):
        super().__init__()
        self.busy = threading.Lock()

    def from_numpy(self, x):
        assert self.busy.acquire(blocking=False)
        time.sleep(0.002)
        tensor = super().from_numpy(x)
        self.busy.release()
        return tensor


def test_threads_take_turns(influence, case):
    calculator = DaskInfluenceCalculator(
        influence, Alone(), DisableClientSingleThreadCheck
    )
    computed = calculator.influences(*arrays(case)).compute(scheduler="threads")
    expected = influence.influences(case.x_test, case.y_test, case.x, case.y)
    np.testing.assert_allclose(computed, expected.numpy(), rtol=1e-10)


def test_a_client(influence, case):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "processes": False, "dashboard_address": None}
    with (
        dask.config.set(scheduler=None),
        distributed.Client(threads_per_worker=1, **options) as client,
    ):
        calculator = DaskInfluenceCalculator(influence, TorchNumpyConverter(), client)
        lazy = calculator.influences(*arrays(case))
        same(lazy, influence.influences(case.x_test, case.y_test, case.x, case.y))


class Threads:
    """A client whose workers have several threads."""

    def nthreads(self):
        return {"tcp://one": 1, "tcp://two": 2}


def test_workers_of_several_threads_are_refused(influence, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(distributed, "Client", Threads)
    with pytest.raises(ThreadSafetyViolationError, match="threads_per_worker=1"):
        DaskInfluenceCalculator(influence, TorchNumpyConverter(), Threads())


def test_what_travels_survives_a_pickle(influence, case):
    examples = influence.risk.examples(case.x, case.y)
    gradients = pickle.loads(pickle.dumps(influence.gradients(examples)))
    factors = influence.influence_factors(case.x_test, case.y_test)
    torch.testing.assert_close(
        pickle.loads(pickle.dumps(influence)).influences_from_gradients(
            factors, gradients
        ),
        influence.influences(case.x_test, case.y_test, case.x, case.y),
    )


def test_what_is_refused(calculator, influence, case):
    x_test, y_test, x, y = arrays(case)
    factors = calculator.influence_factors(x_test, y_test)
    unfitted = type(influence)(case.model, case.loss)
    for error, attempt, message in (
        (
            InvalidDimensionChunksError,
            lambda: calculator.influences(x_test, y_test, x.rechunk({1: 2}), y),
            "x must be cut .* first dimension",
        ),
        (
            InvalidDimensionChunksError,
            lambda: calculator.influences_from_factors(factors.rechunk((5, 1)), x, y),
            "z_test_factors",
        ),
        (
            UnalignedChunksError,
            lambda: calculator.influence_factors(x, y.rechunk(7)),
            "same places",
        ),
        (
            UnalignedChunksError,
            lambda: calculator.influences(x_test.rechunk((4, 4)), y_test, x, y),
            "x_test",
        ),
        (InputError, lambda: calculator.influences(x_test, y_test, x), "both"),
        (
            InputError,
            lambda: calculator.influence_factors(x[x[:, 0] > 0], y),
            "unknown",
        ),
        (InputError, lambda: calculator.influence_factors(case.x, y), "dask.array"),
        (InputError, lambda: calculator.influences(x_test, y_test, mode="up"), "mode"),
        (
            InputError,
            lambda: calculator.influences_from_factors(x_test, x, y),
            "z_test_factors must have shape",
        ),
        (InputError, lambda: local(case.model), "influence object"),
        (InputError, lambda: local(unfitted), "fit"),
        (
            InputError,
            lambda: DaskInfluenceCalculator(influence, TorchNumpyConverter(), None),
            "client must be",
        ),
    ):
        with pytest.raises(error, match=message):
            attempt()


def test_a_missing_dask_is_named(influence, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)
    monkeypatch.setitem(sys.modules, "distributed", None)
    for client in (None, DisableClientSingleThreadCheck):
        with pytest.raises(MissingExtraError, match=r"torchattr\[distributed\]"):
            DaskInfluenceCalculator(influence, TorchNumpyConverter(), client)


# ----- datasets


def test_a_dataset_is_cut_into_chunks():
    x, y = randn(7, 3), labels(7, 4)
    arrays = torch_dataset_to_dask_array(TensorDataset(x, y), chunk_size=3)
    assert [array.chunks[0] for array in arrays] == [(3, 3, 1)] * 2
    assert [array.dtype for array in arrays] == [np.float32, np.int64]
    np.testing.assert_array_equal(arrays[0].compute(), x.float().numpy())
    np.testing.assert_array_equal(arrays[1].compute(), y.numpy())
    (single, _) = torch_dataset_to_dask_array(
        TensorDataset(x, y), 3, total_size=4, resulting_dtype=np.float64
    )
    np.testing.assert_array_equal(single.compute(), x[:4].numpy())


class Items(Dataset):
    """Without a length, of numbers and arrays; it tells what was read."""

    def __init__(self):
        self.read = []

    def __getitem__(self, i):
        if i >= 5:
            raise IndexError(i)
        self.read.append(i)
        return np.full(2, i), float(i)


class Stream(IterableDataset):
    def __iter__(self):
        return (torch.tensor([float(i)]) for i in range(5))


def test_datasets_of_other_kinds():
    items = Items()
    x, y = torch_dataset_to_dask_array(items, 2, total_size=5)
    assert items.read == [0]
    assert y.compute().tolist() == [0, 1, 2, 3, 4]
    assert (x.dtype, y.dtype) == (np.int64, np.float32)
    assert sorted(items.read) == [0, 0, 1, 2, 3, 4]
    assert torch_dataset_to_dask_array(Items(), 2)[0].shape == (5, 2)
    for total_size in (5, None):
        (stream,) = torch_dataset_to_dask_array(Stream(), 2, total_size=total_size)
        assert stream.compute()[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_datasets_that_are_refused():
    dataset = TensorDataset(randn(3, 2))
    for attempt in (
        lambda: torch_dataset_to_dask_array(dataset, 0),
        lambda: torch_dataset_to_dask_array(dataset, 1, total_size=4),
        lambda: torch_dataset_to_dask_array(TensorDataset(randn(0, 2)), 1),
        lambda: torch_dataset_to_dask_array(Stream(), 3, total_size=6)[0].compute(),
    ):
        with pytest.raises(InputError):
            attempt()
