"""Where data are looked for, in which order, and what is said when they cannot be used."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from sslbook.core import paths
from sslbook.errors import DataError, UsageError


def places() -> list[Path]:
    """The folders that data are looked for in: `SSLBOOK_DATA` where set, then `data/` at home."""
    named = os.environ.get("SSLBOOK_DATA", "")
    first = [paths.expanded(named).resolve()] if named else []
    return [*first, paths.data()]


def offline() -> bool:
    """True where `SSLBOOK_OFFLINE` forbids the network."""
    return os.environ.get("SSLBOOK_OFFLINE", "") not in ("", "0")


def candidates(text: str) -> list[Path]:
    """What a path in a name may mean: below the working folder, `SSLBOOK_DATA`, `data/`.

    An absolute path means itself alone.
    """
    path = paths.expanded(text)
    return list(dict.fromkeys(place / path for place in (Path.cwd(), *places())))


def find(tried: Iterable[Path], inside: str = "") -> Path | None:
    """The first of some paths that exists, and holds `inside` where that is given.

    Raises DataError where one cannot be looked for: nothing that comes later is taken for it.
    """
    for path in tried:
        try:
            os.stat(path / inside)
            return path
        except PermissionError as error:
            raise unusable(f"You have no right to look into {paths.existing(path)}, where "
                           f"{path / inside} may lie.",
                           "Ask for the right to read it, or name another place.") from error
        except (OSError, ValueError):
            continue
    return None


def unusable(what: str, todo: str, done: str = "Nothing was loaded.") -> DataError:
    """The error for data that cannot be used."""
    return DataError(what, done, todo)


def missing(name: str, tried: Iterable[Path], todo: str, note: str = "") -> DataError:
    """The error for a set that is nowhere: what, every place looked at, what to type."""
    where = ", ".join(map(str, tried))
    return unusable(f"The data set {name} was not found.", todo, f"Looked at: {where}{note}.")


def not_fetched(name: str, error: Exception | str) -> DataError:
    """The error for a set whose download failed, and why."""
    reason = " ".join(str(error).split())[:160]
    return unusable(f"The data set {name} could not be downloaded: {reason}",
                    f"Try again later: sslbook data get {name}",
                    f"It was in none of {', '.join(map(str, places()))}.")


def refuse_offline(name: str, tried: Iterable[Path]) -> None:
    """Raise DataError where `SSLBOOK_OFFLINE` forbids the download of a set that is nowhere."""
    if offline():
        raise missing(name, tried, f"Type: sslbook data get {name}",
                      "; download is off (SSLBOOK_OFFLINE is set)")


def one_of(kind: str, key: str, value: str, known: Collection[str]) -> None:
    """Raise UsageError where `value` is not one of the `known` ones."""
    if value not in known:
        raise UsageError(f"{kind} does not know {key}={value!r}.", "Nothing was loaded.",
                         f"Known: {', '.join(list(known)[:20]) or 'none'}")


def options(
    kind: str, text: str, known: Mapping[str, tuple[str, ...]]
) -> tuple[str, dict[str, str]]:
    """Split "PATH?key=value&key=value" into the path and its options.

    known: the values of each option, () for any. A path that exists as it stands is never split.
    Raises UsageError for an option or value that is not known.
    """
    if "?" not in text or find(candidates(text)):
        return text, {}
    path, _, query = text.rpartition("?")
    found = dict(pair.partition("=")[::2] for pair in query.split("&"))
    for key, value in found.items():
        one_of(kind, "option", key, known)
        one_of(kind, key, value, known[key] or (value,))
    return path, found
