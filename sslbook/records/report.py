"""The ledger and the scoreboard, from records alone: as rows and text here, as CSV beside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sslbook import records
from sslbook.core import paths
from sslbook.records import ledger as ledgers

CONTROLS = ("chance", "pixels", "raw features", "raw columns", "random", "supervised")
ledger = ledgers.rows
_BUDGET = ("net", "width", "images", "size", "epochs", "batch_size")
Row = dict[str, Any]
Values = dict[tuple[str, str], dict[str, list[float]]]


def collect(chapter: str = "") -> tuple[list[records.Record], list[str]]:
    """(all records: the shipped ones, then this machine's; a line for each file that is none).

    chapter: of this chapter alone; "" for all.
    """
    found, skipped = [], []
    for path in records.shipped_files(chapter) + records.run_files(paths.runs(), chapter):
        record, why = records.examine(path)
        if record is not None:
            found.append(record)
        else:
            name = "/".join(path.parts[-3 if path.name == "record.json" else -2:])
            skipped.append(f"skipped, no record of this book: {records.printable(name)} ({why})")
    return found, skipped


def scoreboard(found: Iterable[dict[str, Any]]) -> list[Row]:
    """One row per finished run and row of its table; never ranked across data, budgets or presets.

    Keys: chapter, preset, data, device, seed, budget (net and length of training), row, and every
    measure of that row.
    """
    rows = []
    for record in found:
        about = {
            "chapter": record["chapter"], "preset": record["preset"],
            "data": ledgers.data_name(record), "device": record["device"]["kind"],
            "seed": record["seed"], "budget": _budget(record["parameters"]),
        }
        for row, measures in record["scores"].items() if record["status"] == "finished" else ():
            measured = {records.printable(k): float(v) for k, v in measures.items()
                        if v is not None and k not in about}
            rows.append({**ledgers.printable_row({**about, "row": row}), **measured})
    return rows


def groups(scores: Iterable[Row]) -> dict[tuple[str, str, str], Values]:
    """Rows of the scoreboard that may be compared: (data, preset, budget) -> their values.

    (chapter, row) -> measure -> values, one per run; a control, which belongs to no method, has ""
    for its chapter.
    """
    found: dict[tuple[str, str, str], Values] = {}
    for score in scores:
        group = found.setdefault((score["data"], score["preset"], score["budget"]), {})
        chapter = "" if score["row"] in CONTROLS else score["chapter"]
        values = group.setdefault((chapter, score["row"]), defaultdict(list))
        for measure, value in score.items():
            if isinstance(value, float):
                values[measure].append(value)
    return dict(sorted(found.items()))


def plain(found: list[dict[str, Any]]) -> dict[str, list[Row]]:
    """All tables as JSON can hold them: what was not measured is null."""
    parts = {"ledger": ledger(found), "scoreboard": scoreboard(found)}
    return {name: [{k: None if v != v else v for k, v in row.items()} for row in rows]
            for name, rows in parts.items()}


def text(found: list[dict[str, Any]]) -> str:
    """Ledger and scoreboard as plain text."""
    if not found:
        return "No records yet. Make one with: sslbook run barlow_twins"
    claims, scores = ledger(found), scoreboard(found)
    lines = ["Claims (a verdict pools runs that differ in the seed alone)", ""] if claims else []
    for row in claims:
        place = f"{row['chapter']} ({row['claim']}), {row['preset']}, {row['data']}"
        lines.append(f"{place}: {row['verdict']}")
        lines.append(f"    {row['text']}")
        lines.append(f"    {row['measures']}: {value(row)}")
        lines.append(f"    rule {row['rule']}; n={row['n']}; configurations tried: {row['tried']}")
    lines += ["", "Scores (compare only within one data set and preset)", ""]
    before = ""
    for row in scores:
        place = f"{row['chapter']}, {row['preset']}, {row['data']}, seed {row['seed']}"
        measures = "  ".join(f"{k} {v:.3f}" for k, v in row.items() if isinstance(v, float))
        lines += [place] * (place != before) + [f"    {row['row']:<16}  {measures}"]
        before = place
    return "\n".join(lines)


def value(row: Row) -> str:
    """Mean and 95 % interval of a row of the ledger, as far as there are any."""
    if not row["n"]:
        return "not measured"
    spread = "" if row["low"] != row["low"] else f" [{row['low']:.4g}, {row['high']:.4g}]"
    return f"{row['mean']:.4g}{spread}"


def _budget(settings: dict[str, Any]) -> str:
    """What must be equal, beside data and preset, for two scores to be compared."""
    return ", ".join(f"{key} {settings[key]}" for key in _BUDGET if settings.get(key))
