"""Tables: three small ones from scikit-learn, and the reader's own as CSV."""

from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import torch

from sslbook.datasets.types import TableSet, first, hold_out
from sslbook.errors import DataError, UsageError

BUNDLED = {
    "breast_cancer": "569 x 30 measurements of cell nuclei, 2 classes, 80 / 20 %; CC BY 4.0",
    "wine": "178 x 13 chemical analyses of wines, 3 classes, 80 / 20 %; CC BY 4.0",
    "iris": "150 x 4 measurements of flowers, 3 classes, 80 / 20 %; CC BY 4.0",
}
CSV_OPTIONS = frozenset({"label", "header", "missing"})
_MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})
_MOST_KINDS = 256  # of texts in one column: more is a name or an identifier, not a category


def load_bundled(name: str, split: str, limit: int) -> TableSet:
    """scikit-learn's breast_cancer, wine or iris; a fixed fifth is the test split."""
    from sklearn import datasets

    table = getattr(datasets, f"load_{name}")()
    values = torch.from_numpy(table.data.astype(np.float32))
    labels = torch.from_numpy(table.target.astype(np.int64))
    everything = TableSet(
        name=name,
        split="all",
        values=values,
        labels=labels,
        columns=tuple(map(str, table.feature_names)),
        classes=tuple(map(str, table.target_names)),
        mean=torch.zeros(0),
        std=torch.zeros(0),
        licence="CC BY 4.0",
        source=f"scikit-learn load_{name} (UCI)",
        description=BUNDLED[name],
    )
    return _cut(everything, split, limit)


def load_csv(path: Path, split: str, limit: int, options: dict[str, str]) -> TableSet:
    """A CSV file (comma, semicolon or tab; UTF-8); a fixed fifth is the test split.

    options: label, the class column by name or number from 0 (default: the last); header, 1 or 0
    (default: seen from the first row); missing=skip leaves out rows with empty or "?" cells.
    Columns of numbers stay numbers, others become one column per value, named "column=value".
    Raises DataError that names column and row for a missing cell, a row of another length, a text
    column of more than 256 values, a label that is no class.
    """
    header, rows = _read(path, options.get("header", ""))
    label = _label_column(path, header, options.get("label", ""))
    rows = _complete(path, header, rows, options.get("missing", ""))
    classes, labels = _labels(path, header[label], [row[label] for _, row in rows])
    columns, parts = [], []
    for c, name in enumerate(header):
        if c != label:
            names, block = _column(path, name, [row[c] for _, row in rows])
            columns += names
            parts.append(block)
    if not parts:
        raise _wrong(path, "it has no column beside the label", "Add columns to learn from.")
    shape = f"{len(rows):,} x {len(columns)} table, {len(classes)} classes, 80 / 20 %"
    everything = TableSet(
        name=f"csv:{path.name}",
        split="all",
        values=torch.from_numpy(np.concatenate(parts, axis=1)),
        labels=torch.from_numpy(labels),
        columns=tuple(columns),
        classes=classes,
        mean=torch.zeros(0),
        std=torch.zeros(0),
        licence="not stated",
        source=f"file {path.name}",
        description=f"{shape}; licence not stated",
    )
    return _cut(everything, split, limit)


def _cut(everything: TableSet, split: str, limit: int) -> TableSet:
    """One split of the whole table, with the training split's statistics."""
    train, test = hold_out(len(everything))
    known = everything.values[torch.from_numpy(train)].double()
    std = known.std(dim=0, correction=0)
    rows = train if split == "train" else test
    rows = rows[first(len(rows), limit)]
    return dataclasses.replace(
        everything.take(torch.from_numpy(rows)),
        split=split,
        mean=known.mean(dim=0).float(),
        std=torch.where(std > 0, std, 1.0).float(),
    )


def _read(path: Path, header: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Column names, and rows with their line numbers."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            start = file.readline()
            file.seek(0)
            separator = max(",;\t", key=start.count)
            reader = csv.reader(file, delimiter=separator, skipinitialspace=True, strict=True)
            rows = [
                (reader.line_num, [cell.strip() for cell in row])
                for row in reader
                if any(cell.strip() for cell in row)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _wrong(path, f"it cannot be read: {error}", "Give a CSV file in UTF-8.") from error
    if header not in ("", "0", "1"):
        raise UsageError(f"header={header!r} is neither 0 nor 1.", "Nothing was read.")
    has_header = header == "1" or (header == "" and _looks_like_header(rows))
    names = rows[0][1] if has_header else [f"c{i}" for i in range(len(rows[0][1]) if rows else 0)]
    rows = rows[1:] if has_header else rows
    if len(rows) < 5:
        raise _wrong(path, f"it has {len(rows)} rows", "A table needs at least five.")
    for line, row in rows:
        if len(row) != len(names):
            what = f"line {line} has {len(row)} cells, the first line has {len(names)}"
            raise _wrong(path, what, "Mend that line.")
    return names, rows


def _looks_like_header(rows: list[tuple[int, list[str]]]) -> bool:
    """No number in the first row, or a text above a column of nothing but numbers."""
    if len(rows) < 2:
        return False
    numbers = [_number(cell) is not None for cell in rows[0][1]]
    if not any(numbers):
        return True
    below = [row for _, row in rows[1:] if len(row) == len(numbers)]
    return any(
        not is_number and below and all(_number(row[c]) is not None for row in below)
        for c, is_number in enumerate(numbers)
    )


def _label_column(path: Path, header: list[str], label: str) -> int:
    if label in header:
        return header.index(label)
    if label.isdigit() and int(label) < len(header):
        return int(label)
    if label == "":
        return len(header) - 1
    names = ", ".join(header[:12]) + (", ..." if len(header) > 12 else "")
    raise UsageError(f"{path.name} has no column {label!r}.", f"Its columns: {names}.")


def _complete(
    path: Path, header: list[str], rows: list[tuple[int, list[str]]], missing: str
) -> list[tuple[int, list[str]]]:
    """The rows without missing cells, which are an error unless missing is "skip"."""
    if missing not in ("", "skip"):
        raise UsageError(f"missing={missing!r} is not known.", "Nothing was read.", "Known: skip")
    gaps = {
        line: next((c for c, cell in enumerate(row) if cell.lower() in _MISSING), None)
        for line, row in rows
    }
    holes = [(line, c) for line, c in gaps.items() if c is not None]
    if holes and not missing:
        line, c = holes[0]
        raise _wrong(
            path,
            f"column {header[c]} has no value in line {line} ({len(holes)} such lines)",
            f"Fill the gaps, or leave those lines out: csv:{path}?missing=skip",
        )
    rows = [(line, row) for line, row in rows if gaps[line] is None]
    if len(rows) < 5:
        raise _wrong(path, f"{len(rows)} lines are complete", "A table needs at least five.")
    return rows


def _labels(path: Path, name: str, cells: list[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Class names in order, and int64 labels (n,)."""
    number = all(_number(cell) is not None for cell in set(cells))
    classes = sorted(set(cells), key=lambda cell: (_number(cell) if number else 0, cell))
    if not 1 < len(classes) <= max(2, len(cells) // 2):
        what = f"the label column {name} holds {len(classes)} values in {len(cells)} rows"
        raise _wrong(path, what, f"Name a column of classes: csv:{path}?label=COLUMN")
    place = {cell: i for i, cell in enumerate(classes)}
    return tuple(classes), np.array([place[cell] for cell in cells], dtype=np.int64)


def _column(path: Path, name: str, cells: list[str]) -> tuple[list[str], np.ndarray]:
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
    return value if math.isfinite(value) else None


def _wrong(path: Path, what: str, todo: str) -> DataError:
    return DataError(f"The table {path.name}: {what}.", "Nothing was loaded.", todo)
