"""Ledger and scoreboard as CSV, one file each, because their columns have nothing in common."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sslbook import files, report

CLAIMS = ("chapter", "claim", "preset", "data", "device", "verdict", "mean", "low", "high", "n",
          "rule", "measures", "text", "tried", "settings", "version", "commit", "measured")
SCORES = ("chapter", "preset", "data", "device", "seed", "budget", "row", "measure", "value")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet would compute


def write(path: Path, found: list[dict[str, Any]]) -> list[Path]:
    """Write NAME-claims.csv and NAME-scores.csv for a path NAME.csv or NAME; returns both.

    Scores are long: one line per measure. What was not measured is empty. Text that a spreadsheet
    would take for a formula gets an apostrophe before it. Raises UserError for a full disk.
    """
    base = path.with_suffix("") if path.suffix.lower() == ".csv" else path
    tables = {"claims": (CLAIMS, report.ledger(found)),
              "scores": (SCORES, _long(report.scoreboard(found)))}
    written = []
    for name, (columns, rows) in tables.items():
        written.append(base.with_name(f"{base.name}-{name}.csv"))
        files.write_text(written[-1], _csv(columns, rows))
    return written


def _long(rows: Iterable[report.Row]) -> Iterator[report.Row]:
    """One row per measure."""
    for row in rows:
        for measure in [key for key in row if key not in SCORES[:-2]]:
            yield {**row, "measure": measure, "value": row[measure]}


def _csv(columns: tuple[str, ...], rows: Iterable[report.Row]) -> str:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(columns)
    table.writerows([_cell(row[key]) for key in columns] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if value != value else value
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
