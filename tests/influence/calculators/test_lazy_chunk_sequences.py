"""Sequences and tables of chunks, what is made of them, and where they are stored."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
import torch

from tests.influence.cases import randn
from torchattr.errors import InputError, MissingExtraError
from torchattr.influence.calculators.lazy_chunk_sequence import LazyChunkSequence
from torchattr.influence.calculators.nested_lazy_chunk_sequence import (
    Columns,
    NestedLazyChunkSequence,
)
from torchattr.influence.calculators.nested_sequence_aggregator import (
    NestedListAggregator,
    NestedSequenceAggregator,
    NestedTorchCatAggregator,
)
from torchattr.influence.calculators.sequence_aggregator import (
    ListAggregator,
    SequenceAggregator,
    TorchCatAggregator,
)
from torchattr.influence.calculators.torch_numpy_converter import TorchNumpyConverter

zarr = pytest.importorskip("zarr")
CONVERTER = TorchNumpyConverter()


def sequence(whole, *sizes):
    return LazyChunkSequence(lambda: iter(whole.split(list(sizes))))


def table(whole, rows, columns, *, by_columns=False):
    """The blocks of a tensor, which come row by row or column by column."""

    def by_row():
        return (iter(row.split(columns, 1)) for row in whole.split(rows))

    def by_column():
        return Columns(iter(c.split(rows)) for c in whole.split(columns, 1))

    return NestedLazyChunkSequence(by_column if by_columns else by_row)


either_order = pytest.mark.parametrize("by_columns", [False, True])


def test_a_sequence_is_computed_into_a_list_or_a_tensor():
    whole = randn(5, 2)
    lazy = sequence(whole, 2, 2, 1)
    for computed in (lazy.compute(), lazy.compute(ListAggregator()), list(lazy)):
        assert [len(chunk) for chunk in computed] == [2, 2, 1]
    assert torch.equal(lazy.compute(TorchCatAggregator()), whole)
    assert torch.equal(torch.cat(list(lazy.generator_factory())), whole)


@either_order
def test_a_table_is_computed_into_lists_or_a_tensor(by_columns):
    whole = randn(5, 4, 3)
    lazy = table(whole, [2, 2, 1], [3, 1], by_columns=by_columns)
    for computed in (
        lazy.compute(),
        lazy.compute(NestedListAggregator()),
        lazy,
        lazy.generator_factory(),
    ):
        shapes = [[tuple(block.shape) for block in row] for row in computed]
        assert shapes == [[(r, c, 3) for c in (3, 1)] for r in (2, 2, 1)]
    assert torch.equal(lazy.compute(NestedTorchCatAggregator()), whole)


def test_users_aggregate_as_they_like():
    class Sizes(SequenceAggregator):
        def __call__(self, tensor_sequence):
            return [chunk.numel() for chunk in tensor_sequence.generator_factory()]

    class Norms(NestedSequenceAggregator):
        def __call__(self, nested_sequence_of_tensors):
            rows = nested_sequence_of_tensors.generator_factory()
            return [sum(block.square().sum() for block in row) for row in rows]

    whole = randn(3, 4)
    assert sequence(whole, 2, 1).compute(Sizes()) == [8, 4]
    for by_columns in (False, True):
        lazy = table(whole, [1, 1, 1], [2, 2], by_columns=by_columns)
        torch.testing.assert_close(
            torch.stack(lazy.compute(Norms())), whole.square().sum(1)
        )


@pytest.mark.parametrize(
    ("lazy", "aggregator"),
    [
        (sequence(randn(2, 2), 1, 1), NestedTorchCatAggregator()),
        (sequence(randn(2, 2), 1, 1), TorchCatAggregator),
        (table(randn(2, 2), [2], [2]), TorchCatAggregator()),
        (table(randn(2, 2), [2], [2]), NestedTorchCatAggregator),
    ],
)
def test_an_aggregator_of_the_other_kind_is_refused(lazy, aggregator):
    for wrong in (aggregator, "list"):
        with pytest.raises(InputError, match="aggregator must be"):
            lazy.compute(wrong)


def test_progress_is_shown_on_demand(capsys):
    lazy = sequence(randn(3, 1), 1, 1, 1)
    lazy.compute()
    assert not capsys.readouterr().err
    lazy.compute(show_progress=True)
    table(randn(2, 2), [2], [1, 1]).compute(show_progress=True)
    assert "3it" in capsys.readouterr().err


# ----- stores


@either_order
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_table_is_stored(tmp_path, by_columns, dtype):
    whole = randn(5, 4, 3).to(dtype)
    lazy = table(whole, [2, 2, 1], [3, 1], by_columns=by_columns)
    assert lazy.to_zarr(str(tmp_path / "there" / "r"), CONVERTER) is None
    stored = zarr.open(str(tmp_path / "there" / "r"), mode="r")
    assert stored.dtype == CONVERTER.to_numpy(whole).dtype
    np.testing.assert_array_equal(stored[:], whole.numpy())
    assert os.listdir(tmp_path / "there") == ["r"]


def test_a_sequence_is_stored_and_returned(tmp_path):
    whole = randn(5, 3)
    stored = sequence(whole, 2, 2, 1).to_zarr(tmp_path, CONVERTER, return_stored=True)
    np.testing.assert_array_equal(stored[:], whole.numpy())


@either_order
def test_more_than_one_piece_is_stored(tmp_path, by_columns):
    whole = torch.arange(1000 * 1300.0).reshape(1000, 1300)
    lazy = table(whole, [300, 300, 300, 100], [512, 512, 276], by_columns=by_columns)
    stored = lazy.to_zarr(tmp_path / "r", CONVERTER, return_stored=True)
    np.testing.assert_array_equal(stored[:], whole.numpy())
    assert np.prod(stored.chunks) <= 2**18 < stored.size


@either_order
def test_blocks_are_stored_as_they_come(tmp_path, by_columns):
    written = []

    def strips():
        for i in range(6):
            written.append(sum(path.is_file() for path in tmp_path.rglob("*")))
            yield [torch.full((300, 500), float(i))]

    lazy = NestedLazyChunkSequence(
        lambda: Columns(strips()) if by_columns else strips()
    )
    lazy.to_zarr(tmp_path / "r", CONVERTER)
    # Two blocks fill a file; with the first one come the data that describe the array.
    assert written[:2] == [0, 0]
    assert written[1] < written[2] == written[3] < written[4]


def test_a_store_object():
    store = zarr.storage.MemoryStore()
    whole = randn(3, 2)
    lazy = sequence(whole, 2, 1)
    stored = lazy.to_zarr(store, CONVERTER, return_stored=True)
    np.testing.assert_array_equal(stored[:], whole.numpy())
    with pytest.raises(InputError, match="overwrite=True"):
        lazy.to_zarr(store, CONVERTER)
    sequence(-whole, 3).to_zarr(store, CONVERTER, overwrite=True)
    np.testing.assert_array_equal(zarr.open(store, mode="r")[:], -whole.numpy())


def test_an_existing_store_is_refused_before_anything_is_computed(tmp_path):
    path = tmp_path / "r"
    sequence(randn(3, 2), 3).to_zarr(path, CONVERTER)
    lazy = LazyChunkSequence(lambda: pytest.fail("computed"))
    nested = NestedLazyChunkSequence(lambda: pytest.fail("computed"))
    for refused in (lazy, nested):
        with pytest.raises(InputError, match="overwrite=True"):
            refused.to_zarr(path, CONVERTER)
    other = randn(5, 2, seed=1)
    sequence(other, 2, 3).to_zarr(path, CONVERTER, overwrite=True)
    np.testing.assert_array_equal(zarr.open(str(path), mode="r")[:], other.numpy())
    assert os.listdir(tmp_path) == ["r"]


def test_what_is_no_store_is_never_overwritten(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("five years")
    (tmp_path / "file").write_text("of work")
    for name in ("folder", "file"):
        with pytest.raises(InputError, match="no zarr store"):
            sequence(randn(1, 1), 1).to_zarr(tmp_path / name, CONVERTER, overwrite=True)
    assert (tmp_path / "folder" / "thesis.txt").read_text() == "five years"


def failing(whole):
    yield whole
    raise RuntimeError("the power is gone")


@pytest.mark.parametrize("there_before", [False, True])
def test_a_failure_leaves_the_path_as_it_was(tmp_path, there_before):
    path, whole = tmp_path / "r", randn(600, 600)
    if there_before:
        sequence(whole, 600).to_zarr(path, CONVERTER)
    with pytest.raises(RuntimeError, match="power"):
        LazyChunkSequence(lambda: failing(-whole)).to_zarr(
            path, CONVERTER, overwrite=there_before
        )
    assert os.listdir(tmp_path) == (["r"] if there_before else [])
    if there_before:
        np.testing.assert_array_equal(zarr.open(str(path), mode="r")[:], whole.numpy())


def test_what_is_no_converter_is_refused_before_anything_is_computed(tmp_path):
    for lazy in (
        LazyChunkSequence(lambda: pytest.fail("computed")),
        NestedLazyChunkSequence(lambda: pytest.fail("computed")),
    ):
        for wrong in (TorchNumpyConverter, np.asarray):
            with pytest.raises(InputError, match=r"TorchNumpyConverter\(\); got"):
                lazy.to_zarr(tmp_path / "r", wrong)


def test_several_inputs_cannot_be_stored(tmp_path):
    pair = (randn(1, 1, 2), randn(1, 1, 3))
    with pytest.raises(InputError, match="several inputs"):
        NestedLazyChunkSequence(lambda: [[pair]]).to_zarr(tmp_path / "r", CONVERTER)
    with pytest.raises(InputError, match="expected a tensor"):
        LazyChunkSequence(lambda: [pair]).to_zarr(tmp_path / "r", CONVERTER)
    assert not os.listdir(tmp_path)


def test_nothing_cannot_be_joined_or_stored(tmp_path):
    empty = LazyChunkSequence(list)
    for attempt in (
        lambda: empty.compute(TorchCatAggregator()),
        lambda: empty.to_zarr(tmp_path / "r", CONVERTER),
        lambda: empty.to_zarr(tmp_path / "r.zip", CONVERTER),
    ):
        with pytest.raises(InputError):
            attempt()


def test_a_missing_zarr_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingExtraError, match=r"pip install torchattr\[store\]"):
        sequence(randn(1, 1), 1).to_zarr(tmp_path / "r", CONVERTER)


# ----- arrays


def test_tensors_and_arrays():
    tensor = randn(2, 3).requires_grad_()
    array = CONVERTER.to_numpy(tensor)
    assert np.shares_memory(array, tensor.detach().numpy())
    assert CONVERTER.to_numpy(torch.ones(1, dtype=torch.bfloat16)).dtype == np.float32
    array.flags.writeable = False  # as arrays from other processes are
    for given in (array, array[::-1], array.astype(">f8"), array[:, ::2]):
        back = TorchNumpyConverter("cpu").from_numpy(given)
        np.testing.assert_array_equal(back.numpy(), given)
    assert TorchNumpyConverter("meta").from_numpy(array).device.type == "meta"
