"""Records: one JSON file a run. Scoreboard, verdicts and reports read these and nothing else.

A record names chapter, code, preset, parameters, seed, data, device, versions, times, scores and
claims (record.schema.json says how). It holds no path, user or host name.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import re
import subprocess
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path, PureWindowsPath
from typing import Any

from sslbook.core import files, paths
from sslbook.core.version import __version__
from sslbook.records.schema import SCHEMA as SCHEMA
from sslbook.records.schema import Record, parse

_LIBRARIES = ("torch", "torchvision", "numpy", "scikit-learn", "timm")
# What decides a result; pictures, the command line and the contract do not.
_DECIDES = ("core/streams.py", "core/numerics.py", "nets", "datasets", "views", "masks", "methods",
            "judging", "training")
# The name of a shipped record; beside them lie encoders, controls and times of the bench.
_SHIPPED = re.compile(r".+-(cpu|cuda|mps)-s\d+\.json")


@functools.cache
def code() -> dict[str, str]:
    """Version, digest of the code that decides results, and commit (empty outside git)."""
    digest = hashlib.sha256()
    for name in _DECIDES:
        place = paths.PACKAGE / name
        found = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        for file in found:
            if file.is_file():
                digest.update(file.read_bytes().replace(b"\r\n", b"\n"))
    return {"version": __version__, "digest": digest.hexdigest()[:12], "commit": _commit()}


def _commit() -> str:
    if not paths.is_checkout(paths.PACKAGE.parent):
        return ""
    command = ["git", "-C", str(paths.PACKAGE.parent), "rev-parse", "--short=12", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that can change a number."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def write(folder: Path, record: Record) -> None:
    """Write a record into a run's folder, whole or not at all."""
    files.write_json(folder / "record.json", record)


def examine(path: Path) -> tuple[Record | None, str]:
    """(record, "") of a file, or (None, why it is none): damaged, foreign, another schema."""
    try:
        return parse(path.read_text(encoding="utf-8")), ""
    except (OSError, ValueError, RecursionError) as error:
        return None, printable(getattr(error, "strerror", None) or str(error))[:120]


def read(path: Path) -> Record | None:
    """One record, or None when the file is not one (damaged, foreign, another schema)."""
    return examine(path)[0]


def printable(text: str) -> str:
    """Text from a record on one line that any terminal and file can take.

    A record comes from outside: white space becomes a space; control characters, marks that turn
    the direction of writing, and half a surrogate pair become "?".
    """
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)


def to_json(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a record holds them: JSON values, and of the reader's own data the name alone."""
    found = json.loads(json.dumps(dict(sorted(settings.items()))))
    if isinstance(found.get("dataset"), str):
        found["dataset"] = dataset_label(found["dataset"])
    return found


def dataset_label(dataset: str) -> str:
    """A data set's name as a record holds it: folder:photos of folder:~/pictures/photos."""
    kind, colon, place = dataset.partition(":")
    return f"{kind}:{PureWindowsPath(place).name}" if colon else dataset  # it knows both slashes


def shipped_files(chapter: str = "") -> list[Path]:
    """The files of the book's reference records, of one chapter or ("") all."""
    found = (paths.records() / chapter).glob("*.json" if chapter else "*/*.json")
    return sorted(path for path in found if _SHIPPED.fullmatch(path.name))


def shipped(chapter: str = "") -> list[Record]:
    """The book's reference records, of one chapter or all; they are shared, not to be changed."""
    return [record for path in shipped_files(chapter) if (record := _read_once(path))]


def run_files(folder: Path, chapter: str = "") -> list[Path]:
    """The records' files of the runs under `folder`, of one chapter or all, oldest first."""
    found = (folder / chapter).glob("*/record.json" if chapter else "*/*/record.json")
    return sorted(found, key=lambda path: path.parent.name)


def iter_runs(folder: Path, chapter: str = "") -> Iterator[tuple[Path, Record | None]]:
    """(run folder, record or None) of those runs; records are shared, not to be changed."""
    for path in run_files(folder, chapter):
        yield path.parent, _read_once(path)


def own(chapter: str = "") -> list[Record]:
    """The records of this machine's runs, of one chapter or all, oldest first."""
    return [record for _, record in iter_runs(paths.runs(), chapter) if record]


def _read_once(path: Path) -> Record | None:
    """What `read` finds; a file that has not changed since is not read again."""
    try:
        about = path.stat()
    except OSError:  # gone since it was listed
        return None
    return _read_version(path, about.st_ino, about.st_mtime_ns, about.st_size)


@functools.lru_cache(maxsize=4096)
def _read_version(path: Path, *_version: int) -> Record | None:
    return read(path)


def minor(version: str) -> str:
    """0.1 of 0.1.3."""
    return ".".join(version.split(".")[:2])


def reference(chapter: str, dataset: str) -> Record | None:
    """The shipped record that a run on a data set is held beside: the longest training, newest."""
    order = {"full": 2, "lesson": 1}
    found = [r for r in shipped(chapter) if r["preset"] in order
             and r["parameters"].get("dataset", "") == dataset_label(dataset)]
    return max(found, default=None, key=lambda r: (
        order[r["preset"]], r["parameters"].get("epochs", 0), r["started"]))
