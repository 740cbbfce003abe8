"""The runs on a GPU: what each measured and took, and how far it is from published figures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sslbook import paths
from sslbook.judging import ledger, published, records

CONTROLS = ("chance", "pixels", "raw features", "raw columns", "random", "supervised")
MEASURES = ("knn20", "knn200", "linear")
Row = dict[str, Any]


def runs(found: Iterable[dict[str, Any]]) -> list[Row]:
    """The rows (`of`) of all finished runs on a CUDA device, and of what they are compared with."""
    return [row for record in _with_peers(found) for row in of(record)]


def _with_peers(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The finished runs on a CUDA device, and what they are compared with where there are any."""
    ours = [record for record in found
            if (record["device"]["kind"], record["status"]) == ("cuda", "finished")]
    kept = sorted((paths.records() / "baselines").glob("*.json")) if ours else []
    return ours + [record for path in kept if (record := records.read(path))]


def of(record: dict[str, Any]) -> list[Row]:
    """One row per encoder in a record's table, controls left out.

    Keys: chapter, row, preset, data, seed, epochs, knn20, knn200, linear (0-1), highest (the best
    kNN that the probe saw during the main training, on small samples), minutes, speed (samples per
    second of the main training), memory (MB), device, date, commit. None where there is none.
    """
    main = record.get("trainings", {}).get("pretrain", {})
    watched = [row["knn"] for row in main.get("rows", ()) if "knn" in row]
    about = ledger.clean({
        "chapter": record["chapter"], "preset": record["preset"], "seed": record["seed"],
        "data": ledger.data_name(record), "epochs": record["parameters"].get("epochs"),
        "highest": max(watched, default=None), "minutes": record["seconds"]["wall"] / 60,
        "speed": main.get("samples_per_second"), "memory": main.get("peak_memory_mb"),
        "device": record["device"].get("name", ""), "date": record["started"][:10],
        "commit": record["code"].get("commit", ""),
    })
    return [{**about, "row": records.printable(name),
             **{key: measures.get(key) for key in MEASURES}}
            for name, measures in record["scores"].items()
            if name not in CONTROLS or name == record["chapter"]]


def gaps(found: Iterable[dict[str, Any]]) -> list[Row]:
    """One row per run and published figure that it can be held against (`published.beside`)."""
    return [row for record in _with_peers(found) for row in published.beside(record)]


def lines(found: list[dict[str, Any]]) -> list[str]:
    """Both tables as text; [] where no record comes from a GPU and none has a published peer."""
    shown = []
    if table := runs(found):
        shown += ["", "Runs on a GPU (accuracies in %; highest: the best kNN while training)", "",
                  f"{'':52}{'kNN20':>7}{'kNN200':>7}{'linear':>7}{'highest':>8}{'minutes':>8}"
                  f"{'a second':>9}{'MB':>7}"]
        for row in table:
            place = f"{row['chapter']}, {row['row']}, {row['preset']}, {row['data']}, {row['seed']}"
            shown.append(f"{place:<52}" + "".join(
                f"{percent(row[key]):>{width}}" for key, width in zip(
                    (*MEASURES, "highest"), (7, 7, 7, 8), strict=True))
                + f"{row['minutes']:>8.1f}{number(row['speed']):>9}{number(row['memory']):>7}")
            shown.append(f"    {row['device']}, {row['date']}, commit {row['commit'] or 'unknown'}")
    if peers := gaps(found):
        shown += ["", "Beside published figures (%; gap: ours less theirs, in points)", ""]
        for row in peers:
            place = f"{row['chapter']}, {row['row']}, {row['measure']}, seed {row['seed']}"
            shown.append(f"{place:<52}ours {percent(row['ours'])}  theirs "
                         f"{percent(row['published'])}  gap {row['gap']:+.1f}")
            shown.append(f"    {row['source']}: {row['about']}")
    return shown


def percent(value: float | None) -> str:
    """An accuracy in 0-1 as percent with one digit, or a dash."""
    return "-" if value is None else f"{100 * value:.1f}"


def number(value: float | None) -> str:
    """A whole number with commas, or a dash."""
    return "-" if value is None else f"{value:,.0f}"
