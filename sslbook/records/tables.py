"""Ledger and scoreboard as CSV, one file each, because their columns have nothing in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sslbook.core import files
from sslbook.records import report

CLAIMS = ("chapter", "claim", "preset", "data", "device", "verdict", "mean", "low", "high", "n",
          "rule", "measures", "text", "tried", "settings", "version", "commit", "measured")
SCORES = ("chapter", "preset", "data", "device", "seed", "budget", "row", "measure", "value")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet would compute


def files_of(path: Path) -> list[Path]:
    """The two files that `write` makes of a path NAME.csv or NAME."""
    base = path.with_suffix("") if path.suffix.lower() == ".csv" else path
    return [base.with_name(f"{base.name}-{name}.csv") for name in ("claims", "scores")]


def write(path: Path, found: list[dict[str, Any]]) -> list[Path]:
    """Write NAME-claims.csv and NAME-scores.csv for a path NAME.csv or NAME; returns both.

    Scores are long: one line per measure. What was not measured is empty. Text that a spreadsheet
    would take for a formula gets an apostrophe before it. Raises UserError for a full disk.
    """
    import pandas as pd

    scores = [{**row, "measure": measure, "value": row[measure]}
              for row in report.scoreboard(found) for measure in row if measure not in SCORES[:-2]]
    written = files_of(path)
    for file, columns, rows in zip(written, (CLAIMS, SCORES), (report.ledger(found), scores),
                                   strict=True):
        table = pd.DataFrame(rows, columns=list(columns)).map(_cell)
        files.write_text(file, table.to_csv(index=False, lineterminator="\n"))
    return written


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
