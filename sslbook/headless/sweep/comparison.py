"""The comparison of a sweep: a table of all its numbers, and a notebook that compares settings.

`comparison.csv` has one row per run and number; means and paired differences are computed from it
in `comparison.ipynb`, so that whoever wants another measure changes one line there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import nbformat
import pandas
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import v4

from sslbook import records
from sslbook.core import files
from sslbook.headless.sweep.grid import Grid, words
from sslbook.headless.sweep.results import BEFORE, DONE, Result, end_text, shape
from sslbook.lesson import viz
from sslbook.lesson.viz.scores import COLUMNS
from sslbook.lesson.viz.show import show_table
from sslbook.records.claims import interval
from sslbook.records.report import CONTROLS

_ENDED = ("status", "code", "run")
_READ = """\
from sslbook.headless.sweep import comparison

MEASURE = {measure!r}  # any of those below
rows = comparison.read("comparison.csv")
print(", ".join(rows["measure"].dropna().unique()))"""
_CAUTION = """\
A difference is taken seed by seed, so what a seed does to both settings cancels. Every interval
covers 95 % by itself: among twenty comparisons, one that seems to differ is no surprise. The best
of many settings looks better than it is; a claim about it needs seeds that this sweep has not
used."""


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


def table(grid: Grid, results: Iterable[Result]) -> pandas.DataFrame:
    """One row per run and number; a run without any has one row with an empty measure.

    Columns: the varied parameters, seed, measure, value, status, code, run. Where some runs trained
    with the notebook's own code, those that a reference trained have no numbers.
    """
    made = [(result, records.read(grid.base / result.run / "record.json") if result.run else None)
            for result in results]
    own = any(record and record.get("trained_with") == "notebook" for _, record in made)
    found = []
    for result, record in made:
        done = record is not None and result.status in (DONE, BEFORE) and not (
            own and record.get("trained_with") == "reference")
        about = {name: result.point.values[name] for name in grid.varied}
        ended = {key: getattr(result, key) for key in _ENDED}
        for measure, value in (measures(record) if done else {"": math.nan}).items():
            found.append({**about, "seed": result.point.seed, "measure": measure or None,
                          "value": value, **ended})
    return pandas.DataFrame(found).astype({"code": "Int64"})


def read(path: str | Path) -> pandas.DataFrame:
    """The table as it was written; text stays text, whatever it looks like."""
    return pandas.read_csv(path, keep_default_na=False, dtype={"code": "Int64", "run": str},
                           na_values={name: [""] for name in ("measure", "value", "code")})


def by_setting(rows: pandas.DataFrame, measure: str) -> dict[str, pandas.Series]:
    """Setting in words -> the values of one measure by seed, in the order of the grid."""
    mine = rows[rows["measure"] == measure]
    varied = list(rows.columns[: rows.columns.get_loc("seed")])
    if not varied:
        return {"the preset": mine.set_index("seed")["value"]} if len(mine) else {}
    groups = mine.groupby(varied, sort=False)
    return {words(dict(zip(varied, key, strict=True))): group.set_index("seed")["value"]
            for key, group in groups}


def differences(rows: pandas.DataFrame, measure: str) -> dict[tuple[str, str], pandas.Series]:
    """(setting, minus setting) -> differences of one measure over the seeds that both have.

    Settings on different data sets are not paired, and controls are no part of a method.
    """
    if measure.rpartition(" ")[0] in CONTROLS:
        return {}
    found = {}
    parts = rows.groupby("DATASET", sort=False) if "DATASET" in rows else [("", rows)]
    for _, part in parts:
        settings = by_setting(part, measure)
        for one, other in itertools.combinations(settings, 2):
            pairs = (settings[one] - settings[other]).dropna()
            if len(pairs):
                found[one, other] = pairs
    return found


def main_measure(names: Iterable[str]) -> str:
    """What is drawn first: an accuracy of the chapter's own encoder, else a claim, else any."""
    own = [name for name in names if name.rpartition(" ")[0] not in CONTROLS]
    for column in COLUMNS:
        if found := [name for name in own if name.rpartition(" ")[2] == column]:
            return found[0]
    return next((name for name in own if name.startswith("claim ")), next(iter(own), ""))


def write(grid: Grid, results: Sequence[Result]) -> list[Path]:
    """Write `comparison.csv` and the executed `comparison.ipynb` into the sweep's folder.

    Returns their paths. Where the notebook cannot be executed it is written without outputs.
    """
    rows = table(grid, results)
    csv, path = grid.folder / "comparison.csv", grid.folder / "comparison.ipynb"
    files.write_text(csv, rows.to_csv(index=False))
    made = notebook(grid, results, rows)
    try:
        NotebookClient(made, timeout=300, kernel_name="python3",
                       resources={"metadata": {"path": str(grid.folder)}},
                       extra_arguments=["--IPKernelApp.log_level=50"]).execute()
    except (CellExecutionError, RuntimeError, OSError):
        made = notebook(grid, results, rows)
    files.write_text(path, nbformat.writes(made) + "\n")
    return [csv, path]


def notebook(
    grid: Grid, results: Sequence[Result], rows: pandas.DataFrame
) -> nbformat.NotebookNode:
    """The notebook, not executed; without a measure it only says how the runs ended."""
    ends = "\n".join(end_text(grid, results, 0))
    about = f"Preset {grid.preset}. {words(grid.fixed)}".strip()
    cells = [v4.new_markdown_cell(
        f"# {grid.chapter.name}: {shape(grid)}\n\n{about}\n\n```\n{ends}\n```")]
    if measure := main_measure(rows["measure"].dropna().unique()):
        cells += [
            v4.new_code_cell(_READ.format(measure=measure)),
            v4.new_markdown_cell("## How good is each setting?"),
            v4.new_code_cell("comparison.show_settings(rows, MEASURE)"),
            v4.new_markdown_cell(f"## Which settings differ?\n\n{_CAUTION}"),
            v4.new_code_cell("comparison.show_differences(rows, MEASURE)"),
        ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # equal runs give equal files
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def show_settings(rows: pandas.DataFrame, measure: str) -> None:
    """Bars of one measure, a dot per seed, and the table of means with their intervals."""
    label, factor = axis(measure)
    seeds = {name: list(values) for name, values in by_setting(rows, measure).items()}
    means = {name: factor * sum(values) / len(values) for name, values in seeds.items()}
    title = f"Means of the settings: {min(means.values()):.3g} to {max(means.values()):.3g}"
    viz.show(viz.bars_with_controls(seeds, title=title, unit=label, scale=factor),
             how_to_read="a bar is the mean over seeds, a dot one seed. Compare settings by "
             "the paired differences below, not by whether bars overlap.",
             alt=f"Bars of {label}: " + ", ".join(f"{k} {v:.3g}" for k, v in means.items()) + ".")
    show_table(["setting", "seeds", label, "95 % interval"],
               [[name, *_mean(values, factor)] for name, values in seeds.items()], numbers=True)


def show_differences(rows: pandas.DataFrame, measure: str) -> None:
    """The table of paired differences of one measure, in the unit of the figure above."""
    label, factor = axis(measure)
    pairs = differences(rows, measure)
    if not pairs:
        print("There is one setting, or no seed that two have in common: nothing to compare.")
        return
    show_table(["setting", "minus", "pairs", label, "95 % interval"],
               [[*names, *_mean(list(values), factor)] for names, values in pairs.items()],
               numbers=True)


def axis(measure: str) -> tuple[str, float]:
    """What an axis says, and the factor to its unit."""
    row, _, column = measure.rpartition(" ")
    if column in COLUMNS:
        label, factor = COLUMNS[column]
        return f"{row} {label}", factor
    return ("seconds (s)" if measure == "seconds" else measure), 1.0


def _mean(values: list[float], factor: float) -> list[str]:
    """Number of values, their mean and its 95 % t-interval, as cells of a table."""
    low, high = (factor * end for end in interval(values))
    spread = "–" if math.isnan(low) else f"{low:.3g} to {high:.3g}"
    return [str(len(values)), f"{factor * sum(values) / len(values):.3g}", spread]
