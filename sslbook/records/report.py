"""The ledger and the scoreboard, from records alone: as rows and text here, as CSV beside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import mean
from typing import Any

from sslbook import records
from sslbook.core import paths
from sslbook.records import ledger as ledgers
from sslbook.records import pools

CONTROLS = ("chance", "pixels", "raw features", "raw columns", "random", "supervised")
ledger = ledgers.rows
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


def scoreboard(found: Iterable[records.Record]) -> list[Row]:
    """One row per run that counts and row of its table; never ranked across data, budget, preset.

    Keys: chapter, preset, data, device, seed, budget (net and length of training), row, and every
    measure of that row. Where runs of a chapter differ in more than that, `row` says in what.
    """
    found = list(found)
    name, made, rows = pools.data_names(found), pools.pools(found), []
    for pool, told in zip(made, _told_apart(made), strict=True):
        for record in pool:
            for row in record_rows(record, name(record)):
                rows.append({**row, "row": row["row"] + ("" if row["row"] in CONTROLS else told)})
    return rows


def record_rows(record: records.Record, data: str) -> list[Row]:
    """The rows of one run, whether it counts or not."""
    about = {
        "chapter": record["chapter"], "preset": record["preset"], "data": data,
        "device": record["device"]["kind"], "seed": record["seed"],
        "budget": pools.budget(record), "row": "",
    }
    return [{**ledgers.printable_row({**about, "row": row}),
             **{records.printable(k): float(v) for k, v in measures.items()
                if v is not None and k not in about}}
            for row, measures in record["scores"].items()]


def _told_apart(made: list[pools.Pool]) -> list[str]:
    """For each pool, in what it differs from others of its chapter and place; "" for most."""
    together = defaultdict(list)
    for pool in made:
        together[pool[-1]["chapter"], pools.place(pool[-1])].append(pools.settings(pool[-1]))
    return [_differing(pools.settings(pool[-1]),
                       together[pool[-1]["chapter"], pools.place(pool[-1])]) for pool in made]


def _differing(mine: dict[str, Any], all_of_them: list[dict[str, Any]]) -> str:
    keys = [key for key in mine if any(one.get(key) != mine[key] for one in all_of_them)]
    return "".join(f", {key} {mine[key]}" for key in keys)


def groups(scores: Iterable[Row]) -> dict[tuple[str, str, str], Values]:
    """Rows of the scoreboard that may be compared: (data, preset, budget) -> their values.

    (chapter, row) -> measure -> values, one per seed; a control, which belongs to no method, has ""
    for its chapter, and is the mean over the chapters that measured it.
    """
    found: dict[tuple[str, str, str], dict[tuple[str, str], Any]] = {}
    for score in scores:
        group = found.setdefault((score["data"], score["preset"], score["budget"]), {})
        chapter = "" if score["row"] in CONTROLS else score["chapter"]
        measures = group.setdefault((chapter, score["row"]), defaultdict(dict))
        for measure, value in score.items():
            if isinstance(value, float):
                measures[measure].setdefault(score["seed"], []).append(value)
    return {place: {row: defaultdict(list, {measure: [mean(seeds[seed]) for seed in sorted(seeds)]
                                            for measure, seeds in measures.items()})
                    for row, measures in found[place].items()} for place in sorted(found)}


def methods_and_controls(
    rows: Values, measure: str
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """One measure of a group: values of the methods, the best first, and means of the controls.

    A row that several chapters have is named with its chapter.
    """
    names = [row for chapter, row in rows if chapter]
    found = {row if names.count(row) == 1 else f"{row} ({chapter})": values[measure]
             for (chapter, row), values in rows.items() if chapter and values[measure]}
    methods = dict(sorted(found.items(), key=lambda pair: -mean(pair[1])))
    controls = {row: mean(values[measure])
                for (chapter, row), values in rows.items() if not chapter and values[measure]}
    return methods, controls


def plain(found: list[dict[str, Any]]) -> dict[str, list[Row]]:
    """All tables as JSON can hold them: what was not measured is null."""
    parts = {"ledger": ledger(found), "scoreboard": scoreboard(found)}
    return {name: [{k: None if v != v else v for k, v in row.items()} for row in rows]
            for name, rows in parts.items()}


def text(found: list[dict[str, Any]]) -> str:
    """Ledger and scoreboard as plain text."""
    if not found:
        return "No records yet. Make one with: sslbook run barlow_twins"
    out = pools.left_out(found)
    return _lines(ledger(found), scoreboard(found)) + (f"\n\nRuns left out: {out}" if out else "")


def run_text(record: records.Record, runs: Path) -> str:
    """Verdicts and scores of one run; its verdicts pool the runs under the folder `runs`."""
    why, name = pools.why_not(record), pools.data_name(record)
    return _lines(ledgers.pool_rows(records.pool_of(record, runs)), record_rows(record, name)) + (
        f"\n\nThis run is left out of reports: {why}" if why else "")


def _lines(claims: list[Row], scores: list[Row]) -> str:
    lines = ["Claims (a verdict pools runs that differ in the seed alone)", ""] if claims else []
    for row in claims:
        place = f"{row['chapter']} ({row['claim']}), {row['preset']}, {row['data']}"
        tried = f"; configurations tried: {row['tried']}" if row["tried"] > 1 else ""
        lines.append(f"{place}: {row['verdict']} {row['why']}".rstrip())
        lines.append(f"    {row['text']}")
        lines.append(f"    {row['measures']}: {value(row)}")
        lines.append(f"    rule {row['rule']}; n={row['n']}{tried}")
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
