"""The log of a game: every evaluated coalition with its value, in one file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, final

import numpy as np
import torch
from torch import Tensor

from torchattr.errors import InputError
from torchattr.games.block_file import (
    Block,
    Survey,
    append_block,
    framed,
    replace_file,
    survey_file,
)
from torchattr.games.counts import as_count
from torchattr.games.fingerprint import fingerprint
from torchattr.games.tensor_bytes import tensor_bytes

__all__ = ["EvaluationLog"]

_KIND_OF_FILE = b"torchattr evaluation log "
_SIGNATURE = _KIND_OF_FILE + b"1\n"


@final
class EvaluationLog:
    r"""Evaluated coalitions and their values, appended to one file as a run goes.

    The file is a signature, then blocks that each describe themselves and end with a
    checksum. The first says which run the log belongs to; each other holds packed
    coalitions and their values. A block is written at once and handed to the operating
    system, so that a process that is killed loses nothing of it; one that is torn or
    damaged all the same costs itself only: its coalitions are evaluated again. Only one
    process may write a log at a time.

    Args:
        path: The file. It is made if there is none, or if its making was interrupted.
        n_players: Number of players of the game.
        identity: What a value depends on beside the coalition, by name: strings that
            are equal where the things are, such as those of
            :func:`~torchattr.games.fingerprint`.

    Attributes:
        path: The file.
        n_players: Number of players.

    Raises:
        InputError: If the file is no log, or the log of another run; the message names
            what differs. The file is left as it was.

    Warns:
        RuntimeWarning: If a part of the file is damaged. It is cut out when the run
            goes on.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "run.log"
        >>> coalitions = torch.tensor([[True, False, True]])
        >>> log = EvaluationLog(path, 3, {"data": "digits"})
        >>> log.append(coalitions, torch.tensor([0.5]))
        >>> list(EvaluationLog(path, 3, {"data": "digits"}))
        [(tensor([[ True, False,  True]]), tensor([0.5000]))]
    """

    def __init__(
        self, path: str | Path, n_players: int, identity: Mapping[str, str]
    ) -> None:
        self.path = _checked_path(path)
        self.n_players = as_count("n_players", n_players)
        self._identity = {"number of players": str(self.n_players), **identity}
        self._run = fingerprint(self._identity)
        self._beginning = _SIGNATURE + framed({
            "kind": "identity",
            "run": self._run,
            "identity": self._identity,
        })
        self._survey = self._opened()

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The evaluations, in the order and the blocks in which they were appended.

        Yields:
            ``(C, n_players)`` coalitions and their ``(C, *value)`` values, on the CPU.
            One that was appended twice comes twice.
        """
        with self.path.open("rb") as file:
            for block in self._survey.blocks:
                if block.header["kind"] == "evaluations":
                    yield self._decoded(file, block)

    def append(self, coalitions: Tensor, values: Tensor) -> None:
        """Add evaluations, and flush them.

        Args:
            coalitions: ``(C, n_players)`` booleans, ``C >= 1``.
            values: ``(C, *value)``.

        Raises:
            InputError: If the shapes do not fit.
        """
        if coalitions.shape != (len(values), self.n_players):
            raise InputError(
                f"a log of {self.n_players} players takes coalitions (C, "
                f"{self.n_players}) and values (C, *value); got "
                f"{tuple(coalitions.shape)} and {tuple(values.shape)}"
            )
        self.repair()
        header = {
            "kind": "evaluations",
            "run": self._run,
            "count": len(values),
            "n_players": self.n_players,
            "dtype": str(values.dtype).removeprefix("torch."),
            "shape": list(values.shape[1:]),
        }
        packed = np.packbits(coalitions.cpu().numpy(), axis=1)
        content = (packed.tobytes(), tensor_bytes(values))
        self._survey.blocks.append(append_block(self.path, header, *content))

    def _opened(self) -> Survey:
        """What the file holds, which is made if need be."""
        size = self.path.stat().st_size if self.path.exists() else 0
        survey = Survey()
        if size > 0:
            self._refuse_foreign_file()
            survey = survey_file(self.path, _SIGNATURE)
        for block in survey.blocks:
            self._refuse_other_run(block.header)
        if survey.blocks:
            if survey.n_damaged:
                _warn(
                    f"{self.path} is damaged in {survey.n_damaged} place(s): what was "
                    "written there is evaluated again if it is needed, the rest is "
                    "used. The log is repaired when the run goes on."
                )
            return survey
        if size > len(self._beginning):
            _warn(f"{self.path} holds nothing that is undamaged: it is started anew")
        replace_file(self.path, self._beginning)
        return survey_file(self.path, _SIGNATURE)

    def _refuse_foreign_file(self) -> None:
        with self.path.open("rb") as file:
            first = file.read(len(_SIGNATURE))
        if first == _SIGNATURE[: len(first)]:  # (shorter: torn while it was made)
            return
        if first.startswith(_KIND_OF_FILE):
            raise InputError(
                f"{self.path} is a log in another version of the format: {first!r}, "
                f"expected {_SIGNATURE!r}. Update torchattr, or pass another path."
            )
        raise InputError(
            f"{self.path} is not an evaluation log, and is left as it is. Pass the "
            "path of a log, or of a file that does not exist yet."
        )

    def _refuse_other_run(self, header: Mapping[str, Any]) -> None:
        if header.get("run") == self._run:
            return
        theirs = header.get("identity", {})
        names = sorted(
            name
            for name in {*self._identity, *theirs}
            if self._identity.get(name) != theirs.get(name)
        )
        if not theirs:
            names = ["something that its damaged first block no longer names"]
        raise InputError(
            f"{self.path} is the log of another run. What differs: {', '.join(names)}. "
            "Its values would be wrong here, and it is left as it is. Pass the same "
            "as then, or the path of another log."
        )

    def repair(self) -> None:
        """Cut damaged parts out, by a copy that takes the place of the file.

        Nothing happens to a file without any.
        """
        survey = self._survey
        if not survey.n_damaged:
            return
        named = any(block.header["kind"] == "identity" for block in survey.blocks)
        with self.path.open("rb") as file:
            replace_file(
                self.path, b"" if named else self._beginning, file, survey.sound
            )
        self._survey = survey_file(self.path, _SIGNATURE)

    def _decoded(self, file: BinaryIO, block: Block) -> tuple[Tensor, Tensor]:
        header, content = block.header, block.read(file)
        width = -(-self.n_players // 8)
        split = header["count"] * width
        packed = np.frombuffer(content, np.uint8, split).reshape(-1, width)
        bits = np.unpackbits(packed, axis=1, count=self.n_players)
        # A copy, since values need not begin where their type is aligned.
        values = torch.frombuffer(content, dtype=torch.uint8)[split:].clone()
        dtype: torch.dtype = getattr(torch, header["dtype"])
        shape = (header["count"], *header["shape"])
        return torch.from_numpy(bits).bool(), values.view(dtype).reshape(shape)


def _checked_path(path: str | Path) -> Path:
    if not isinstance(path, (str, Path)):
        raise InputError(f"log must be a path, got {type(path).__name__}")
    file = Path(path).expanduser().resolve()
    if file.is_dir() or not file.parent.is_dir():
        raise InputError(
            f"log must be a file in a folder that exists, got {str(path)!r}"
        )
    return file


def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=5)
