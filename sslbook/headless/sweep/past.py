"""What lies here already: the runs of a chapter, by what they were given and how they ended."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sslbook import records
from sslbook.core.lock import is_locked
from sslbook.core.version import __version__

Runs = list[tuple[Path, records.Record]]  # folders with their records
Found = dict[str, Runs]


def index(base: Path, defaults: Mapping[str, Any]) -> Found:
    """Key -> (folder, record) of the runs under `base`, oldest first.

    Only runs of this minor version count, and only those whose `parameters.json` says what they
    were given: a record alone holds the preset's values as well, not which of them were asked for.
    """
    found: Found = {}
    for path in sorted(base.glob("*/record.json")):
        record, given = records.read(path), _given(path.parent)
        if record is None or given is None:
            continue
        if records.minor(record["code"].get("version", "")) == records.minor(__version__):
            given |= {"PRESET": record["preset"], "SEED": record["seed"]}
            found.setdefault(key(given, defaults), []).append((path.parent, record))
    return found


def key(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Equal for runs that were given the same; a parameter that has its default was not given."""
    told = {k: v for k, v in given.items() if k != "OUT_DIR" and v != defaults.get(k)}
    return json.dumps(told, sort_keys=True)


def finished(runs: Runs, dataset: str = "") -> Path | None:
    """The newest finished one of `runs`, on data that have not changed since."""
    for folder, record in reversed(runs):
        if record["status"] == "finished" and _same_data(record, dataset):
            return folder
    return None


def unfinished(runs: Runs) -> Path | None:
    """The newest one of `runs` that was cut short; one that failed by itself is not."""
    for folder, record in reversed(runs):
        if record["status"] in ("running", "interrupted", "crashed"):
            return folder
    return None


def free(folder: Path) -> bool:
    """True when no living process works in a run's folder."""
    return not is_locked(folder)


def _given(folder: Path) -> dict[str, Any] | None:
    try:
        given = json.loads((folder / "parameters.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return given if isinstance(given, dict) else None


def _same_data(record: records.Record, name: str) -> bool:
    """True unless the files behind `name` have changed since the record was written.

    A set without a path is the same wherever the version is: its checksums are in the code.
    """
    if ":" not in name:
        return True
    parameters = record["parameters"]
    sizes = tuple(parameters.get(k, 0) for k in ("images", "test_images", "size"))
    return all(_digest(name, split, *sizes) == about.get("sha256")
               for split, about in record["data"].items())


@functools.cache
def _digest(name: str, split: str, images: int, test_images: int, size: int) -> str:
    """The checksum of a split as a run with these settings would load it."""
    from sslbook.run.run import load_split

    wanted = SimpleNamespace(dataset=name, images=images, test_images=test_images, size=size)
    return load_split(wanted, split).sha256
