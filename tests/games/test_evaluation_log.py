"""A log loses nothing that was written, and never answers for another run."""

from __future__ import annotations

import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from torchattr.errors import InputError
from torchattr.games.additive_game import AdditiveGame
from torchattr.games.cached import Cached
from torchattr.games.counted import Counted
from torchattr.games.evaluation_log import EvaluationLog
from torchattr.games.function_game import FunctionGame

IDENTITY = {"training data": "a", "test data": "b", "scorer": "c"}


def coalitions(count, n=11, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, n, generator=generator) < 0.5


def opened(path, n=11, **changes):
    return EvaluationLog(path, n, IDENTITY | changes)


def contents(log):
    return [(c.tolist(), v.tolist()) for c, v in log]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.log"


@pytest.fixture
def ends(path):
    """A log of three blocks, and where each ends."""
    log, ends = opened(path), [path.stat().st_size]
    for seed, count in enumerate([3, 1, 2]):
        log.append(coalitions(count, seed=seed), torch.rand(count, 2).double())
        ends.append(path.stat().st_size)
    return ends


DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool)


@pytest.mark.parametrize("dtype", [*DTYPES, torch.complex64])
@pytest.mark.parametrize("shape", [(), (3,), (2, 1)])
@pytest.mark.parametrize("n", [1, 8, 9])
def test_what_is_appended_is_read(path, dtype, shape, n):
    log = opened(str(path), n)
    asked = coalitions(5, n)
    values = torch.arange(5 * torch.Size(shape).numel()).reshape(5, *shape).to(dtype)
    log.append(asked, values)
    log.append(asked[:1], values[:1])
    for reader in (log, opened(path, n)):
        blocks = list(reader)
        assert [len(part) for part, _ in blocks] == [5, 1]
        assert torch.equal(blocks[0][0], asked)
        assert torch.equal(blocks[0][1], values)
        assert blocks[1][1].dtype == dtype


def test_values_need_not_be_contiguous(path):
    values = torch.arange(6.0).reshape(2, 3).T
    opened(path).append(coalitions(3), values)
    assert torch.equal(next(iter(opened(path)))[1], values)


def test_one_value_of_any_stride(path):
    column = torch.arange(12.0).reshape(4, 3)[1:2, 2]
    assert column.stride() == (3,)
    opened(path).append(coalitions(1), column)
    assert next(iter(opened(path)))[1].tolist() == [5.0]


def test_the_file_only_grows(path, ends):
    before = path.read_bytes()
    opened(path).append(coalitions(1), torch.zeros(1, 2))
    assert path.read_bytes()[: len(before)] == before
    assert ends[-1] == len(before)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"scorer": "x"}, "scorer"),
        ({"training data": "x", "scorer": "x"}, "scorer, training data"),
        ({"groups": "x"}, "groups"),
        ({"n": 12}, "number of players"),
    ],
)
def test_another_run_is_refused_by_name(path, ends, changes, names):
    before, options = path.read_bytes(), dict(changes)
    n = options.pop("n", 11)
    with pytest.raises(InputError, match=f"What differs: {names}\\. "):
        opened(path, n, **options)
    assert path.read_bytes() == before
    assert ends[-1] == len(before)


@pytest.mark.parametrize("text", [b"x", b"torchattr evaluation logs", b"\x89PNG" * 99])
def test_a_foreign_file_is_refused_unchanged(path, text):
    path.write_bytes(text)
    with pytest.raises(InputError, match="not an evaluation log"):
        opened(path)
    assert path.read_bytes() == text


def test_another_version_of_the_format_is_refused_unchanged(path, ends):
    text = path.read_bytes().replace(b"log 1\n", b"log 2\n", 1)
    path.write_bytes(text)
    with pytest.raises(InputError, match="another version"):
        opened(path)
    assert path.read_bytes() == text
    assert ends


@pytest.mark.parametrize("wrong", ["missing/run.log", "."])
def test_a_path_that_cannot_be(tmp_path, wrong):
    with pytest.raises(InputError, match="a file in a folder that exists"):
        opened(tmp_path / wrong)


def test_a_log_that_is_no_path():
    with pytest.raises(InputError, match="log must be a path, got int"):
        opened(3)


def test_shapes_are_checked(path):
    with pytest.raises(InputError, match="takes coalitions"):
        opened(path).append(coalitions(2, 3), torch.zeros(2))
    with pytest.raises(InputError, match="takes coalitions"):
        opened(path).append(coalitions(2), torch.zeros(3))


def test_making_that_was_torn_is_begun_anew(path):
    opened(path)
    whole = path.read_bytes()
    # In the magic, at both ends, and here and there between.
    for size in sorted({*range(8), *range(8, len(whole), 7), *range(len(whole))[-5:]}):
        path.write_bytes(whole[:size])
        assert contents(opened(path)) == []
        assert path.read_bytes() == whole


def test_a_torn_tail_costs_only_the_tail(path, ends):
    whole, before = path.read_bytes(), contents(opened(path))
    fresh = coalitions(2, seed=9), torch.rand(2, 2).double()
    # Each byte of the head and of the end, and every third between.
    tail = range(ends[-2] + 1, ends[-1])
    for size in sorted({*tail[:16], *tail[16::3], *tail[-9:]}):
        path.write_bytes(whole[:size])
        with pytest.warns(RuntimeWarning, match="damaged in 1 place"):
            log = opened(path)
        assert contents(log) == before[:-1]
        assert path.read_bytes() == whole[:size]  # until the run goes on
        log.append(*fresh)
        expected = [*before[:-1], (fresh[0].tolist(), fresh[1].tolist())]
        assert contents(log) == expected
        assert contents(opened(path)) == expected
    path.write_bytes(whole[: ends[-2]])
    assert contents(opened(path)) == before[:-1]


@pytest.mark.parametrize("block", [1, 2, 3])
def test_a_damaged_block_costs_only_itself(path, ends, block):
    whole, before = path.read_bytes(), contents(opened(path))
    fresh = coalitions(2, seed=9), torch.rand(2, 2).double()
    expected = [*before[: block - 1], *before[block:]]
    for place in range(ends[block - 1], ends[block], 5):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.warns(RuntimeWarning, match="damaged in 1 place"):
            log = opened(path)
        assert contents(log) == expected
        log.append(*fresh)
        assert contents(opened(path))[:-1] == expected


def test_a_damaged_first_block_costs_nothing_and_protects_still(path, ends):
    whole, before = path.read_bytes(), contents(opened(path))
    damaged = bytearray(whole)
    damaged[ends[0] - 1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="no longer names"):
        opened(path, scorer="x")
    assert path.read_bytes() == damaged
    with pytest.warns(RuntimeWarning, match="damaged"):
        log = opened(path)
    log.append(coalitions(1), torch.zeros(1, 2))
    assert contents(opened(path))[:-1] == before
    with pytest.raises(InputError, match="What differs: scorer"):
        opened(path, scorer="x")


def test_nothing_undamaged_is_begun_anew(path, ends):
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + bytes(ends[-1]))
    with pytest.warns(RuntimeWarning, match="started anew"):
        assert contents(opened(path)) == []
    assert path.read_bytes() == whole[: ends[0]]


def test_what_looks_like_a_block_inside_damage_is_not_believed(path):
    log = opened(path)
    log.append(coalitions(1), torch.zeros(1))
    start = path.stat().st_size
    log.append(coalitions(1), torch.zeros(1))
    block = path.read_bytes()[start:]
    path.write_bytes(path.read_bytes()[:start] + block[:30] + b"\xf0EVL" + block)
    with pytest.warns(RuntimeWarning, match="damaged in 1 place"):
        assert len(contents(opened(path))) == 2


def test_logs_of_one_run_can_be_joined(path, tmp_path, ends):
    other = tmp_path / "other.log"
    opened(other).append(coalitions(1), torch.ones(1, 2).double())
    path.write_bytes(path.read_bytes() + other.read_bytes())
    assert len(contents(opened(path))) == len(ends)


def test_a_log_that_vanished_is_not_begun_without_its_beginning(path):
    log = opened(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        log.append(coalitions(1), torch.zeros(1))
    assert not path.exists()


# Together with a cache


def game(**options):
    return Counted(AdditiveGame(torch.arange(11.0, **options)))


def test_what_is_in_the_log_is_not_evaluated(path):
    first, asked = game(), coalitions(30)
    values = Cached(first, opened(path))(asked)
    second, more = game(), torch.cat([asked, coalitions(5, seed=3)])
    cached = Cached(second, opened(path))
    assert cached.n_stored == first.n_evaluations
    assert torch.equal(cached(more)[:30], values)
    distinct = len(more.unique(dim=0))
    assert first.n_evaluations + second.n_evaluations == distinct
    assert sum(len(part) for part, _ in opened(path)) == distinct


def test_a_run_that_needs_nothing_new_repairs_its_log_as_well(path):
    whole = coalitions(4)
    Cached(game(), opened(path))(whole)
    path.write_bytes(path.read_bytes() + b"torn")
    with pytest.warns(RuntimeWarning, match="damaged in 1 place"):
        log = opened(path)
    again = Cached(game(), log)
    again(whole)
    assert again.n_hits == 4
    assert contents(opened(path)) == contents(log)


def test_each_chunk_is_logged_before_the_next_is_evaluated(path):
    asked = coalitions(20).unique(dim=0)
    done = []

    def values(chunk):
        assert sum(len(part) for part, _ in opened(path)) == len(done)
        if len(done) >= 12:
            raise KeyboardInterrupt
        done.extend(chunk.tolist())
        return chunk.sum(1)

    inner = FunctionGame(values, 11)
    inner.chunk_size = 4
    with pytest.raises(KeyboardInterrupt):
        Cached(inner, opened(path))(asked)
    logged = torch.cat([part for part, _ in opened(path)])
    assert logged.tolist() == done
    assert logged.sum(1).tolist() == sorted(asked.sum(1).tolist())[:12]


def test_a_log_of_another_size_of_game_is_refused(path):
    with pytest.raises(InputError, match="for 9 players, the game has 11"):
        Cached(game(), opened(path, 9))


def test_values_of_another_shape_are_refused(path):
    opened(path).append(coalitions(1), torch.zeros(1, 7))
    with pytest.raises(InputError, match=r"value of shape \(\), others have \(7,\)"):
        Cached(game(), opened(path))(coalitions(3, seed=1))


def test_the_wider_type_is_kept(path):
    Cached(game(), opened(path))(coalitions(3))
    asked = torch.cat([coalitions(3), coalitions(9, seed=1)])
    wide = game(dtype=torch.float64)
    values = Cached(wide, opened(path))(asked)
    assert values.dtype == torch.float64
    assert torch.equal(values, wide.game(asked))


CHILD = """
import sys, time, torch
from torchattr.games import Cached, FunctionGame
from torchattr.games.evaluation_log import EvaluationLog

def values(chunk):
    time.sleep(0.02)
    print("chunk", flush=True)
    return chunk.double().sum(1)

game = FunctionGame(values, 11)
game.chunk_size = 3
identity = {"training data": "a", "test data": "b", "scorer": "c"}
log = EvaluationLog(sys.argv[1], 11, identity)
asked = torch.rand(3000, 11, generator=torch.Generator().manual_seed(0)) < 0.5
Cached(game, log)(asked)
"""


def test_a_run_that_was_killed_goes_on(path):
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    for _ in range(8):
        assert process.stdout.readline() == "chunk\n"
    process.send_signal(signal.SIGKILL)
    n_done = 8 + process.stdout.read().count("chunk")
    process.wait()
    process.stdout.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # it may be torn, or not
        log = opened(path)
    inner, asked = game(dtype=torch.float64), coalitions(3000)
    cached = Cached(inner, log)
    n_logged = cached.n_stored
    assert 3 * (n_done - 1) <= n_logged <= 3 * n_done
    cached(asked)
    assert n_logged + inner.n_evaluations == len(asked.unique(dim=0))
    assert sum(len(part) for part, _ in opened(path)) == cached.n_stored
