"""What a sweep found: one row per run and number, means, and paired differences over seeds."""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sslbook import files
from sslbook.judging import records
from sslbook.judging.claims import interval
from sslbook.sweep.grid import Grid, words
from sslbook.sweep.results import BEFORE, DONE, Result

CONTROLS = ("chance", "pixels", "random", "supervised")  # no part of a method: not paired
_NUMBERS = ("n", "value", "low", "high")
Row = dict[str, Any]


def measures(record: records.Record) -> dict[str, float]:
    """All numbers of a record: "ENCODER MEASURE" of its scores, "claim ID", diagnostics, seconds.

    Accuracies are in 0-1. What was not measured is left out.
    """
    found = {f"{row} {name}": value for row, scores in record["scores"].items()
             for name, value in scores.items()}
    found |= {f"claim {name}": claim.get("value") for name, claim in record["claims"].items()}
    found |= {**record.get("diagnostics", {}), "seconds": record["seconds"].get("wall")}
    return {name: float(value) for name, value in found.items()
            if isinstance(value, (int, float)) and math.isfinite(value)}


def rows(grid: Grid, results: Iterable[Result]) -> list[Row]:
    """The comparison as rows of equal keys; `kind` says what a row is.

    "run": one number (`measure`, `value`) of one run, or a run without any. "setting": mean over
    seeds, `n` of them, with its 95 % t-interval (`low`, `high`). "difference": the mean of the
    paired differences over equal seeds between the setting of the row and the one in its columns
    "minus NAME", with its interval. Settings on different data sets are not paired.
    """
    found, values = [], {}
    for result in results:
        setting = tuple(result.point.values[name] for name in grid.varied)
        record = records.read(grid.base / result.run / "record.json") if result.run else None
        ended = {"seed": result.point.seed, "status": result.status, "code": result.code,
                 "run": result.run}
        numbers = measures(record) if record and result.status in (DONE, BEFORE) else {}
        for measure, value in numbers.items():
            values.setdefault(measure, {}).setdefault(setting, {})[result.point.seed] = value
            found.append(_row(grid, "run", setting, measure=measure, value=value, **ended))
        if not numbers:
            found.append(_row(grid, "run", setting, **ended))
    for measure, settings in values.items():
        for setting, seeds in settings.items():
            found.append(_row(grid, "setting", setting, measure=measure, **mean(seeds.values())))
    for measure, settings in values.items():
        if measure.partition(" ")[0] not in CONTROLS:
            found.extend(_differences(grid, measure, settings))
    return found


def _differences(grid: Grid, measure: str, settings: Mapping[tuple, Mapping[int, float]]
                 ) -> Iterable[Row]:
    place = list(grid.varied).index("DATASET") if "DATASET" in grid.varied else None
    for one, other in itertools.combinations(settings, 2):
        both = sorted(settings[one].keys() & settings[other].keys())
        if both and (place is None or one[place] == other[place]):
            pairs = mean(settings[one][seed] - settings[other][seed] for seed in both)
            yield _row(grid, "difference", one, other, measure=measure, **pairs)


def mean(values: Iterable[float]) -> dict[str, Any]:
    """n, mean ("value") and the ends of its 95 % t-interval (nan for fewer than two values)."""
    values = list(values)
    low, high = interval(values)
    return {"n": len(values), "value": float(np.mean(values)), "low": low, "high": high}


def _row(grid: Grid, kind: str, setting: tuple, minus: tuple = (), **more: Any) -> Row:
    empty = dict.fromkeys(header(grid))
    named = dict(zip(grid.varied, setting, strict=True))
    against = {f"minus {name}": value for name, value in zip(grid.varied, minus, strict=False)}
    return empty | {"kind": kind} | named | against | more


def header(grid: Grid) -> list[str]:
    """The columns of the comparison."""
    return ["kind", *grid.varied, *(f"minus {name}" for name in grid.varied), "seed", "measure",
            *_NUMBERS, "status", "code", "run"]


def write(path: Path, grid: Grid, found: Iterable[Row]) -> None:
    """Write rows as CSV (UTF-8), whole or not at all; what is not there is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, header(grid), lineterminator="\n")
    writer.writeheader()
    for row in found:
        writer.writerow({k: "" if v is None or v != v else v for k, v in row.items()})
    files.write_text(path, text.getvalue())


def read(path: str | Path) -> list[Row]:
    """The rows of a comparison; numbers are floats, nan where a cell is empty, all else is text."""
    with open(path, newline="", encoding="utf-8") as file:
        return [{k: float(v or "nan") if k in _NUMBERS else v for k, v in row.items()}
                for row in csv.DictReader(file)]


def name(row: Row, minus: bool = False) -> str:
    """The setting of a row, or the one it is compared with, in words."""
    columns = [key for key in row if f"minus {key}" in row]
    return words({key: row[f"minus {key}" if minus else key] for key in columns}) or "the preset"
