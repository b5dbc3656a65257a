"""Fingerprints: what makes two runs the same run, as a short string.

The fingerprint of a thing depends on its content only, never on where it lives in
memory: the same in every process and on every machine. Functions and classes that a
user wrote count by their code, those of a library by their name, so that an edit of a
loss is noticed and an upgrade of PyTorch is not. The byte code differs between versions
of Python, and so do the fingerprints of functions.
"""

from __future__ import annotations

import hashlib
import re
import sys
import types
from argparse import Namespace
from collections.abc import Callable, Mapping, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial, singledispatch
from numbers import Complex, Integral, Real
from pathlib import PurePath
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from torchattr.errors import InputError
from torchattr.games.looked_up import looked_up
from torchattr.games.tensor_bytes import tensor_bytes

__all__ = ["fingerprint", "structure_of"]

#: Things already being read, outermost first: what refers to itself is named by depth.
_Within = tuple[object, ...]

_LIBRARIES = {
    "numpy",
    "scipy",
    "sklearn",
    "skorch",
    "torch",
    "torchattr",
    "torchvision",
}
_PLAIN = (bool, int, float, complex, str, bytes, Tensor, np.ndarray, np.generic)
_SETTINGS = (
    *_PLAIN, Enum, nn.Module, torch.dtype, torch.device, types.FunctionType,
    types.BuiltinFunctionType, type,
)  # fmt: skip
_METHODS = (staticmethod, classmethod, property)


@runtime_checkable
class _WithParameters(Protocol):
    """Scikit-learn's way to say how an estimator was made."""

    def get_params(self, *, deep: bool = ...) -> Mapping[str, object]: ...


def fingerprint(thing: object) -> str:
    r"""A string that is equal for things with equal content.

    ==================================== ===========================================
    thing                                what counts
    ==================================== ===========================================
    tensors, arrays                      dtype, shape and bytes; not the device
    numbers, strings, bytes, ``None``    the value (1 and 1.0 are equal)
    dicts, sets, sequences, dataclasses  the entries; the order only of sequences
    functions, methods, partials         name, code, defaults, closure, bound values,
                                         and the global settings that are used
    modules                              the architecture with the code of own
                                         classes, weights, buffers, which are trained
    optimizers                           class and the options of each group
    estimators of scikit-learn           class and ``get_params()``
    other callable objects               class and attributes
    ==================================== ===========================================

    Args:
        thing: Anything of the table.

    Returns:
        64 hexadecimal digits (SHA-256).

    Raises:
        InputError: If the thing is, or holds, anything else.

    Example:
        >>> fingerprint(torch.ones(2)) == fingerprint(np.ones(2, dtype=np.float32))
        True
        >>> step = partial(torch.optim.SGD, lr=0.1)
        >>> fingerprint(step) == fingerprint(partial(torch.optim.SGD, lr=0.2))
        False
    """
    return _digest(thing, ()).hex()


def structure_of(module: nn.Module) -> str:
    """The architecture of a module without its weights, to be fingerprinted.

    Args:
        module: The module.

    Returns:
        The fingerprint of the classes, settings and shapes of all its parts, of the
        code of classes that are no library's, of which parameters are shared and which
        are trained.

    Example:
        >>> structure_of(nn.Linear(2, 3)) == structure_of(nn.Linear(2, 3))
        True
        >>> structure_of(nn.Linear(2, 3)) == structure_of(nn.Linear(2, 3, bias=False))
        False
    """
    return _structure(module, ()).hex()


def _digest(thing: object, within: _Within) -> bytes:
    for depth, outer in enumerate(within):
        if outer is thing:
            return _joined("again", str(depth))
    return _content(thing, (*within, thing))


@singledispatch
def _content(thing: object, within: _Within) -> bytes:
    """The digest of anything that has no rule of its own below."""
    if is_dataclass(thing):  # (an instance: classes have a rule of their own)
        parts = {field.name: getattr(thing, field.name) for field in fields(thing)}
        return _joined("object", _digest(type(thing), within), _digest(parts, within))
    if isinstance(thing, _WithParameters):
        parts = dict(thing.get_params(deep=False))
        return _joined("object", _digest(type(thing), within), _digest(parts, within))
    if isinstance(thing, np.ufunc):
        return _joined("function", thing.__name__)
    attributes = getattr(thing, "__dict__", None)
    if callable(thing) and attributes is not None:
        return _joined(
            "object", _digest(type(thing), within), _digest(attributes, within)
        )
    raise InputError(
        f"cannot tell by its content what {thing!r} ({type(thing).__qualname__}) is, "
        "which a log needs in order to know a run again. Pass tensors, arrays, "
        "numbers, strings, functions, functools.partial, modules, or dicts, sequences "
        "and dataclasses of these."
    )


def _joined(kind: str, *parts: bytes | str | memoryview) -> bytes:
    """One digest of several parts, which cannot run into each other."""
    digest = hashlib.sha256(f"{kind}:{len(parts)}".encode())
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()


@_content.register
def _of_none(thing: None, within: _Within) -> bytes:
    return _joined("none")


@_content.register
def _of_truth(thing: bool, within: _Within) -> bytes:  # ruff: ignore[boolean-type-hint-positional-argument] (what the rule is for)
    return _joined("bool", str(thing))


@_content.register
def _of_number(thing: Complex, within: _Within) -> bytes:
    if isinstance(thing, Integral):
        return _joined("number", str(int(thing)))
    if isinstance(thing, Real):
        value = float(thing)
        return _joined("number", str(int(value)) if value.is_integer() else value.hex())
    return _joined("complex", str(complex(thing)))


@_content.register(str)
@_content.register(PurePath)
@_content.register(torch.dtype)
@_content.register(torch.device)
@_content.register(np.dtype)
def _of_text(thing: object, within: _Within) -> bytes:
    return _joined("text", str(thing))


@_content.register
def _of_bytes(thing: bytes, within: _Within) -> bytes:
    return _joined("bytes", thing)


@_content.register
def _of_choice(thing: Enum, within: _Within) -> bytes:
    return _joined("choice", type(thing).__qualname__, thing.name)


@_content.register
def _of_tensor(thing: Tensor, within: _Within) -> bytes:
    dtype, shape = str(thing.dtype).removeprefix("torch."), str(tuple(thing.shape))
    return _joined("array", dtype, shape, tensor_bytes(thing))


@_content.register
def _of_array(thing: np.ndarray, within: _Within) -> bytes:
    if thing.dtype == object:
        return _joined(
            "objects", str(thing.shape), _digest(thing.ravel().tolist(), within)
        )
    little = np.ascontiguousarray(thing.astype(thing.dtype.newbyteorder("<")))
    name = thing.dtype.name if thing.dtype.names is None else str(thing.dtype.descr)
    data = little.reshape(-1).view(np.uint8).data if thing.size else b""
    return _joined("array", name, str(thing.shape), data)


@_content.register
def _of_array_scalar(thing: np.generic, within: _Within) -> bytes:
    return _digest(thing.item(), within)


@_content.register
def _of_mapping(thing: Mapping, within: _Within) -> bytes:  # type: ignore[type-arg]  # (singledispatch takes no parameters)
    pairs = (
        _digest(key, within) + _digest(value, within) for key, value in thing.items()
    )
    return _joined("mapping", *sorted(pairs))


@_content.register
def _of_set(thing: Set, within: _Within) -> bytes:  # type: ignore[type-arg]  # (as above)
    return _joined("set", *sorted(_digest(entry, within) for entry in thing))


@_content.register(list)
@_content.register(tuple)
@_content.register(range)
def _of_sequence(thing: list[object], within: _Within) -> bytes:
    return _joined("sequence", *(_digest(entry, within) for entry in thing))


@_content.register
def _of_partial(thing: partial, within: _Within) -> bytes:  # type: ignore[type-arg]  # (as above)
    parts = (thing.func, thing.args, thing.keywords)
    return _joined("partial", *(_digest(part, within) for part in parts))


@_content.register
def _of_method(thing: types.MethodType, within: _Within) -> bytes:
    parts = (thing.__self__, thing.__func__)
    return _joined("method", *(_digest(part, within) for part in parts))


@_content.register(types.BuiltinFunctionType)
@_content.register(types.MethodWrapperType)
@_content.register(types.MethodDescriptorType)
@_content.register(types.WrapperDescriptorType)
def _of_builtin(thing: Callable[..., object], within: _Within) -> bytes:
    return _joined("function", thing.__qualname__)


@_content.register
def _of_function(thing: types.FunctionType, within: _Within) -> bytes:
    name = f"{thing.__module__}.{thing.__qualname__}"
    if _is_library(thing):
        return _joined("function", name)
    around, everywhere = looked_up(thing)
    parts = (
        thing.__code__,
        thing.__defaults__,
        thing.__kwdefaults__,
        around,
        {
            name: value
            for name, value in everywhere.items()
            if _is_setting(value) or _is_neighbour(value, thing)
        },
    )
    return _joined("function", name, *(_digest(part, within) for part in parts))


@_content.register
def _of_code(thing: types.CodeType, within: _Within) -> bytes:
    # Neither the file nor the lines: a function that is moved is the same.
    parts = (thing.co_code, thing.co_names, thing.co_varnames, thing.co_consts)
    return _joined("code", *(_digest(part, within) for part in parts))


@_content.register
def _of_ellipsis(thing: types.EllipsisType, within: _Within) -> bytes:
    return _joined("ellipsis")


@_content.register
def _of_class(thing: type, within: _Within) -> bytes:
    name = f"{thing.__module__}.{thing.__qualname__}"
    if _is_library(thing):
        return _joined("class", name)
    methods = {
        key: member
        for key, member in vars(thing).items()
        if isinstance(member, (types.FunctionType, *_METHODS))
        or (_is_setting(member) and not key.startswith("_"))
    }
    bases = [_digest(base, within) for base in thing.__bases__]
    return _joined("class", name, *bases, _digest(methods, within))


@_content.register
def _of_module(thing: nn.Module, within: _Within) -> bytes:
    tensors = {
        **dict(thing.named_parameters(remove_duplicate=False)),
        **dict(thing.named_buffers(remove_duplicate=False)),
    }
    return _joined("module", _structure(thing, within), _digest(tensors, within))


@_content.register
def _of_optimizer(thing: torch.optim.Optimizer, within: _Within) -> bytes:
    groups = [
        {key: value for key, value in group.items() if key != "params"}
        for group in thing.param_groups
    ]
    return _joined("optimizer", _digest(type(thing), within), _digest(groups, within))


@_content.register(types.SimpleNamespace)
@_content.register(Namespace)
def _of_namespace(thing: object, within: _Within) -> bytes:
    return _joined("namespace", _digest(vars(thing), within))


@_content.register
def _of_static_method(thing: staticmethod, within: _Within) -> bytes:  # type: ignore[type-arg]  # (as above)
    return _joined("static", _digest(thing.__func__, within))


@_content.register
def _of_class_method(thing: classmethod, within: _Within) -> bytes:  # type: ignore[type-arg]  # (as above)
    return _joined("class method", _digest(thing.__func__, within))


@_content.register
def _of_property(thing: property, within: _Within) -> bytes:
    return _joined("property", _digest((thing.fget, thing.fset), within))


def _structure(module: nn.Module, within: _Within) -> bytes:
    parts: list[bytes] = []
    for name, part in module.named_modules(remove_duplicate=False):
        settings = {
            key: value
            for key, value in vars(part).items()
            # The mode is set by a learner.
            if not key.startswith("_") and key != "training" and _is_setting(value)
        }
        parts += [
            name.encode(),
            _digest(type(part), within),
            # An address in it would be another in each process.
            re.sub(r"0x[0-9a-fA-F]+", "", part.extra_repr()).encode(),
            _digest(settings, within),
        ]
    first: dict[int, int] = {}  # of parameters that several places share
    for name, tensor in module.named_parameters(remove_duplicate=False):
        place = first.setdefault(id(tensor), len(first))
        about = (name, tuple(tensor.shape), tensor.dtype, tensor.requires_grad, place)
        parts.append(_digest(about, within))
    return _joined("structure", *parts)


def _is_setting(value: object) -> bool:
    """Whether a value that is found somewhere can be told by its content."""
    if isinstance(value, (tuple, list, Set)):
        return all(map(_is_setting, value))
    if isinstance(value, Mapping):
        return all(map(_is_setting, (*value.keys(), *value.values())))
    if isinstance(value, (types.SimpleNamespace, Namespace)):
        return _is_setting(vars(value))
    if isinstance(value, partial):
        return all(map(_is_setting, (value.func, value.args, value.keywords)))
    return value is None or isinstance(value, _SETTINGS)


def _is_library(thing: type | Callable[..., object]) -> bool:
    top = str(thing.__module__).partition(".")[0]
    if top == "__main__":  # which may be run by a library's script
        return False
    if top in _LIBRARIES or top in sys.stdlib_module_names:
        return True
    path = getattr(sys.modules.get(top), "__file__", None) or ""
    return not {"site-packages", "dist-packages"}.isdisjoint(PurePath(path).parts)


def _is_neighbour(value: object, function: types.FunctionType) -> bool:
    """Whether a global is written in the same file, so that its code counts as well."""
    return (
        isinstance(value, (types.FunctionType, type))
        and value.__module__ == function.__module__
    )
