"""Tables: three small ones from scikit-learn, and the reader's own as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from sslbook.datasets.lookup import one_of, unusable
from sslbook.datasets.types import TableSet, hold_out, rows_of
from sslbook.errors import DataError

BUNDLED = {
    "breast_cancer": "569 x 30 measurements of cell nuclei, 2 classes, 80 / 20 %; CC BY 4.0",
    "wine": "178 x 13 chemical analyses of wines, 3 classes, 80 / 20 %; CC BY 4.0",
    "iris": "150 x 4 measurements of flowers, 3 classes, 80 / 20 %; CC BY 4.0",
}
_MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})
_MOST_KINDS = 256  # of texts in one column: more is a name or an identifier, not a category
_FEWEST_LINES = 6
_LARGEST = float(np.finfo(np.float32).max)  # beyond it, as nan, a cell is text

Rows = dict[int, list[str]]  # the cells of each line, by its number in the file


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
    """A CSV file (comma, semicolon or tab; UTF-8); a fixed fifth is the test split.

    label: the class column by name (default: the last; c0, c1, ... without a header). header: "1"
    or "0" (default: "1" where no cell of the first line is a number). missing: "skip" leaves out
    lines with empty or "?" cells. Columns of numbers stay numbers, others become one column per
    value, named "column=value". Raises DataError that names column and line for a missing cell, a
    line of another length, a text column of more than 256 values, a label that is no class.
    """
    names, rows = _read(path, header)
    label = label or names[-1]
    one_of(path.name, "label", label, names)
    at = names.index(label)
    rows = _complete(path, names, rows, missing == "skip")
    cells = list(zip(*rows.values(), strict=True)) or [()] * len(names)
    classes, labels = _labels(path, names[at], cells[at])
    blocks = [_column(path, names[c], cells[c]) for c in range(len(names)) if c != at]
    values = np.concatenate([block for _, block in blocks], axis=1)
    shape = f"{len(rows):,} x {values.shape[1]} table, {len(classes)} classes, 80 / 20 %"
    return _cut(
        split, limit, values, labels, name=f"csv:{path.name}",
        columns=[column for columns, _ in blocks for column in columns], classes=classes,
        licence="not stated", source=f"file {path.name}",
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
    return TableSet(
        split=split, values=torch.from_numpy(values[rows].astype(np.float32)),
        labels=torch.from_numpy(labels[rows].astype(np.int64)),
        columns=tuple(map(str, columns)), classes=tuple(map(str, classes)),
        mean=known.mean(dim=0).float(), std=torch.where(std > 0, std, 1.0).float(), **about,
    )


def _read(path: Path, header: str) -> tuple[list[str], Rows]:
    """Column names, and the lines below them."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        separator = max(",;\t", key=text.partition("\n")[0].count)
        reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True,
                            strict=True)
        lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _wrong(path, f"it cannot be read: {error}", "Give a CSV file in UTF-8.") from error
    rows = {line: row for line, row in lines if any(row)}
    top = min(rows, default=0)
    names = rows.get(top, [])
    if len(rows) < _FEWEST_LINES or len(names) < 2:
        what = f"it has {len(rows)} lines of {len(names)} cells"
        raise _wrong(path, what, f"Give it at least {_FEWEST_LINES} lines and 2 columns.")
    for line, row in rows.items():
        if len(row) != len(names):
            what = f"line {line} has {len(row)} cells, the first line has {len(names)}"
            raise _wrong(path, what, "Mend that line.")
    if header == "1" or (not header and all(_number(cell) is None for cell in names)):
        del rows[top]
        return names, rows
    return [f"c{i}" for i in range(len(names))], rows


def _complete(path: Path, names: list[str], rows: Rows, skip: bool) -> Rows:
    """The lines without missing cells, which are an error unless they are skipped."""
    gaps = {
        line: name for line, row in rows.items()
        for name, cell in zip(names, row, strict=True) if cell.lower() in _MISSING
    }
    if gaps and not skip:
        line, name = next(iter(gaps.items()))
        what = f"column {name} has no value in line {line} ({len(gaps)} such lines)"
        todo = f"Fill the gaps, or leave those lines out: csv:{path}?missing=skip"
        raise _wrong(path, what, todo)
    return {line: row for line, row in rows.items() if line not in gaps}


def _labels(path: Path, name: str, cells: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Class names, in the order of their numbers where they are such, and int64 labels (n,)."""
    classes = sorted(set(cells), key=lambda cell: (_number(cell) or 0, cell))
    if not 1 < len(classes) <= max(2, len(cells) // 2):
        what = f"the label column {name} holds {len(classes)} values in {len(cells)} lines"
        raise _wrong(path, what, f"Name a column of classes: csv:{path}?label=COLUMN")
    place = {cell: i for i, cell in enumerate(classes)}
    return classes, np.array([place[cell] for cell in cells], dtype=np.int64)


def _column(path: Path, name: str, cells: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Names and float32 values (n, k) of one column: k = 1 for numbers, else one per value."""
    numbers = [_number(cell) for cell in cells]
    if None not in numbers:
        return [name], np.array(numbers, dtype=np.float32)[:, None]
    kinds = sorted(set(cells))
    if len(kinds) > _MOST_KINDS:
        what = f"column {name} holds {len(kinds)} different texts"
        raise _wrong(path, what, "Remove it, or mend the cells that should be numbers.")
    hot = np.array(cells)[:, None] == np.array(kinds)[None, :]
    return [f"{name}={kind}" for kind in kinds], hot.astype(np.float32)


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if abs(value) <= _LARGEST else None


def _wrong(path: Path, what: str, todo: str) -> DataError:
    return unusable(f"The table {path.name}: {what}.", todo)
