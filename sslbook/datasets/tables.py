"""Tables: three small ones from scikit-learn, and the reader's own as CSV."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from sslbook.datasets.known import BUNDLED
from sslbook.datasets.lookup import one_of, unusable
from sslbook.datasets.types import TableSet, hold_out, mixed, rows_of
from sslbook.errors import DataError

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_MISSING = ("", "?", "na", "n/a", "nan", "null", "none", "#n/a", "<na>")
_MOST_KINDS = 256  # of texts in one column: more is a name or an identifier, not a category
_FEWEST_LINES = 6
_LARGEST = float(np.finfo(np.float32).max)  # beyond it, as nan, a cell is text


def load_bundled(name: str, split: str, limit: int) -> TableSet:
    """scikit-learn's breast_cancer, wine or iris; a fixed fifth is the test split."""
    from sklearn import datasets

    table = getattr(datasets, f"load_{name}")()
    return _cut(
        split, limit, table.data, table.target, name=name, columns=table.feature_names,
        classes=table.target_names, licence="CC BY 4.0", source=f"scikit-learn load_{name} (UCI)",
        description=BUNDLED[name],
    )


def load_csv(
    path: Path, split: str, limit: int, label: str = "", header: str = "", missing: str = ""
) -> TableSet:
    """A CSV file (comma, semicolon or tab; UTF-8 or Latin-1); a fixed fifth is the test split.

    label: the class column by name (default: the last; c0, c1, ... without a header). header: "1"
    or "0" (default: "1" where no cell of the first line is a number). missing: "skip" leaves out
    lines with empty or "?" cells. Columns of numbers stay numbers, where the comma separates
    nothing also those with a decimal comma; others become one column per value, "column=value".
    Raises DataError that names column and line for a missing cell, a line that is too long, a text
    column of more than 256 values, a label that is no class or one of two columns of its name.
    """
    import pandas

    table, decimal = _read(path, header)
    names = list(table.columns)
    label = label or names[-1]
    one_of(path.name, "label", label, names)
    if names.count(label) > 1:
        raise _wrong(path, f"{names.count(label)} columns are called {label}, as the label is",
                     "Give every column a name of its own.")
    table = _complete(path, table, missing == "skip")
    classes, labels = _labels(path, table[label])
    blocks = [_column(path, cells, decimal) for name, cells in table.items() if name != label]
    values = pandas.concat(blocks, axis=1)
    shape = f"{len(values):,} x {values.shape[1]} table, {len(classes)} classes, 80 / 20 %"
    return _cut(
        split, limit, values.to_numpy(), labels, name=f"csv:{path.name}", columns=values.columns,
        classes=classes, licence="not stated", source=f"file {path.name}",
        description=f"{shape}; licence not stated",
    )


def _cut(
    split: str, limit: int, values: np.ndarray, labels: np.ndarray, *,
    columns: Iterable[str], classes: Iterable[str], **about: str,
) -> TableSet:
    """One split of a whole table, with the training split's statistics."""
    parts = hold_out(len(labels))
    known = torch.from_numpy(values[parts == 0].astype(np.float32)).double()
    std = known.std(dim=0, correction=0)
    rows = rows_of(parts, split, limit)
    rows = rows if split == "all" else mixed(rows, labels[rows])
    return TableSet(
        split=split, total=len(rows_of(parts, split)),
        values=torch.from_numpy(values[rows].astype(np.float32)),
        labels=torch.from_numpy(labels[rows].astype(np.int64)),
        columns=tuple(map(str, columns)), classes=tuple(map(str, classes)),
        mean=known.mean(dim=0).float(), std=torch.where(std > 0, std, 1.0).float(), **about,
    )


def _read(path: Path, header: str) -> tuple[DataFrame, str]:
    """The cells as text, rows numbered by their lines in the file; and the decimal sign."""
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
        raise _wrong(path, f"it cannot be read: {' '.join(str(error).split())}",
                     "Mend what is named, or save the table as CSV in UTF-8.") from error
    table.index += skipped + 1
    table = table.apply(lambda cells: cells.str.strip())
    table = table[(table != "").any(axis=1)]
    # A separator at the end of every line makes no column.
    table = table.iloc[:, : 1 + max(np.flatnonzero((table != "").any()), default=0)]
    if len(table) < _FEWEST_LINES or table.shape[1] < 2:
        what = f"it has {len(table)} lines of {table.shape[1]} cells"
        raise _wrong(path, what, f"Give it at least {_FEWEST_LINES} lines and 2 columns.")
    decimal = "." if separator == "," else ","
    names = list(table.iloc[0])
    if header == "1" or (not header and all(_numbers([cell], decimal) is None for cell in names)):
        return table.iloc[1:].set_axis(names, axis=1), decimal
    return table.set_axis([f"c{i}" for i in range(len(names))], axis=1), decimal


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


def _complete(path: Path, table: DataFrame, skip: bool) -> DataFrame:
    """The lines without missing cells, which are an error unless they are skipped."""
    gaps = table.apply(lambda cells: cells.str.lower().isin(_MISSING))
    lines = gaps.any(axis=1)
    if lines.any() and not skip:
        line = lines.idxmax()
        name, count = gaps.loc[line].idxmax(), lines.sum()
        what = f"column {name} has no value in line {line} ({count} such lines)"
        todo = f"Fill the gaps, or leave those lines out: csv:{path}?missing=skip"
        raise _wrong(path, what, todo)
    return table[~lines]


def _labels(path: Path, cells: Series) -> tuple[list[str], np.ndarray]:
    """Class names, in the order of their numbers where they are such, and int64 labels (n,)."""

    def order(cell: str) -> tuple[float, str]:
        number = _numbers([cell])
        return (0.0 if number is None else number[0], cell)

    classes = sorted(cells.unique(), key=order)
    if not 1 < len(classes) <= max(2, len(cells) // 2):
        what = f"the label column {cells.name} holds {len(classes)} values in {len(cells)} lines"
        raise _wrong(path, what, f"Name a column of classes: csv:{path}?label=COLUMN")
    return classes, cells.map({name: i for i, name in enumerate(classes)}).to_numpy(np.int64)


def _column(path: Path, cells: Series, decimal: str) -> DataFrame:
    """One column as float32 (n, k): k = 1 for numbers, else one per value."""
    import pandas

    numbers = _numbers(cells, decimal)
    if numbers is not None:
        return pandas.DataFrame({cells.name: numbers.astype(np.float32)}, cells.index)
    if cells.nunique() > _MOST_KINDS:
        what = f"column {cells.name} holds {cells.nunique()} different texts"
        raise _wrong(path, what, "Remove it, or mend the cells that should be numbers.")
    return pandas.get_dummies(cells, prefix=cells.name, prefix_sep="=", dtype=np.float32)


def _numbers(cells: Iterable[str], decimal: str = ".") -> np.ndarray | None:
    """float64 (n,); None where a cell is no number, or beyond float32."""
    try:
        values = np.array([float(cell.replace(decimal, ".")) for cell in cells])
    except ValueError:
        return None
    return values if (np.abs(values) <= _LARGEST).all() else None


def _wrong(path: Path, what: str, todo: str) -> DataError:
    return unusable(f"The table {path.name}: {what}.", todo)
