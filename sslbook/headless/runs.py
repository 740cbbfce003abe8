"""List and prune the runs on this machine."""

from __future__ import annotations

import contextlib
import functools
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sslbook import records
from sslbook.book import toc
from sslbook.core import files, paths
from sslbook.core.lock import is_locked
from sslbook.errors import UserError
from sslbook.headless.log import progress
from sslbook.records.report import CONTROLS


def runs(chapter: str = "") -> Iterator[tuple[Path, str]]:
    """(folder, status) of this machine's runs, oldest first.

    status: "finished", "failed", "interrupted", "running", "crashed" (it says that it runs, but no
    process holds it), "damaged record", or "not begun" (no record was written yet).
    """
    folders = {path.parent for path in paths.runs().glob("*/*/record.json")}
    folders |= {path.parent for path in paths.runs().glob("*/*/parameters.json")}
    for folder in sorted(folders, key=lambda folder: folder.name):
        if not chapter or folder.parent.name == chapter:
            yield folder, status(folder)


def status(folder: Path) -> str:
    """How the run in `folder` stands (see `runs`)."""
    path = folder / "record.json"
    if not path.exists():
        return "not begun"
    record = records.read(path)
    if record is None:
        return "damaged record"
    if record["status"] == "running" and not is_locked(folder):
        return "crashed"
    return record["status"]


def about(folder: Path, stands: str) -> dict[str, Any]:
    """A run for a list: chapter, id, status, data, seed, score, minutes, reason.

    score: (measure, value) of the row that is the chapter's own, None where there is none. reason:
    why it failed, or how far it is. What the record does not say is None or "".
    """
    record = records.read(folder / "record.json") or {}
    seconds = record.get("seconds", {}).get("wall")
    far = progress(folder) if stands in ("running", "interrupted", "crashed") else ""
    return {
        "chapter": folder.parent.name, "id": folder.name, "status": stands,
        "data": record.get("parameters", {}).get("dataset", ""), "seed": record.get("seed"),
        "score": _main_score(folder.parent.name, record),
        "minutes": None if seconds is None else round(seconds / 60, 1),
        "reason": ", ".join(filter(None, [str(record.get("error") or "").rstrip("."), far])),
    }


def _main_score(chapter: str, record: Mapping[str, Any]) -> tuple[str, float] | None:
    """The chapter's main measure (else kNN, else the first) of the first row that is no control."""
    rows = [row for name, row in record.get("scores", {}).items() if name not in CONTROLS]
    for measure in (*_measures().get(chapter, ()), "knn20", *(rows[0] if rows else ())):
        if rows and isinstance(value := rows[0].get(measure), (int, float)):
            return measure, value
    return None


@functools.cache
def _measures() -> dict[str, tuple[str, ...]]:
    """The main measure of every chapter that names one; {} where the contents cannot be read."""
    with contextlib.suppress(UserError):
        return {one.name: (one.measure,) for one in toc.chapters() if one.measure}
    return {}


def to_prune(keep: int, chapter: str = "") -> list[Path]:
    """The folders that `prune` would delete: of each chapter all but its `keep` newest runs.

    A run that a process holds is never among them, and neither is one that may just be starting.
    """
    by_chapter: dict[str, list[Path]] = {}
    for folder, _ in runs(chapter):
        by_chapter.setdefault(folder.parent.name, []).append(folder)
    old = [folder for found in by_chapter.values() for folder in found[: max(0, len(found) - keep)]]
    return [folder for folder in old if not is_locked(folder) and status(folder) != "not begun"]


def prune(folders: list[Path]) -> None:
    """Delete the folders of runs. Raises UserError where one cannot be deleted."""
    for folder in folders:
        with files.explained(folder):
            shutil.rmtree(folder)
