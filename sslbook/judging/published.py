"""Figures that others published, beside our records (data/records/published.yml)."""

from __future__ import annotations

import functools
from typing import Any

from sslbook import paths


@functools.cache
def _read() -> dict[str, Any]:
    import yaml

    path = paths.records() / "published.yml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}


def beside(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The published figures that a finished run of preset `full` can be held against.

    Chapter, row, measure and data set agree; a JPEG copy counts as the data set it is a copy of.
    Keys: chapter, row, measure, seed, ours and published (0-1), gap (points, ours less theirs),
    source, about, url.
    """
    stored, found = _read(), []
    data = stored.get("data", {}).get(record["parameters"].get("dataset"))
    full = (record["preset"], record["status"]) == ("full", "finished")
    for row in stored.get("figures", ()) if full else ():
        ours = record["scores"].get(row["row"], {}).get(row["measure"])
        if (row["chapter"], row["data"]) == (record["chapter"], data) and ours is not None:
            source = stored["sources"][row["source"]]
            about = ", ".join(filter(None, [source["about"], row["about"]]))
            found.append({
                "chapter": row["chapter"], "row": row["row"], "measure": row["measure"],
                "seed": record["seed"], "ours": ours, "published": row["value"],
                "gap": 100 * (ours - row["value"]), "source": source["name"], "about": about,
                "url": source["url"],
            })
    return found
