"""What changed in each chapter for a reader, from `docs/changes.yml`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

from sslbook import paths
from sslbook.errors import UsageError

RESULTS = ("new", "changed", "same")


@dataclass(frozen=True)
class Change:
    """One change. results: whether the chapter's stored numbers and verdicts are the first ones,
    no longer what they were, or the same."""

    date: date
    results: str
    what: str


def read(path: Path | None = None) -> dict[str, list[Change]]:
    """Chapter -> its changes, newest first; {} where the file is not here (a wheel has none).

    Raises UsageError where the file is wrong, naming the chapter.
    """
    path = path or paths.notebooks().parent / "docs" / "changes.yml"
    if not path.is_file():
        return {}
    found, chapter = {}, "none"
    try:
        for chapter, rows in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            found[chapter] = [Change(**row) for row in rows]
            for row in found[chapter]:
                if not (type(row.date) is date and row.results in RESULTS and row.what):
                    raise ValueError(row)
    except (AttributeError, TypeError, ValueError, yaml.YAMLError) as error:
        raise UsageError(
            f"docs/changes.yml is wrong at chapter {chapter}.", "It was not read.",
            f"Write date: YYYY-MM-DD, results: {', '.join(RESULTS)}, and what: as the others do.",
        ) from error
    return {name: sorted(rows, key=lambda row: row.date, reverse=True)
            for name, rows in found.items()}
