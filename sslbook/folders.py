"""The folder of a run: a new one that no other run has, or an unfinished one to go on with."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sslbook import files, paths
from sslbook.errors import UsageError
from sslbook.judging import records


def of_run(
    chapter: str, resolved: SimpleNamespace, parameters: Mapping[str, Any], resume: str
) -> Path:
    """The run's folder: given by the command line, an unfinished one, or a new one."""
    if given := os.environ.get("SSLBOOK_RUN_FOLDER", ""):
        return Path(given)
    base = paths.runs(str(parameters.get("OUT_DIR", ""))) / chapter
    if resume:
        found = _unfinished(base, resume, resolved)
        if found is not None:
            return found
        if resume != "auto":
            raise UsageError(f"No run {resume!r} of {chapter}.", "", "See: sslbook runs")
    return new(base, resolved.preset, resolved.seed)


def new(base: Path, preset: str, seed: int) -> Path:
    """Make a run folder that no other run has: time, preset, seed and four random digits."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    folder = base / f"{stamp}-{preset}-s{seed}-{secrets.token_hex(2)}"
    with files.explained(folder):
        folder.mkdir(parents=True, exist_ok=False)
    return folder


def _unfinished(base: Path, resume: str, resolved: SimpleNamespace) -> Path | None:
    if resume != "auto":
        return base / resume if (base / resume / "record.json").is_file() else None
    plain = json.loads(json.dumps(vars(resolved)))  # tuples become lists, as in the record
    for folder in sorted(base.glob("*/record.json"), reverse=True):
        record = records.read(folder)
        if record and record["status"] != "finished" and record["parameters"] == plain:
            return folder.parent
    return None
