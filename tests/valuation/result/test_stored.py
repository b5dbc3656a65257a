"""Results survive files; nothing else is read as one."""

from __future__ import annotations

import io
import json
import math
import pickle
import zipfile

import numpy as np
import pytest

from torchattr.errors import InputError
from torchattr.valuation.result import (
    Status,
    ValuationResult,
    load_result,
    save_result,
)

RESULTS = [
    ValuationResult(values=[1.0, 2.0]),
    ValuationResult.empty("shapley"),
    ValuationResult(
        values=[3.0, math.nan, 1.0],
        variances=[1.0, 0.0, 2.0],
        counts=[5, 0, 4],
        indices=[9, 2, 4],
        data_names=["ä", "b", "longer"],
        algorithm="shapley",
        status=Status.Converged,
        stderr=[0.1, 0.2, 0.3],
        replicates=[2, 0, 2],
        subsidy=0.1 + 0.2,
        n_failures=np.int64(3),
        none=None,
        flag=True,
        unknown=math.nan,
        curve=np.arange(6.0).reshape(2, 3),
        labels=np.array(["x", "yy"]),
        header=[1, "two", {"three": (4.0, np.float64(5))}],
        values_=np.float32(7),
    ).sort(),
    ValuationResult(values=[1.0], data_names=[17]),
    ValuationResult(values=[1.0], data_names=np.array([("a", 1)], dtype=object)[:, 0]),
]


@pytest.mark.parametrize("result", RESULTS)
def test_what_is_loaded_is_what_was_saved(result, tmp_path):
    path = tmp_path / "result"
    save_result(result, path)
    loaded = load_result(str(path))
    assert loaded == result
    assert loaded.indices.tolist() == result.indices.tolist()
    assert loaded.names.tolist() == result.names.tolist()
    assert loaded.replicates.tolist() == result.replicates.tolist()
    assert [p.name for p in tmp_path.iterdir()] == ["result"]  # nothing beside it


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "result.npz"
    good = ValuationResult(values=[1.0])
    good.save(path)
    bad = ValuationResult(values=[2.0], model=object())
    with pytest.raises(InputError, match="extra 'model' is a object"):
        bad.save(path)
    assert ValuationResult.load(path) == good
    ValuationResult(values=[3.0]).save(path)
    assert ValuationResult.load(path).values.tolist() == [3.0]
    assert [p.name for p in tmp_path.iterdir()] == ["result.npz"]


@pytest.mark.parametrize("extra", [{1: 2}, [np.ones(2)], np.array([{}], dtype=object)])
def test_what_would_need_a_pickle_is_refused(extra, tmp_path):
    with pytest.raises(InputError, match="cannot be saved"):
        ValuationResult(values=[1.0], extra=extra).save(tmp_path / "result")
    assert not list(tmp_path.iterdir())


class Trap:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


def foreign_files():
    buffer = io.BytesIO()
    np.savez(buffer, values=np.ones(2))
    yield "an archive of arrays", buffer.getvalue()
    buffer = io.BytesIO()
    np.savez(buffer, header=np.frombuffer(b"{}", dtype=np.uint8))
    yield "an archive with another header", buffer.getvalue()
    buffer = io.BytesIO()
    np.savez(buffer, header=np.frombuffer(b"[1", dtype=np.uint8))
    yield "an archive with a broken header", buffer.getvalue()
    buffer = io.BytesIO()
    np.savez(buffer, header=np.array([1, 2]))
    yield "an archive with numbers for a header", buffer.getvalue()
    buffer = io.BytesIO()
    np.save(buffer, np.ones(2))
    yield "one array", buffer.getvalue()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "text")
    yield "a zip of text", buffer.getvalue()
    yield "a pickle", pickle.dumps(Trap())
    yield "text", b"values: 1, 2, 3"
    yield "nothing", b""


@pytest.mark.parametrize("content", dict(foreign_files()).items(), ids=lambda c: c[0])
def test_foreign_files_are_refused(content, tmp_path):
    path = tmp_path / "foreign"
    path.write_bytes(content[1])
    with pytest.raises(InputError, match=r"is not a result|of another kind"):
        load_result(path)


def test_a_torn_file_is_refused(tmp_path):
    path = tmp_path / "result"
    ValuationResult(values=np.ones(100)).save(path)
    whole = path.read_bytes()
    for end in range(0, len(whole), 97):
        path.write_bytes(whole[:end])
        with pytest.raises(InputError, match="is not a result"):
            load_result(path)


def test_a_file_that_is_replaced_stays_for_whoever_has_it_open(tmp_path):
    path = tmp_path / "result"
    old = ValuationResult(values=[1.0])
    old.save(path)
    (tmp_path / "link").hardlink_to(path)
    ValuationResult(values=[2.0]).save(path)
    assert ValuationResult.load(tmp_path / "link") == old


def test_a_later_version_is_refused(tmp_path):
    path = tmp_path / "result"
    ValuationResult(values=[1.0]).save(path)
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays["header"].tobytes()) | {"version": 2}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, **arrays)
    with pytest.raises(InputError, match="later version"):
        load_result(path)


def test_no_file_is_said_so(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_result(tmp_path / "nowhere")
