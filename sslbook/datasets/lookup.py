"""Where a data set is looked for, in which order, and what is said when it is nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sslbook import paths
from sslbook.errors import DataError, UsageError


def places() -> list[Path]:
    """The folders that data are looked for in: `SSLBOOK_DATA` where set, then `data/` at home."""
    named = os.environ.get("SSLBOOK_DATA", "")
    first = [Path(named).expanduser().resolve()] if named else []
    return [*first, paths.data()]


def offline() -> bool:
    """True where `SSLBOOK_OFFLINE` forbids the network."""
    return os.environ.get("SSLBOOK_OFFLINE", "") not in ("", "0")


def options(kind: str, text: str, known: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Split "PATH?key=value&key=value" into the path and its options.

    A path that exists as it stands is never split. Raises UsageError for an unknown option.
    """
    known = sorted(known)
    if "?" not in text or Path(text).expanduser().exists():
        return text, {}
    path, _, query = text.rpartition("?")
    pairs = (pair.partition("=") for pair in query.split("&"))
    found = {key: value for key, _, value in pairs}
    strange = sorted(set(found) - set(known))
    if strange:
        raise UsageError(
            f"{kind} does not know the option {strange[0]!r}.",
            "Nothing was read.",
            f"Known: {', '.join(f'?{key}=...' for key in known)}",
        )
    return path, found


def resolve(kind: str, text: str, todo: str) -> Path:
    """The file or folder that a name such as "pack:FILE" means.

    kind, text: what is before and after the colon; text is an absolute path, or one relative to
    the working folder, to `SSLBOOK_DATA` or to `data/`, in this order. todo: how to get it.
    Raises DataError that names every place looked at.
    """
    if not text:
        raise UsageError(f"{kind}: names no path.", "Nothing was read.", f"Write {kind}:PATH")
    path = Path(text).expanduser()
    tried = [path] if path.is_absolute() else [Path.cwd() / path, *(p / path for p in places())]
    for candidate in tried:
        if candidate.exists():
            return candidate.resolve()
    raise missing(f"{kind}:{text}", tried, todo)


def missing(name: str, tried: Iterable[Path], todo: str, note: str = "") -> DataError:
    """The error for a set that is nowhere: what, every place looked at, what to type."""
    where = ", ".join(dict.fromkeys(map(str, tried)))
    return DataError(f"The data set {name} was not found.", f"Looked at: {where}{note}.", todo)
