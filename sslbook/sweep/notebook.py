"""The comparison of a sweep as a notebook beside its CSV: tables and one figure, executed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nbformat
from matplotlib.figure import Figure
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import v4

from sslbook import files
from sslbook.lesson import viz
from sslbook.lesson.viz.scores import COLUMNS
from sslbook.lesson.viz.show import show_table
from sslbook.sweep import compare
from sslbook.sweep.compare import CONTROLS, Row
from sslbook.sweep.grid import Grid, words
from sslbook.sweep.results import Result, end_text, shape

FILES = ("comparison.csv", "comparison.ipynb")
_READ = """\
from sslbook.sweep import compare, notebook

MEASURE = {measure!r}  # any of those below
rows = compare.read("comparison.csv")
print(", ".join(dict.fromkeys(row["measure"] for row in rows if row["measure"])))"""
_CAUTION = """\
A difference is taken seed by seed, so what a seed does to both settings cancels. Every interval
covers 95 % by itself: among twenty comparisons, one that seems to differ is no surprise. The best
of many settings looks better than it is; a claim about it needs seeds that this sweep has not
used."""


def write(grid: Grid, results: Sequence[Result]) -> list[Path]:
    """Write `comparison.csv` and the executed `comparison.ipynb` into the sweep's folder.

    Returns their paths. Where the notebook cannot be executed it is written without outputs.
    """
    rows = compare.rows(grid, results)
    csv, path = (grid.folder / name for name in FILES)
    compare.write(csv, grid, rows)
    made = build(grid, results, rows)
    try:
        NotebookClient(made, timeout=300, kernel_name="python3",
                       resources={"metadata": {"path": str(grid.folder)}},
                       extra_arguments=["--IPKernelApp.log_level=50"]).execute()
    except (CellExecutionError, RuntimeError, OSError):
        made = build(grid, results, rows)
    files.write_text(path, nbformat.writes(made) + "\n")
    return [csv, path]


def build(grid: Grid, results: Sequence[Result], rows: Sequence[Row]
          ) -> nbformat.NotebookNode:
    """The notebook, not executed."""
    ends = "\n".join(end_text(grid, results, 0))
    told = f"Preset {grid.preset}. {words(grid.fixed)}".strip()
    cells = [v4.new_markdown_cell(
        f"# {grid.chapter.name}: {shape(grid)}\n\n{told}\n\n```\n{ends}\n```")]
    measure = main_measure(rows)
    if measure:
        cells += [
            v4.new_code_cell(_READ.format(measure=measure)),
            v4.new_markdown_cell("## How good is each setting?"),
            v4.new_code_cell("notebook.show_settings(rows, MEASURE)"),
            v4.new_markdown_cell(f"## Which settings differ?\n\n{_CAUTION}"),
            v4.new_code_cell("notebook.show_differences(rows, MEASURE)"),
        ]
    found = v4.new_notebook(cells=cells)
    found.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3",
                                    "language": "python"}
    for number, cell in enumerate(found.cells):
        cell["id"] = f"cell-{number}"  # equal runs give equal files
    return found


def main_measure(rows: Sequence[Row]) -> str:
    """What is drawn first: an accuracy of the chapter's own encoder, else a claim, else any."""
    names = dict.fromkeys(row["measure"] for row in rows if row["measure"])
    own = [name for name in names if name.partition(" ")[0] not in CONTROLS]
    for column in COLUMNS:
        if found := [name for name in own if name.rpartition(" ")[2] == column]:
            return found[0]
    return next((name for name in own if name.startswith("claim ")), next(iter(own), ""))


def unit(measure: str) -> tuple[str, float]:
    """What an axis says, and the factor to its unit."""
    row, _, column = measure.rpartition(" ")
    if column in COLUMNS:
        said, factor = COLUMNS[column]
        return f"{row} {said}", factor
    return ("seconds (s)" if measure == "seconds" else measure), 1.0


def show_settings(rows: Sequence[Row], measure: str) -> None:
    """Bars of one measure, a dot per seed, and the table of means with their intervals."""
    said, factor = unit(measure)
    mine = [row for row in rows if row["measure"] == measure]
    means = [row for row in mine if row["kind"] == "setting"]
    fig = settings_figure(mine, said, factor)
    viz.show(fig, how_to_read="a bar is the mean over seeds, a dot one seed. Compare settings by "
             "the paired differences below, not by whether bars overlap.",
             alt=f"Bars of {said}: " + ", ".join(
                 f"{compare.name(row)} {factor * row['value']:.3g}" for row in means) + ".")
    show_table(["setting", "seeds", said, "95 % interval"],
               [[compare.name(row), *_numbers(row, factor)] for row in means], numbers=True)


def settings_figure(mine: Sequence[Row], said: str, factor: float) -> Figure:
    """Bars with a dot per seed; mine: the rows of one measure."""
    seeds: dict[str, list[float]] = {}
    for row in mine:
        if row["kind"] == "run":
            seeds.setdefault(compare.name(row), []).append(row["value"])
    means = [factor * sum(values) / len(values) for values in seeds.values()]
    title = f"Means of the settings: {min(means):.3g} to {max(means):.3g}"
    return viz.bars_with_controls(seeds, title=title, unit=said, scale=factor)


def show_differences(rows: Sequence[Row], measure: str) -> None:
    """The table of paired differences of one measure, in the unit of the figure above."""
    said, factor = unit(measure)
    pairs = [row for row in rows if row["kind"] == "difference" and row["measure"] == measure]
    if not pairs:
        print("There is one setting, or no seed that two have in common: nothing to compare.")
        return
    show_table(["setting", "minus", "pairs", said, "95 % interval"],
               [[compare.name(row), compare.name(row, minus=True), *_numbers(row, factor)]
                for row in pairs], numbers=True)


def _numbers(row: Row, factor: float) -> list[str]:
    low, high = factor * row["low"], factor * row["high"]
    spread = "–" if low != low else f"{low:.3g} to {high:.3g}"
    return [f"{row['n']:.0f}", f"{factor * row['value']:.3g}", spread]
