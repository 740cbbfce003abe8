"""A reader's own graph as arrays, from one .npz or a folder of text files. Nothing is unpickled.

The arrays, whatever file they come from (`assembled.py` checks them): edge_index (2, E); x (N, F),
or x_data, x_indices, x_indptr (and x_shape) of a sparse matrix; y (N,); ids (N,), where edges name
nodes by them; train_mask, val_mask, test_mask (N,); graph (N,) where there are many graphs, with
one y for each.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sslbook.datasets.assembled import assemble
from sslbook.datasets.graphs import GraphSet
from sslbook.datasets.node_labels import wrong
from sslbook.errors import DataError

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_SPARSE = ("data", "indices", "indptr", "shape")
_FILES = "edges.csv, features.csv (or features.json, features.npz) and labels.csv"


def load(path: Path, split: str, limit: int) -> GraphSet:
    """`graph:FILE.npz` or `graph:FOLDER`. Raises DataError that says what is wrong where."""
    kind, read = ("folder", read_folder) if path.is_dir() else ("file", read_npz)
    return assemble(f"graph:{path.name}", read(path), split, limit, source=f"{kind} {path.name}",
                    licence="not stated")


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz; each is read to its end, so that its checksum is compared."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = dict(archive)
    except Exception as error:  # zipfile, zlib and NumPy have no common base for damage
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise wrong(path.name, f"it cannot be read ({reason})",
                    "Write it with numpy.savez: numbers and texts, no Python objects.") from error
    # scipy.sparse.save_npz calls the parts of its matrix so.
    return {f"x_{key}" if key in _SPARSE else key: value for key, value in found.items()}


def read_folder(path: Path) -> dict[str, np.ndarray]:
    """The arrays of edges.csv (two columns), features.* and labels.csv (both: the node's id first).

    A first line is a header unless it begins with a number or the id of a node. A node without a
    label has no line in labels.csv, or an empty last cell.
    """
    if not (path / "edges.csv").is_file():
        raise wrong(path.name, "it has no edges.csv", f"A graph's folder has {_FILES}.")
    tables = [_cells(path / f"{name}.csv") for name in ("edges", "features", "labels")]
    known = {*tables[0].iloc[1:, :2].to_numpy().ravel(), *tables[1].iloc[1:, 0],
             *tables[2].iloc[1:, 0]}
    edges, features, labels = (_without_header(table, known) for table in tables)
    found: dict[str, np.ndarray] = {}
    if len(features):
        ids, found["x"] = list(features[0]), _numbers(path / "features.csv", features)
    elif (path / "features.json").is_file():
        ids, found = _words(path / "features.json")
    elif (path / "features.npz").is_file():
        ids, found = _matrix(path / "features.npz")
    else:
        ids = list(dict.fromkeys([*labels[0], *edges[0], *edges[1]]))
    place = {node: row for row, node in enumerate(ids)}
    if len(place) < len(ids):
        twice = next(node for row, node in enumerate(ids) if place[node] != row)
        raise wrong(path.name, f"node {twice!r} has features twice", "Give each node one line, "
                    "which begins with its id.")
    found["ids"] = np.array(ids, dtype=np.str_)
    found["edge_index"] = np.stack([_rows(path / "edges.csv", edges[i], place) for i in (0, 1)])
    if len(labels):
        rows = _rows(path / "labels.csv", labels[0], place)
        texts = np.full(len(ids), "", dtype=object)
        texts[rows] = labels.iloc[:, -1]
        found["y"] = texts.astype(np.str_)
    return found


def _cells(path: Path) -> DataFrame:
    """The cells of a file as text, rows numbered by its lines; two empty columns without the file.

    Comma, semicolon, tab or blanks; lines before the first that begin with # are passed over.
    """
    import pandas

    try:
        lines = path.read_text("utf-8-sig").splitlines() if path.is_file() else []
        before = next((i for i, line in enumerate(lines) if line.strip()[:1] not in ("", "#")), 0)
        separator = next((one for one in ",;\t" if lines and one in lines[before]), r"\s+")
        cells = pandas.read_csv(path, sep=separator, header=None, dtype=str, na_filter=False,
                                skiprows=before, skip_blank_lines=False, encoding="utf-8-sig",
                                ) if lines else pandas.DataFrame(columns=[0, 1], dtype=str)
    except (OSError, ValueError) as error:  # pandas' own and a wrong encoding are ValueErrors
        raise _unreadable(path, error) from error
    if cells.shape[1] < 2:
        raise _unreadable(path, "its lines have one cell")
    cells = cells.apply(lambda column: column.str.strip())
    for i in (0, 1) if path.stem == "edges" else (0,):  # pandas and spreadsheets make 3.0 of 3
        cells[i] = cells[i].str.replace(r"^(-?\d+)\.0+$", r"\1", regex=True)
    cells.index += before + 1
    return cells[(cells != "").any(axis=1)]


def _without_header(cells: DataFrame, known: set[str]) -> DataFrame:
    first = cells.iloc[0, 0] if len(cells) else ""
    return cells if first in known or first.isdecimal() else cells.iloc[1:]


def _numbers(path: Path, cells: DataFrame) -> np.ndarray:
    """The features (N, F) of a table whose first column has the ids."""
    import pandas

    values = cells.iloc[:, 1:].apply(pandas.to_numeric, errors="coerce").to_numpy(np.float64)
    for row, column in np.argwhere(~np.isfinite(values))[:1]:
        raise wrong(f"{path.parent.name}/{path.name}", f"line {cells.index[row]} has "
                    f"{cells.iloc[row, column + 1]!r} in column {column + 2}, which is no number",
                    "Fill gaps, and write categories as one 0/1 column per value.")
    return values


def _words(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    """{"id": [3, 17], ...} or [[3, 17], ...]: which of the features are 1 at each node."""
    try:
        content = json.loads(path.read_text("utf-8"))
        lists = content.values() if isinstance(content, dict) else content
        ids = list(content) if isinstance(content, dict) else list(map(str, range(len(content))))
        numbers = np.concatenate([np.array(one, dtype=None if one else int) for one in lists])
        if numbers.dtype.kind != "i" or numbers.ndim != 1 or numbers.min(initial=0) < 0:
            raise ValueError("they are no lists of whole numbers from 0")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise _unreadable(path, error) from error
    return ids, {"x_indices": numbers, "x_indptr": np.cumsum([0, *map(len, lists)])}


def _matrix(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    """What scipy.sparse.save_npz wrote; its rows are the nodes 0, 1, ..."""
    from scipy import sparse

    try:
        rows = sparse.load_npz(path).tocsr()
    except Exception as error:  # as in read_npz
        raise _unreadable(path, error) from error
    return list(map(str, range(rows.shape[0]))), {
        f"x_{key}": np.array(getattr(rows, key)) for key in _SPARSE}


def _rows(path: Path, cells: Series, place: dict[str, int]) -> np.ndarray:
    """The nodes' rows, int64, of a column of ids."""
    rows = cells.map(place)
    for line in rows.index[rows.isna()][:1]:
        raise wrong(f"{path.parent.name}/{path.name}", f"line {line} names node {cells[line]!r}, "
                    "which has no features", "Give the node features, or take the line out.")
    return rows.to_numpy(np.int64)


def _unreadable(path: Path, reason: Exception | str) -> DataError:
    words = " ".join(str(reason).split())[:120]
    return wrong(f"{path.parent.name}/{path.name}", f"it cannot be read ({words})",
                 "CSV: UTF-8, the node's id first, equally many cells in every line. JSON: a list "
                 "of the features that are 1, for each node.")
