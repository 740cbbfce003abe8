"""The runs on a GPU: what each measured and took, and how far it is from published figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import mean
from typing import Any

from sslbook import paths
from sslbook.judging import ledger, published, records

CONTROLS = ("chance", "pixels", "raw features", "raw columns", "random", "supervised")
MEASURES = ("knn20", "knn200", "linear")
Row = dict[str, Any]


def chosen(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The finished runs on a CUDA device, and the baselines of the book where there are any."""
    ours = [record for record in found
            if (record["device"]["kind"], record["status"]) == ("cuda", "finished")]
    kept = sorted((paths.records() / "baselines").glob("*.json")) if ours else []
    return ours + [record for path in kept if (record := records.read(path))]


def runs(found: Iterable[dict[str, Any]]) -> list[Row]:
    """One row per run, with its encoders; what the main training took belongs to the run.

    Keys: chapter, preset, data, seed, epochs, batch_size, executed ("whole" or up to which
    section), minutes, speed (samples per second of the main training), memory (MB), highest (the
    best kNN, 0-1, that its probe saw, on small samples), device, date, commit; encoders: rows with
    name, knn20, knn200, linear (0-1; None where not measured), controls left out.
    """
    rows = []
    for record in found:
        main, given = record.get("trainings", {}).get("pretrain", {}), record["parameters"]
        watched = [row["knn"] for row in main.get("rows", ()) if "knn" in row]
        rows.append(ledger.printable_row({
            "chapter": record["chapter"], "preset": record["preset"], "seed": record["seed"],
            "data": ledger.data_name(record), "epochs": given.get("epochs"),
            "batch_size": given.get("batch_size"),
            "executed": record.get("campaign", {}).get("executed", "whole"),
            "minutes": record["seconds"]["wall"] / 60, "speed": main.get("samples_per_second"),
            "memory": main.get("peak_memory_mb"), "highest": max(watched, default=None),
            "device": record["device"].get("name", ""), "date": record["started"][:10],
            "commit": record["code"].get("commit", ""),
        }) | {"encoders": [
            {"name": records.printable(name), **{key: measured.get(key) for key in MEASURES}}
            for name, measured in record["scores"].items()
            if name not in CONTROLS or name == record["chapter"]]})
    return rows


def gaps(found: Iterable[dict[str, Any]]) -> list[Row]:
    """One row per published figure and kind of run: the mean of ours over seeds beside theirs.

    Keys as of `published.matching_figures`, but `n` (runs) for seed.
    """
    same: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in (row for record in found for row in published.matching_figures(record)):
        same[tuple(row[key] for key in ("chapter", "measure", "url", "about", "ran"))].append(row)
    return [{**rows[0], "n": len(rows), "ours": mean(row["ours"] for row in rows),
             "gap": mean(row["gap"] for row in rows)} for rows in same.values()]


def tables(found: list[dict[str, Any]]) -> list[str]:
    """Both tables as text; [] without a run."""
    if not found:
        return []
    shown = ["", "Accuracies in %; highest: the best kNN that the probe saw, on small samples", ""]
    for row in runs(found):
        shown += [about(row), f"    {took(row)}"]
        shown += [f"    {one['name']:<24}" + "  ".join(
            f"{key} {percent(one[key])}" for key in MEASURES) for one in row["encoders"]]
    if peers := gaps(found):
        shown += ["", "Beside published figures (%; gap: ours less theirs, in points)", ""]
        for row in peers:
            place = f"{row['chapter']}, {row['row']}, {row['measure']}"
            shown.append(f"{place:<44}ours {percent(row['ours'])}  theirs "
                         f"{percent(row['published'])}  gap {row['gap']:+.1f}  n={row['n']}")
            shown.append(f"    ours: {row['ran']}; {row['source']}: {row['about']}")
    return shown


def lines(found: list[dict[str, Any]]) -> list[str]:
    """The tables of all runs on a GPU, under a heading; [] without one."""
    told = tables(chosen(found))
    return ["", "Runs on a GPU", *told] if told else []


def about(row: Row) -> str:
    """What a run is, in one line."""
    budget = f"{row['epochs']} epochs" + (f" of {row['batch_size']}" if row["batch_size"] else "")
    return (f"{row['chapter']}, {row['preset']}, {row['data']}, seed {row['seed']}, {budget}, "
            f"{row['executed']}")


def took(row: Row) -> str:
    """What a run took, its best kNN on the way, and where and when it ran, in one line."""
    return (f"{row['minutes']:.1f} minutes, {number(row['speed'])} samples a second, "
            f"{number(row['memory'])} MB, highest {percent(row['highest'])}; "
            f"{row['device']}, {row['date']}, commit {row['commit'] or 'unknown'}")


def percent(value: float | None) -> str:
    """An accuracy in 0-1 as percent with one digit, or a dash."""
    return "-" if value is None else f"{100 * value:.1f}"


def number(value: float | None) -> str:
    """A whole number with commas, or a dash."""
    return "-" if value is None else f"{value:,.0f}"
