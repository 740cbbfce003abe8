"""List and prune the runs on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from sslbook import records
from sslbook.core import files, paths
from sslbook.core.lock import is_locked
from sslbook.headless.log import progress


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


def status_line(folder: Path, stands: str) -> str:
    """The status with what a reader wants to know beside it."""
    far = progress(folder) if stands in ("running", "interrupted", "crashed") else ""
    return f"{stands}{', ' if far else ''}{far}"


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
