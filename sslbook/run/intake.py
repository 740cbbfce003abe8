"""What an encoder takes, as its encoder.json tells: images, rows of a table, or a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sslbook.datasets import TableSet
from sslbook.errors import DataError, UsageError
from sslbook.views import prepare

Prepare = Callable[[Tensor], Tensor]
_LARGEST = 4096  # pixels of a side
_KINDS = {"images": "images", "values": "table", "features": "graph"}  # by the sets' `inputs`
_NETS = {"row_encoder": "table", "graph_net": "graph"}  # of files that do not say their kind


def describe(trained_on: Any) -> dict[str, Any]:
    """Kind, size and scaling of a training set, and a table's columns, as JSON can hold them."""
    about = {"kind": kind_of(trained_on), "size": int(trained_on.shape[-1]),
             **{key: [float(v) for v in getattr(trained_on, key)] for key in ("mean", "std")}}
    return about | ({"columns": list(trained_on.columns)} if about["kind"] == "table" else {})


def kind_of(data: Any) -> str:
    """"images", "table" or "graph"."""
    return _KINDS[data.inputs]


def said_kind(about: Mapping[str, Any]) -> str:
    """The kind of data that an encoder.json speaks of."""
    return about.get("kind") or _NETS.get(about["net"]["net"], "images")


def reader(about: Mapping[str, Any]) -> Prepare:
    """From raw batches to what the encoder takes. Raises ValueError for a damaged description.

    Images become `size` pixels wide and are normalised, the columns of a table are scaled, and the
    features of a graph are the encoder's own already.
    """
    size = int(about["size"])
    mean, std = (tuple(map(float, about[key])) for key in ("mean", "std"))
    images = said_kind(about) == "images"
    if size < 1 or (images and size > _LARGEST):
        raise ValueError(f"size is {size}")
    lengths = (3,) if images else (0, size)
    if len(mean) not in lengths or len(std) != len(mean) or not all(s > 0 for s in std):
        raise ValueError("mean or std are none")
    if images:
        return partial(prepare, size=size, mean=mean, std=std)
    shift, scale = (torch.tensor(values, dtype=torch.float64)
                    for values in ((mean, std) if mean else (0.0, 1.0)))

    def ready(rows: Tensor) -> Tensor:
        if rows.shape[-1] != size:
            raise DataError(f"The encoder takes {size} features; these have {rows.shape[-1]}.",
                            "Nothing was embedded.", "Give data with the features it learned from.")
        return ((rows - shift.to(rows.device)) / scale.to(rows.device)).float()

    return ready


def raw(about: Mapping[str, Any], data: Any) -> Any:
    """What `judging.features` takes of a data set: images, rows in the encoder's order, a graph.

    Raises UsageError for another kind of data, DataError for a table that lacks a column or holds
    a category that the encoder never saw.
    """
    wanted, given = said_kind(about), kind_of(data)
    if wanted != given:
        names = {"images": "images", "table": "tables", "graph": "graphs"}
        raise UsageError(f"The encoder of {about['chapter']} takes {names[wanted]}; {data.name} "
                         f"holds {names[given]}.", "Nothing was embedded.",
                         "Give data of the kind that it learned from.")
    if given != "table":
        return data
    if "columns" not in about:
        raise UsageError(f"This encoder of {about['chapter']} does not know its columns: it was "
                         "saved by an older version.", "Nothing was embedded.",
                         f"Make a new one with: sslbook run {about['chapter']}")
    return _arranged(data, about["columns"])


def _arranged(table: TableSet, columns: Sequence[str]) -> Tensor:
    """Values (N, F) of a table in the order of `columns`; others are passed over, and said.

    A category ("column=value") that no row of this table has is 0 in all of them.
    """
    place = {name: i for i, name in enumerate(table.columns)}
    new = [name for name in table.columns if name not in set(columns)]
    categories = {name.partition("=")[0] for name in columns if "=" in name}
    for name in new:
        column, sign, value = name.partition("=")
        if not sign and column in categories:
            raise _unfit(table, columns, column, "numbers where the encoder knows categories")
        if sign and column in categories:
            raise _unfit(table, columns, column, f"{value!r}, which the encoder never saw")
        if sign and column in columns:
            raise _unfit(table, columns, column, f"{value!r} where the encoder takes numbers")
    here = {name.partition("=")[0] for name in place}
    missing = [name for name in columns if name not in place
               and not ("=" in name and name.partition("=")[0] in here)]
    if missing:
        names = list(dict.fromkeys(name.partition("=")[0] for name in missing))
        raise DataError(f"{table.name} lacks {_listed(names)}, which the encoder takes.",
                        "Nothing was embedded.",
                        "Add it; where the table has no label: csv:FILE?label=none")
    if extra := list(dict.fromkeys(name.partition("=")[0] for name in new)):
        print(f"{table.name}: {_listed(extra)} passed over: the encoder does not know it")
    none = table.values.new_zeros(len(table))
    return torch.stack([table.values[:, place[name]] if name in place else none
                        for name in columns], dim=1)


def _unfit(table: TableSet, columns: Sequence[str], column: str, holds: str) -> DataError:
    known = [name.partition("=")[2] for name in columns if name.startswith(f"{column}=")]
    todo = f"Known are {', '.join(known[:20])}." if known else "Mend the cells, or leave them out."
    return DataError(f"{table.name}: column {column} holds {holds}.", "Nothing was embedded.", todo)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"column{'s' * (len(names) > 1)} {', '.join(names[:5])}{more}"
