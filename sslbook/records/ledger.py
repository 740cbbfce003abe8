"""The ledger: every claim with its verdict, and a file of lines that keeps what they were before.

A verdict is computed from records; when a record is replaced or a rule changes, the old verdict
is gone. So the rows are also appended, as JSON lines, to a file that nothing ever rewrites:
data/records/ledger.jsonl when the maintainers keep a record, runs/ledger.jsonl when a run finishes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sslbook import records
from sslbook.core import files
from sslbook.records import controls, pools
from sslbook.records.claims import Claim
from sslbook.records.schema import Record

NAME = "ledger.jsonl"
# What a line of the file holds, and of which kinds.
_FIELDS: dict[str, Any] = {
    "chapter": str, "claim": str, "preset": str, "data": str, "text": str, "measures": str,
    "rule": str, "verdict": str, "n": int, "mean": (float, type(None)),
    "low": (float, type(None)), "high": (float, type(None)), "tried": int, "settings": str,
    "version": str, "commit": str, "measured": str,
}
Row = dict[str, Any]


def rows(found: Iterable[Record]) -> list[Row]:
    """One row per claim and pool of runs that count (see `records.pools`).

    chapter, claim, text, measures, rule, preset, data, device: of the newest record of the pool;
    kind: "claim" or "check" (of the first edition, one run decided); verdict, why (what would
    decide it), n, mean, low, high: of the pool (nan where not measured); tried: configurations;
    settings: 8 hex digits of all parameters but the seed, and of what a reader's own data hold;
    version, commit, measured (ISO 8601).
    """
    found = list(found)
    name = pools.data_names(found)
    return [row for pool in pools.pools(found) for row in pool_rows(pool, name)]


def pool_rows(
    pool: pools.Pool, name: Callable[[Record], str] = pools.data_name
) -> list[Row]:
    """The rows of one pool, as `records.pooled` returns it; the last record's rules decide."""
    last = pool[-1]
    settings = {k: v for k, v in last["parameters"].items() if k != "seed"}
    if ":" in settings.get("dataset", ""):  # a name of the reader's own says little
        settings["content"] = pools.content(last)
    about = {
        "chapter": last["chapter"], "preset": last["preset"], "data": name(last),
        "device": last["device"]["kind"], "tried": last["tried"],
        "settings": controls.key_of(settings)[:8],
        "version": last["code"]["version"], "commit": last["code"].get("commit", ""),
        "measured": max(r["started"] for r in pool),
    }
    found = []
    for key, verdict in records.verdicts(pool).items():
        claim = Claim.from_dict(last["claims"][key]["claim"])
        found.append(printable_row({
            "claim": key, "kind": "claim" if claim.rule.seeds else "check", "text": claim.text,
            "measures": claim.measures, "op": claim.rule.op, "bound": claim.rule.bound,
            "rule": str(claim.rule), "verdict": str(verdict), "why": verdict.why, "n": verdict.n,
            "mean": verdict.mean, "low": verdict.low, "high": verdict.high, **about,
        }))
    return found


def printable_row(row: Row) -> Row:
    """A row whose texts can be printed anywhere."""
    return {k: records.printable(v) if isinstance(v, str) else v for k, v in row.items()}


def append(path: Path, now: Iterable[Row]) -> int:
    """Append those rows that say something new about a claim that was ever measured; how many.

    Raises UserError where the file cannot be written; the lines before are never touched.
    """
    known = {_series(line): _said(line) for line in read(path)[0]}
    new = [row for row in map(_plain, now) if (row["n"] or _series(row) in known)
           and known.get(_series(row)) != _said(row)]
    if not new:
        return 0
    lines = "".join(json.dumps(row, sort_keys=True, allow_nan=False) + "\n" for row in new)
    with files.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab", buffering=0) as file:  # one write, so two runs do not mix lines
            cut = file.tell() and not path.read_bytes().endswith(b"\n")
            file.write(b"\n" * bool(cut) + lines.encode())
    return len(new)


def read(path: Path) -> tuple[list[Row], list[int]]:
    """(the lines of a ledger, oldest first; the numbers of lines that are none)."""
    found, wrong = [], []
    try:
        lines = path.read_bytes().splitlines()
    except OSError:  # none yet
        return [], []
    for number, line in enumerate(lines, 1):
        if not line:  # between two that wrote at once
            continue
        try:
            row = json.loads(line)
            fits = all(isinstance(row[key], kind) for key, kind in _FIELDS.items())
        except (ValueError, RecursionError, KeyError, TypeError):
            fits = False
        if fits:
            found.append(printable_row(row))
        else:
            wrong.append(number)
    return found, wrong


def _series(row: Row) -> tuple[str, ...]:
    """What the lines about one claim in one setting share."""
    return tuple(row[k] for k in ("chapter", "claim", "preset", "data", "settings"))


def _said(row: Row) -> tuple[Any, ...]:
    """What a line says, without when and with which build it was measured."""
    return tuple(row[k] for k in ("rule", "measures", "verdict", "n", "mean", "low", "high",
                                  "tried", "version"))


def _plain(row: Row) -> Row:
    """The fields of the file: six digits, and null for what was not measured."""
    return {k: _six(row[k]) if isinstance(row[k], float) else row[k] for k in _FIELDS}


def _six(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
