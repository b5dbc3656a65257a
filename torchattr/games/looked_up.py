"""What a function uses beside its arguments: the values of names outside of it."""

from __future__ import annotations

import dis
import types
from collections.abc import Iterator

__all__ = ["looked_up"]

_READS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF"}
_WRITES = {"STORE_GLOBAL", "STORE_NAME", "STORE_DEREF"}
_METHODS = {"LOAD_ATTR", "LOAD_METHOD"}
_CHANGES = {
    "add", "append", "appendleft", "clear", "extend", "insert", "pop", "remove",
    "setdefault", "update",
}  # fmt: skip
_ITEM_CHANGES = {"COPY", "DUP_TOP_TWO", "STORE_SUBSCR"}  # after a name and a key


def looked_up(function: types.FunctionType) -> tuple[list[object], dict[str, object]]:
    """Values that a function finds by name outside of itself.

    What it changes itself, such as a list that it appends to or a counter, is a record
    of its calls and left out. Names that have no value yet are as well.

    Args:
        function: Any function written in Python.

    Returns:
        Those of the functions around it, and global ones by name.

    Example:
        >>> def counted(calls, scale):
        ...     def loss(outputs, targets):
        ...         calls.append(1)
        ...         return scale * (outputs - targets)
        ...     return loss
        >>> looked_up(counted([], 3.0))
        ([3.0], {})
    """
    code = function.__code__
    inner = list(_within(code))
    changed = set().union(*map(_changed, inner))
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    read = {
        step.argval
        for part in inner
        for step in dis.get_instructions(part)
        if step.opname in {"LOAD_GLOBAL", "LOAD_NAME"}
    }
    around = [
        cell.cell_contents
        for name, cell in cells
        if name not in changed and cell != types.CellType()
    ]
    everywhere = function.__globals__
    return around, {
        name: everywhere[name] for name in sorted(read - changed) if name in everywhere
    }


def _within(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _within(constant)


def _changed(code: types.CodeType) -> set[str]:
    """Names that are assigned to, or whose value is changed in place."""
    changed: set[str] = set()
    before: list[dis.Instruction] = []
    for step in dis.get_instructions(code):
        if step.opname in _WRITES:
            changed.add(step.argval)
        if step.opname in _METHODS and step.argval in _CHANGES:
            changed |= _names(before[-1:])
        if step.opname in _ITEM_CHANGES:
            changed |= _names(before[-2:-1])
        before = [*before[-1:], step]
    return changed


def _names(steps: list[dis.Instruction]) -> set[str]:
    return {step.argval for step in steps if step.opname in _READS}
