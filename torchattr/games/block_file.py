"""Files of blocks that describe themselves and carry a checksum.

A file is a signature, then blocks. A block is a frame (mark, lengths, their CRC-32), a
header in JSON, the content, and the BLAKE2b digest of header and content. What is torn
or damaged is recognised and passed over: the next sound block is found by its mark.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

__all__ = ["Block", "Survey", "append_block", "framed", "replace_file", "survey_file"]

_MARK = b"\xf0EVL"
_FRAME = struct.Struct("<4sIQ")  # mark, bytes of the header, bytes of the content
_CRC = struct.Struct("<I")  # of the frame, so that no length is believed unchecked
_BEFORE = _FRAME.size + _CRC.size
_DIGEST_BYTES = 16
_PIECE = 2**20  # bytes that are copied or searched at once
_BINARY = getattr(os, "O_BINARY", 0)  # where line ends would be rewritten


@dataclass(frozen=True)
class Block:
    """Where a sound block lies in its file, and what it says of itself.

    Attributes:
        start: Where it begins.
        content: Where its content begins.
        end: Where its content ends.
        header: What it says.
    """

    start: int
    content: int
    end: int
    header: dict[str, Any]

    @property
    def stop(self) -> int:
        """Where the next block begins."""
        return self.end + _DIGEST_BYTES

    def read(self, file: BinaryIO) -> bytearray:
        """The content.

        Args:
            file: The file that the block was found in.

        Returns:
            Its bytes.
        """
        file.seek(self.content)
        return bytearray(file.read(self.end - self.content))


@dataclass
class Survey:
    """What a file holds.

    Attributes:
        blocks: The sound blocks, in order.
        sound: Ranges of bytes that are sound, signatures included.
        n_damaged: Number of stretches between them that are not.
    """

    blocks: list[Block] = field(default_factory=list)
    sound: list[tuple[int, int]] = field(default_factory=list)
    n_damaged: int = 0


def framed(header: Mapping[str, Any], *content: bytes | memoryview) -> bytes:
    """The bytes of one block.

    Args:
        header: What the block says of itself.
        *content: Its content, in parts.

    Returns:
        The whole block.

    Example:
        >>> framed({"kind": "empty"})[20:37]
        b'{"kind": "empty"}'
    """
    told = json.dumps(header).encode()
    frame = _FRAME.pack(_MARK, len(told), sum(map(len, content)))
    digest = hashlib.blake2b(told, digest_size=_DIGEST_BYTES)
    for part in content:
        digest.update(part)
    check = _CRC.pack(zlib.crc32(frame))
    return b"".join([frame, check, told, *content, digest.digest()])


def append_block(
    path: Path, header: dict[str, Any], *content: bytes | memoryview
) -> Block:
    """Write a block at the end of a file, and hand it to the operating system.

    Args:
        path: The file, which must be there.
        header: What the block says of itself.
        *content: Its content, in parts.

    Returns:
        Where it lies.
    """
    block = framed(header, *content)
    # Without O_CREAT: a file that vanished must not grow again without its beginning.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | _BINARY)
    with os.fdopen(descriptor, "ab") as file:
        start = file.tell()
        file.write(block)
    end = start + len(block) - _DIGEST_BYTES
    return Block(start, end - sum(map(len, content)), end, header)


def replace_file(
    path: Path,
    beginning: bytes,
    source: BinaryIO | None = None,
    ranges: Sequence[tuple[int, int]] = (),
) -> None:
    """Write a file beside another, then put it in its place at a stroke.

    Args:
        path: The file that is made or replaced.
        beginning: Its first bytes.
        source: Where the rest is copied from.
        ranges: Ranges of bytes of the source.
    """
    beside = path.with_name(f"{path.name}.part")
    with beside.open("wb") as file:
        file.write(beginning)
        for start, stop in ranges if source is not None else ():
            for piece in _pieces(source, start, stop):
                file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def survey_file(path: Path, signature: bytes) -> Survey:
    """Find all sound blocks of a file.

    Args:
        path: The file.
        signature: Its first bytes. They may come again: files can be joined.

    Returns:
        The blocks, and how often something else lies between them.
    """
    survey, offset, damaged = Survey(), 0, False
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        while offset < size:
            block = _block_at(file, offset, size)
            if block is not None:
                survey.blocks.append(block)
                stop = block.stop
            elif _read(file, offset, len(signature)) == signature:
                stop = offset + len(signature)
            else:
                survey.n_damaged += not damaged
                damaged = True
                offset = _next_sign(file, offset + 1, size, signature)
                continue
            survey.sound.append((offset, stop))
            offset, damaged = stop, False
    return survey


def _block_at(file: BinaryIO, offset: int, size: int) -> Block | None:
    """The block that begins at an offset, unless there is none or it is damaged."""
    first = _read(file, offset, _BEFORE)
    if len(first) < _BEFORE or first[: len(_MARK)] != _MARK:
        return None
    frame, check = first[: _FRAME.size], first[_FRAME.size :]
    if _CRC.pack(zlib.crc32(frame)) != check:
        return None
    _, n_header, n_content = _FRAME.unpack(frame)
    content = offset + _BEFORE + n_header
    end = content + n_content
    if end + _DIGEST_BYTES > size:
        return None
    told = _read(file, offset + _BEFORE, n_header)
    digest = hashlib.blake2b(told, digest_size=_DIGEST_BYTES)
    for piece in _pieces(file, content, end):
        digest.update(piece)
    if digest.digest() != _read(file, end, _DIGEST_BYTES):
        return None
    return Block(offset, content, end, json.loads(told))


def _next_sign(file: BinaryIO, offset: int, size: int, signature: bytes) -> int:
    """Where the next block or signature may begin; the size if nowhere."""
    overlap = max(len(signature), len(_MARK)) - 1
    while offset < size:
        piece = _read(file, offset, _PIECE + overlap)
        places = [place for place in map(piece.find, (_MARK, signature)) if place >= 0]
        if places:
            return offset + min(places)
        offset += _PIECE
    return size


def _read(file: BinaryIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)


def _pieces(file: BinaryIO | None, start: int, stop: int) -> Iterator[bytes]:
    if file is not None:
        for offset in range(start, stop, _PIECE):
            yield _read(file, offset, min(_PIECE, stop - offset))
