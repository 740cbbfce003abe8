"""Tables: three small ones from scikit-learn, and the reader's own as CSV."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sslbook.datasets import columns, delimited
from sslbook.datasets.columns import Column, wrong
from sslbook.datasets.known import BUNDLED
from sslbook.datasets.lookup import one_of
from sslbook.datasets.types import TableSet, hold_out, mixed, rows_of

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_MOST_CLASSES = 50  # different numbers in a label column: more is a number to predict
_NAMED = 12  # columns in a note; the others are counted


def load_bundled(name: str, split: str, limit: int) -> TableSet:
    """scikit-learn's breast_cancer, wine or iris; a fixed fifth is the test split."""
    from sklearn import datasets

    table = getattr(datasets, f"load_{name}")()
    return _cut(
        split, limit, hold_out(len(table.data)), table.data.astype(np.float32), table.target,
        name=name, columns=tuple(table.feature_names), classes=tuple(map(str, table.target_names)),
        licence="CC BY 4.0", source=f"scikit-learn load_{name} (UCI)", description=BUNDLED[name],
    )


def load_csv(
    path: Path, split: str, limit: int, options: Mapping[str, str] = MappingProxyType({})
) -> TableSet:
    """A CSV file (comma, semicolon or tab; UTF-8 or Latin-1); a fifth of it is the test split.

    options: label, target, drop, header, missing and split, as data/README.md describes them.
    Numbers and dates (in days since 1970-01-01) stay one column each, others become one column per
    value, "column=value". The notes say what was guessed, changed or left out.
    Raises DataError that names column and line for what cannot be used, UsageError for a column
    that is not there.
    """
    import pandas

    table, separator, notes = delimited.read(path, options.get("header", ""))
    table, label = _chosen(path, table, options.get("drop", ""), options.get("label", ""))
    whole = _complete(path, table, options.get("missing") == "skip")
    wanted = options.get("target", "")
    read = {name: columns.read(path, cells, separator) for name, cells in whole.items()
            if (name, wanted) != (label, "classes")}
    parts, how = _parts(path.name, read, len(whole), options.get("split", ""))
    answer = read.pop(label, None)
    classes, labels, kind = _target(path, whole.get(label), answer, wanted)
    values = pandas.concat([column.block(path) for column in read.values()], axis=1)
    notes = [*notes, *_notes(read.values(), answer, len(table) - len(whole)), *how]
    if labels is not None and not classes and not wanted:
        notes.append(f"{label} holds over {_MOST_CLASSES} different numbers, so it is a number to "
                     "predict (?target=classes for classes)")
    return _cut(
        split, limit, parts, values.to_numpy(), labels, name=f"csv:{path.name}", classes=classes,
        columns=tuple(values.columns), ids=whole.index, notes=tuple(notes), licence="not stated",
        source=f"file {path.name}", description=f"{len(values):,} x {values.shape[1]} table, "
        f"{kind}, 80 / 20 %; licence not stated",
    )


def _cut(
    split: str, limit: int, parts: np.ndarray, values: np.ndarray, labels: np.ndarray | None, *,
    classes: tuple[str, ...], ids: Sequence[Any] = (), **about: Any,
) -> TableSet:
    """One split of a whole table, with the training split's statistics."""
    known = torch.from_numpy(values[parts == 0]).double()
    std = known.std(dim=0, correction=0)
    std = std.where((std > 0) & (known.amax(dim=0) > known.amin(dim=0)), 1.0)
    rows = rows_of(parts, split, limit)
    if split != "all":
        rows = mixed(rows, labels[rows] if classes else None)
    chosen = torch.from_numpy(values[rows])
    return TableSet(
        split=split, total=len(rows_of(parts, split)), values=chosen, classes=classes,
        parts=torch.from_numpy(parts[rows]),
        ids=tuple(str(ids[i]) for i in rows) if len(ids) else (),
        labels=None if labels is None else torch.from_numpy(labels[rows]),
        mean=known.mean(dim=0).to(chosen.dtype), std=std.to(chosen.dtype), **about,
    )


def _chosen(path: Path, table: DataFrame, drop: str, label: str) -> tuple[DataFrame, str]:
    """The columns that are used, and which of them is the label ("" for none)."""
    for name in drop.split(",") if drop else ():
        one_of(path.name, "drop", name, table.columns)
        table = table.drop(columns=name)
    names = list(table.columns)
    if twice := [name for name in names if names.count(name) > 1]:
        raise wrong(path, f"{names.count(twice[0])} columns are called {twice[0]}",
                    "Give every column a name of its own.")
    if label == "none" and label not in names:
        label = ""
    else:
        label = label or names[-1]
        one_of(path.name, "label", label, names)
    if not set(names) - {label}:
        raise wrong(path, "no column is left beside the label", "Leave fewer of them out.")
    return table, label


def _complete(path: Path, table: DataFrame, skip: bool) -> DataFrame:
    """The lines without missing cells, which are an error unless they are skipped."""
    gaps = table.apply(lambda cells: cells.str.lower().isin(delimited.MISSING))
    lines = gaps.any(axis=1)
    if lines.any() and not skip:
        line = lines.idxmax()
        name, count = gaps.loc[line].idxmax(), lines.sum()
        what = f"column {name} has no value in line {line} ({count} such lines)"
        todo = f"Fill the gaps, or leave those lines out: csv:{path}?missing=skip"
        raise wrong(path, what, todo)
    if (whole := (~lines).sum()) < delimited.FEWEST_LINES - 1:
        worst = gaps.sum().idxmax()
        raise wrong(path, f"{whole} lines have no gaps", "Leave out the column with most of them: "
                    f"csv:{path}?missing=skip&drop={worst}")
    return table[~lines]


def _parts(
    name: str, read: Mapping[str, Column], n: int, order: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """0 (training) or 1 (test) of n rows, and what to say of the choice.

    order: "" holds out a fixed fifth by chance; "time" the last fifth by the first column of
    dates, or of the file where there is none; the name of a column the last fifth by that one.
    """
    if not order:
        return hold_out(n), ()
    if order != "time" or order in read:
        one_of(name, "split", order, [c.name for c in read.values() if c.values is not None])
    dates = [column.name for column in read.values() if column.kind == "date"]
    by = order if order in read else next(iter(dates), "")
    key = read[by].values if by else np.arange(n)
    parts = np.zeros(n, dtype=np.int64)
    parts[np.argsort(key, kind="stable")[-max(1, round(n / 5)):]] = 1
    return parts, (f"the test split is the last fifth by {by or 'the order of the file'}",)


def _target(
    path: Path, cells: Series | None, column: Column | None, wanted: str
) -> tuple[tuple[str, ...], np.ndarray | None, str]:
    """Class names, labels (n,), and what they are: int64 classes or float64 numbers to predict.

    column: of the label, as it was read; None where there is none, or where it holds classes.
    """
    if cells is None:
        return (), None, "no labels"
    if column and column.values is not None and (
            wanted == "number" or len(np.unique(column.values)) > _MOST_CLASSES):
        return (), column.values, f"{cells.name} as a number"
    classes = sorted(cells.unique(), key=lambda cell: (np.nan_to_num(columns.number(cell)), cell))
    if wanted == "number" or not 1 < len(classes) <= max(2, len(cells) // 2):
        what = f"the label column {cells.name} holds {len(classes)} values in {len(cells)} lines"
        raise wrong(path, what, f"Name a column of classes: csv:{path}?label=COLUMN, of numbers: "
                    "?label=COLUMN&target=number, or none: ?label=none")
    labels = cells.map({name: i for i, name in enumerate(classes)}).to_numpy(np.int64)
    return tuple(classes), labels, f"{len(classes):,} classes"


def _notes(
    features: Collection[Column], answer: Column | None, left_out: int
) -> Iterator[str]:
    """What is said of the columns and of lines that were left out."""

    def line(what: str, names: Sequence[str], then: str = "") -> Iterator[str]:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        if names:
            yield f"{what}: {', '.join(names[:_NAMED])}{more}{then}"

    if left_out:
        yield f"{left_out:,} lines with missing cells are left out"
    read = [*features, *([answer] if answer else ())]
    for note in dict.fromkeys(column.note for column in read if column.note):
        yield from line(note, [column.name for column in read if column.note == note])
    kinds = {column.name: column.cells.nunique() for column in features}
    texts = [column for column in features if column.kind == "category"]
    yield from line("categories", [f"{one.name} ({kinds[one.name]})" for one in texts])
    yield from line("the same in every line", [name for name, n in kinds.items() if n == 1])
    counting = [column.name for column in features if column.counts_rows]
    naming = [one.name for one in texts if kinds[one.name] == len(one.cells)]
    yield from line("they only number or name the lines, it seems", counting + naming,
                    " (?drop=COLUMN,... leaves them out)")
