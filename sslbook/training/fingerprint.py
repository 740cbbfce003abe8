"""Has a training changed since it ran? A digest of the code and the plain values behind it.

Names in a notebook are followed: editing a loss that another function calls changes the digest,
so that a cell run again trains again exactly when the learner changed something.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import types
from typing import Any

import torch
from torch import nn

_PLAIN = (bool, int, float, str, bytes, type(None))
_DEPTH = 6


def fingerprint(*things: Any) -> str:
    """16 hex digits that change when a function's code, its closure or a plain value changes."""
    digest = hashlib.sha256()
    for thing in things:
        digest.update(_describe(thing, _DEPTH, set()).encode())
    return digest.hexdigest()[:16]


def weights(module: nn.Module) -> str:
    """16 hex digits of a module's weights and buffers, names apart."""
    digest = hashlib.sha256()
    for value in module.state_dict().values():
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def _describe(thing: Any, depth: int, seen: set[int]) -> str:
    if isinstance(thing, _PLAIN):
        return repr(thing)
    if depth == 0 or id(thing) in seen:
        return type(thing).__qualname__
    seen = seen | {id(thing)}
    if isinstance(thing, (list, tuple)):
        return "[" + ",".join(_describe(x, depth - 1, seen) for x in thing) + "]"
    if isinstance(thing, dict):
        pairs = sorted(thing.items(), key=lambda pair: str(pair[0]))
        return "{" + ",".join(f"{k}:{_describe(v, depth - 1, seen)}" for k, v in pairs) + "}"
    if isinstance(thing, functools.partial):
        return _describe([thing.func, thing.args, thing.keywords], depth, seen)
    if isinstance(thing, types.MethodType):
        return _describe(thing.__func__, depth, seen)
    if isinstance(thing, types.FunctionType):
        return _function(thing, depth, seen)
    if isinstance(thing, types.SimpleNamespace):
        return _describe(vars(thing), depth, seen)
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        values = {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)}
        return type(thing).__qualname__ + _describe(values, depth, seen)
    if hasattr(thing, "recipes"):  # an augmentation is what its recipes say
        return type(thing).__qualname__ + _describe(list(thing.recipes), depth - 1, seen)
    if isinstance(thing, type) and thing.__module__ == "__main__":
        return _describe(dict(vars(thing)), depth, seen)
    return type(thing).__qualname__


def _function(function: types.FunctionType, depth: int, seen: set[int]) -> str:
    inner = [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
    # Only names of a notebook are followed: the package's own code is named by its version.
    named = []
    if function.__module__ == "__main__":
        names = sorted(_names(function.__code__))
        named = [function.__globals__[n] for n in names if n in function.__globals__]
    parts = [function.__qualname__, _code(function.__code__)]
    parts += [_describe(x, depth - 1, seen) for x in (*inner, *named)]
    parts += [_describe(list(function.__defaults__ or ()), depth - 1, seen)]
    parts += [_describe(function.__kwdefaults__ or {}, depth - 1, seen)]
    return "(" + ";".join(parts) + ")"


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _names(code: types.CodeType) -> set[str]:
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*[_names(c) for c in inner])


def _code(code: types.CodeType) -> str:
    """Byte code, names and constants: what runs, not how it is laid out or commented."""
    constants = [_constant(value) for value in code.co_consts]
    return f"{code.co_code.hex()}{code.co_names}{code.co_varnames}{constants}"


def _constant(value: Any) -> str:
    if isinstance(value, types.CodeType):
        return _code(value)
    if isinstance(value, frozenset):  # its order differs from process to process
        return repr(sorted(value, key=repr))
    return repr(value)
