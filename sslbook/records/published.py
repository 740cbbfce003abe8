"""Figures that others published, beside our records (data/records/published.yml)."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from sslbook.core import paths
from sslbook.records.schema import Record


@functools.cache
def read(folder: Path) -> dict[str, Any]:
    """The file `published.yml` of a folder of records as it is; {} where there is none."""
    import yaml

    path = folder / "published.yml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}


def matching_figures(record: Record) -> list[dict[str, Any]]:
    """The published figures that a finished run can be held against.

    Chapter, row, measure and data set agree (a JPEG copy counts as what it is a copy of), all
    images were used, and the run is what the source's key `ours` asks for. Keys: chapter, row,
    measure, seed, ours and published (0-1), gap (points, ours less theirs), ran (what ours was),
    source, about, url.
    """
    stored, found, given = read(paths.records()), [], record["parameters"]
    name = str(given.get("dataset"))
    for row in stored.get("figures", ()):
        source = stored["sources"][row["source"]]
        ours = record["scores"].get(row["row"], {}).get(row["measure"])
        same = (row["chapter"], row["data"]) == (record["chapter"], stored["data"].get(name))
        if same and ours is not None and _fits(record, dict(source["ours"])):
            about = ", ".join(filter(None, [source["about"], row["about"]]))
            ran = f"{name}, {given['epochs']} epochs, batch {given.get('batch_size') or 'whole'}"
            found.append({
                **row, "seed": record["seed"], "ours": ours, "published": row["value"],
                "gap": 100 * (ours - row["value"]), "ran": ran, "source": source["name"],
                "about": about, "url": source["url"],
            })
    return found


def _fits(record: Record, wanted: dict[str, Any]) -> bool:
    """True where net and length of a finished run are as wanted, on all images."""
    given = record["parameters"]
    cut = given.get("max_steps") or given.get("images") or given.get("minutes")
    long = str(given.get("epochs")).isdigit() and given["epochs"] >= wanted.pop("epochs")
    return record["status"] == "finished" and not cut and long and all(
        given.get(key) == value for key, value in wanted.items())
