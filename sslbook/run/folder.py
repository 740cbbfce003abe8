"""The folder of a run: a new one that no other run has, or an unfinished one to go on with."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sslbook import records
from sslbook.core import files, paths
from sslbook.core.lock import is_locked
from sslbook.errors import UsageError


def choose_folder(
    chapter: str, resolved: SimpleNamespace, parameters: Mapping[str, Any], resume: str
) -> Path:
    """The run's folder: given by the command line, an unfinished one, or a new one."""
    now = records.to_json(vars(resolved))
    if given := os.environ.get("SSLBOOK_RUN_FOLDER", ""):
        _continuable(Path(given), now)
        return Path(given)
    base = paths.runs(str(parameters.get("OUT_DIR", ""))) / chapter
    if resume == "auto":
        found = _unfinished(base, now)
    elif resume:
        found, _ = find_unfinished(base, resume)
        _continuable(found, now)
    else:
        found = None
    return found or create_folder(base, resolved.preset, resolved.seed)


def find_unfinished(base: Path, run_id: str) -> tuple[Path, records.Record]:
    """Folder and record of a run that can be gone on with. Raises UsageError for another one."""
    folder = base / Path(run_id).name
    record = records.read(folder / "record.json")
    if record is None:
        raise UsageError(f"No run {run_id!r} of {base.name}.", "Nothing was started.",
                         "See: sslbook runs")
    if record["status"] == "finished":
        raise UsageError(f"The run {run_id} is finished.", "Nothing was changed.",
                         "Start a new one.")
    return folder, record


def in_use(folder: Path) -> UsageError:
    """The error for a run that a living process works in."""
    return UsageError(f"The run {folder.name} is in use by another process.",
                      "Nothing was changed.", "Wait for it, or start a new run.")


def create_folder(base: Path, preset: str, seed: int) -> Path:
    """Make a run folder that no other run has: time, preset, seed and four random digits."""
    with files.explained(base):
        base.mkdir(parents=True, exist_ok=True)
        while True:
            stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
            folder = base / f"{stamp}-{preset}-s{seed}-{secrets.token_hex(2)}"
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                return folder


def _unfinished(base: Path, now: dict[str, Any]) -> Path | None:
    """The newest run of these settings that neither finished nor runs."""
    for path in sorted(base.glob("*/record.json"), reverse=True):
        record = records.read(path)
        same = record and record["status"] != "finished" and record["parameters"] == now
        if same and not is_locked(path.parent):
            return path.parent
    return None


def _continuable(folder: Path, now: dict[str, Any]) -> None:
    """Refuse to write over a finished run, or over one of other settings."""
    record = records.read(folder / "record.json")
    if record is None:
        return
    if record["status"] == "finished":
        raise UsageError(f"The run {folder.name} is finished.", "Nothing was changed.",
                         "Start a new one.")
    then = record["parameters"]
    for key in sorted({*now, *then}):
        if now.get(key) != then.get(key):
            raise UsageError(
                f"The run {folder.name} has {key}={then.get(key)!r}, not {now.get(key)!r}.",
                "Nothing was changed.", "Continue it with its own parameters, or start a new one.",
            )
