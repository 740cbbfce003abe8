"""What lies here already: the runs of a chapter, by what they were given and how they ended."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sslbook import records
from sslbook.core.version import __version__
from sslbook.headless.plan import read_given

Found = dict[str, list[tuple[Path, records.Record]]]


def index(base: Path, defaults: Mapping[str, Any]) -> Found:
    """Key -> (folder, record) of the runs under `base`, oldest first.

    Only runs of this minor version count, and only those whose `parameters.json` says what they
    were given: a record alone holds the preset's values as well, not which of them were asked for.
    """
    found: Found = {}
    for path in sorted(base.glob("*/record.json")):
        record, given = records.read(path), read_given(path.parent)
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


def newest(
    found: Found, given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> tuple[Path | None, Path | None]:
    """(finished, cut short): the newest runs that were given the same.

    finished: on data that have not changed since, by code of the notebook's own. cut short: not
    what failed by itself.
    """
    runs = found.get(key(given, defaults), [])[::-1]
    data = given.get("DATASET", "")
    done = (folder for folder, record in runs
            if record["status"] == "finished" and record.get("trained_with") != "reference"
            and _same_data(record, data))
    begun = (folder for folder, record in runs
             if record["status"] in ("running", "interrupted", "crashed"))
    return next(done, None), next(begun, None)


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
