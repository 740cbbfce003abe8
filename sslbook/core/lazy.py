"""Names of a room that are loaded when first used, so that importing the room costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def lazy(
    room: str, names: Mapping[str, Iterable[str]], modules: Iterable[str] = ()
) -> tuple[Callable[[str], Any], list[str]]:
    """(`__getattr__`, the public names) of a package.

    room: its dotted name. names: module below it -> what of that module is public. modules: what
    is public as a whole, under the last part of its name.
    """
    places = {name: module for module, found in names.items() for name in found}
    whole = {module.rpartition(".")[2]: module for module in modules}

    def load(name: str) -> Any:
        if name in places:
            return getattr(import_module(f"{room}.{places[name]}"), name)
        if name in whole:
            return import_module(f"{room}.{whole[name]}")
        raise AttributeError(f"module {room!r} has no attribute {name!r}")

    return load, sorted([*places, *whole])
