"""The cells of a CSV file: which sign separates them, which line names the columns."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sslbook.datasets.columns import counts, number, wrong

if TYPE_CHECKING:
    from pandas import DataFrame

MISSING = ("", "?", "na", "n/a", "nan", "null", "none", "#n/a", "<na>")
FEWEST_LINES = 6
_LOOKED_AT = 1000  # lines, to tell whether the first one is a header


def read(path: Path, header: str = "") -> tuple[DataFrame, str, tuple[str, ...]]:
    """The cells as text, rows numbered by their lines; the separator; and what was guessed.

    header: "1" or "0"; "" guesses. Raises DataError for a file that is no table.
    """
    import pandas

    try:
        text = _text(path)
        # Blank lines, and the one by which Excel names the separator, come before the table.
        before = re.match(r"\n*(?:sep=([,;\t|])\n+)?", text)
        skipped = before[0].count("\n")
        separator = before[1] or _separator(text.splitlines()[skipped:])
        table = pandas.read_csv(io.StringIO(text), sep=separator, header=None, skiprows=skipped,
                                dtype=str, na_filter=False, skipinitialspace=True,
                                skip_blank_lines=False)
    except (OSError, ValueError) as error:
        raise wrong(path, f"it cannot be read: {' '.join(str(error).split())}",
                    "Mend what is named, or save the table as CSV in UTF-8.") from error
    within = table.apply(lambda cells: cells.str.count("\n")).sum(axis=1)  # cells of several lines
    table.index += skipped + 1 + within.cumsum().shift(fill_value=0).astype(int)
    table = table.apply(lambda cells: cells.str.strip())
    table = table[(table != "").any(axis=1)]
    # A separator at the end of every line makes no column.
    table = table.iloc[:, : 1 + max(np.flatnonzero((table != "").any()), default=0)]
    if len(table) < FEWEST_LINES or table.shape[1] < 2:
        what = f"it has {len(table)} lines of {table.shape[1]} cells"
        raise wrong(path, what, f"Give it at least {FEWEST_LINES} lines and 2 columns.")
    named, note = (header == "1", "") if header else _guess(table)
    first = list(table.iloc[0]) if named else [""] * table.shape[1]
    table = table.iloc[int(named):].set_axis([name or f"c{i}" for i, name in enumerate(first)],
                                             axis=1)
    notes = [note] if note else []
    if named and not first[0] and counts(table["c0"].map(number)):
        table = table.iloc[:, 1:]  # pandas' index
        notes.append("the first column has no name and only counts the lines, so it is left out")
    return table, separator, tuple(notes)


def _text(path: Path) -> str:
    """The content of a file in UTF-8, or in Latin-1 where it is not."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_text("latin-1")
    if "\0" in text:
        raise ValueError("it is no text, or in UTF-16")
    return text


def _separator(lines: list[str]) -> str:
    """Of semicolon, tab and comma the first that every line has equally often.

    Where none is (quoted texts hold one), the most frequent in the first line.
    """
    for separator in ";\t,":
        counts = {line.count(separator) for line in lines if line.strip()}
        if len(counts) == 1 and counts != {0}:
            return separator
    return max(",;\t", key="".join(lines[:1]).count)


def _guess(table: DataFrame) -> tuple[bool, str]:
    """Whether the first line names the columns, and what to say where that is not plain.

    A text over a column of numbers is a name. So is a text that does not come again, when the line
    has no numbers, or whole ones alone that count 0, 1, 2, ... as pandas does or do not come again.
    """
    first, below = list(table.iloc[0]), table.iloc[1 : _LOOKED_AT + 1]
    counted = [value for cell in first if np.isfinite(value := _number(cell))]
    texts = [i for i, cell in enumerate(first)
             if cell.lower() not in MISSING and not np.isfinite(_number(cell))]
    numeric = np.flatnonzero(np.isfinite(below.head(100).map(_number)).mean() > 0.9)
    again = [i for i, cell in enumerate(first) if (below.iloc[:, i] == cell).any()]
    new = not set(texts) & set(again)
    over_numbers = bool(set(texts) & set(numeric))
    if not counted:
        named = new or over_numbers
        return named, "" if named else _DATA
    in_turn = len(counted) > 1 and counts(counted) and counted == sorted(counted)
    if texts:
        repeats = any(below.iloc[:, i].nunique() <= len(below) / 2 for i in texts)
        whole = all(value == int(value) for value in counted)
        named = new and (over_numbers or (repeats and whole and (in_turn or not again)))
    else:
        named = in_turn and counted[0] in (0, 1) and 2 < len(counted) > 2 * len(again)
    return named, _NAMES if named else _DATA


_NAMES = "the first line was taken for the names of the columns (?header=0 if it is none)"
_DATA = "no line names the columns: they are called c0, c1, ... (?header=1 if the first line does)"


def _number(cell: str) -> float:
    return number(cell.replace(",", "."))
