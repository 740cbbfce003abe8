"""The report as one page that needs nothing else: no script, no picture or font from elsewhere."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any

from sslbook import __version__, files, report
from sslbook.report import gpu

_KINDS = ("holds", "same direction", "undecided", "fails", "not at this scale", "not run")
_SHOWN = {"knn20": "kNN accuracy, k=20 (%)", "linear": "linear probe accuracy (%)"}
# Measures in percent, and how all of them are called.
_PERCENT = ("knn20", "knn200", "linear", "few", "finetune")
_NAMES = {"knn20": "kNN 20", "knn200": "kNN 200", "few": "1 % labels", "finetune": "fine-tuned"}
Row = dict[str, Any]


def write(path: Path, found: list[dict[str, Any]], skipped: Iterable[str] = ()) -> None:
    """Write the page of some records; skipped: lines about files that are no records.

    Raises UserError where the file cannot be written.
    """
    files.write_text(path, html(found, skipped))


def html(found: list[dict[str, Any]], skipped: Iterable[str] = ()) -> str:
    """Scores, runs on a GPU, ledger and history as HTML; the template escapes every text."""
    claims = sorted((_drawn(row) for row in report.ledger(found)),
                    key=lambda row: (row["chapter"], row["preset"], row["data"], row["claim"]))
    counts = Counter(row["kind"] for row in claims)
    return _template().render(
        version=__version__, today=datetime.now(UTC).date().isoformat(), records=len(found),
        chapters=len({record["chapter"] for record in found}), claims=claims,
        counts=[(kind, counts[kind]) for kind in _KINDS if counts[kind]],
        groups=groups(report.scoreboard(found)), changes=report.history()[0][::-1],
        skipped=list(skipped), gpu=gpu.runs(gpu.chosen(found)),
        gaps=gpu.gaps(gpu.chosen(found)), about=gpu.about, took=gpu.took, percent=gpu.percent,
    )


@functools.cache
def _template() -> Any:
    import jinja2

    maker = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True,
                               undefined=jinja2.StrictUndefined)
    return maker.from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))


def _drawn(row: Row) -> Row:
    """A row of the ledger with what the page shows of it."""
    return {**row, "kind": row["verdict"].partition(" (")[0], "value": report.value(row),
            "strip": strip(row)}


def strip(row: Row) -> dict[str, float | None] | None:
    """Where bound, mean and interval lie on a line from 0 to 100; None where nothing is measured.

    `met` and `met_width`: the part of the line on which the rule is met.
    """
    if not row["n"]:
        return None
    marks = {key: row[key] for key in ("bound", "mean", "low", "high") if row[key] == row[key]}
    low, high = min(marks.values()), max(marks.values())
    room = 0.12 * (high - low) or 1.0
    place = {key: round(100 * (mark - low + room) / (high - low + 2 * room), 1)
             for key, mark in marks.items()}
    above = row["op"] == ">="
    return {"low": None, "high": None, **place, "met": place["bound"] if above else 0.0,
            "met_width": 100 - place["bound"] if above else place["bound"]}


def groups(scores: Iterable[Row]) -> list[dict[str, Any]]:
    """Scores that may be compared: equal data, preset, net and length of training.

    Each has data, preset, budget, measures (names), rows (name, chapter, control, runs, cells) and
    panels, one per measure that is drawn. A row is the mean over runs; methods come first, the
    best at the top, then the controls of the same runs.
    """
    parted: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for score in scores:
        parted[score["data"], score["preset"], score["budget"]].append(score)
    made = []
    for (data, preset, budget), members in sorted(parted.items()):
        fixed = {"chapter", "preset", "data", "device", "seed", "budget", "row"}
        measures = list(dict.fromkeys(key for row in members for key in row if key not in fixed))
        rows = _rows(members, measures)
        if any(not row["control"] for row in rows):
            made.append({"data": data, "preset": preset, "budget": budget, "rows": rows,
                         "measures": [_NAMES.get(key, key) for key in measures],
                         "panels": [panel(rows, key) for key in _SHOWN if key in measures]})
    return made


def _rows(members: list[Row], measures: list[str]) -> list[Row]:
    """One row per method of a chapter and one per control, with all values of each measure."""
    values: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for score in members:
        chapter = "" if score["row"] in report.CONTROLS else score["chapter"]
        for key in measures:
            values[chapter, score["row"]][key] += [score[key]] if key in score else []
    rows = [{"name": name, "chapter": chapter, "control": not chapter, "values": found,
             "runs": max(map(len, found.values())),
             "cells": [_cell(key, found[key]) for key in measures]}
            for (chapter, name), found in values.items()]
    first = measures[0] if measures else ""
    return sorted(rows, key=lambda row: (row["control"], -_mean(row["values"][first])))


def _mean(values: list[float]) -> float:
    return mean(values) if values else 0.0


def _cell(key: str, values: list[float]) -> str:
    return f"{_mean(values) * (100 if key in _PERCENT else 1):.1f}" if values else ""


def panel(rows: list[Row], key: str) -> dict[str, Any]:
    """A drawing of one measure in 0-1: `lines` with name, place of the mean and dots in 0-100."""
    lines = []
    for row in rows:
        places = [min(max(100 * value, 0.0), 100.0) for value in row["values"][key]]
        if places:
            lines.append({"name": row["name"], "control": row["control"],
                          "mean": round(mean(places), 1), "text": f"{mean(places):.1f}",
                          "dots": [round(place, 1) for place in places]})
    return {"title": _SHOWN[key], "lines": lines}
