"""Figures that others published, beside our records (data/records/published.yml)."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from sslbook import paths


@functools.cache
def read(folder: Path) -> dict[str, Any]:
    """The file `published.yml` of a folder of records as it is; {} where there is none."""
    import yaml

    path = folder / "published.yml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}


def beside(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The published figures that a finished run can be held against.

    Chapter, row, measure and data set agree, and the run was as long as the source asks for (its
    key `ours`, in epochs); a JPEG copy counts as the data set it is a copy of.
    Keys: chapter, row, measure, seed, ours and published (0-1), gap (points, ours less theirs),
    source, about, url.
    """
    stored, found = read(paths.records()), []
    data = stored.get("data", {}).get(record["parameters"].get("dataset"))
    done = record["status"] == "finished"
    for row in stored.get("figures", ()) if done else ():
        source = stored["sources"][row["source"]]
        ours = record["scores"].get(row["row"], {}).get(row["measure"])
        long = record["parameters"].get("epochs", 0) >= source["ours"]
        same = (row["chapter"], row["data"]) == (record["chapter"], data)
        if same and long and ours is not None:
            about = ", ".join(filter(None, [source["about"], row["about"]]))
            found.append({
                "chapter": row["chapter"], "row": row["row"], "measure": row["measure"],
                "seed": record["seed"], "ours": ours, "published": row["value"],
                "gap": 100 * (ours - row["value"]), "source": source["name"], "about": about,
                "url": source["url"],
            })
    return found
