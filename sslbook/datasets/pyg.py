"""torch_geometric's sets by name: fetched and read by it once, kept as arrays in `data/pyg/`.

It compares no checksums and asks servers for no certificate, so nothing that it fetches may be a
pickle, which can run code: the sets below come as text or as plain NumPy arrays.
"""

from __future__ import annotations

import importlib
import inspect
import re
import shutil
import socket
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from sslbook.core import files
from sslbook.datasets import lookup, own_graphs
from sslbook.datasets.assembled import assemble
from sslbook.datasets.fetch import PATIENCE
from sslbook.datasets.graphs import GraphSet
from sslbook.errors import DataError, UsageError

FAMILIES = ("TUDataset", "CitationFull", "CoraFull", "Amazon", "Coauthor", "WebKB",
            "WikipediaNetwork", "Actor", "HeterophilousGraphDataset", "Airports", "KarateClub")
_ARRAYS = ("edge_index", "x", "y", "train_mask", "val_mask", "test_mask")


def load(text: str, split: str, limit: int) -> GraphSet:
    """A set such as "TUDataset/MUTAG". Raises DataError as `get` does."""
    return assemble(f"pyg:{text}", own_graphs.read_npz(get(text)), split, limit,
                    source=f"torch_geometric.datasets.{text}", licence="see its source")


def find(text: str) -> Path | None:
    """The file of arrays of a set, or None where it is nowhere. Raises UsageError: no such name."""
    return lookup.find(_places(text))


def get(text: str) -> Path:
    """The file of arrays of a set, which torch_geometric fetches where it is nowhere.

    A damaged one at home is made again. Raw files that lie in a place are taken from there.
    """
    found, home = find(text), _places(text)[-1]
    if found:
        try:
            own_graphs.read_npz(found)
            return found
        except DataError:
            if found != home or lookup.offline():
                raise
    family, _, name = text.partition("/")
    folder = family.lower().removesuffix("dataset")
    raw = lookup.find(place / folder / name / "raw" for place in lookup.places())
    if raw is None and family != "KarateClub":
        lookup.refuse_offline(f"pyg:{text}", _places(text))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        if raw:
            shutil.copytree(raw, Path(place, name, "raw"))
        arrays = _made(text, _module(), place)
    with files.publish(home) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)
    return home


def _places(text: str) -> list[Path]:
    family, _, name = text.partition("/")
    if family not in FAMILIES or not re.fullmatch(r"[\w.-]*", name):
        raise UsageError(f"There is no set pyg:{text}.", "Nothing was loaded.",
                         f"Known: pyg:NAME or pyg:NAME/SET with one of {', '.join(FAMILIES)}. Save "
                         "another as arrays (edge_index, x, y): graph:FILE.npz")
    file = f"{family}-{name}.npz" if name else f"{family}.npz"
    return [place / "pyg" / file for place in lookup.places()]


def _module() -> Any:
    try:
        return importlib.import_module("torch_geometric")
    except ImportError as error:
        raise lookup.unusable("The sets pyg:... are read by torch_geometric, which is not "
                              "installed.", 'Type: pip install "sslbook[graphs]"') from error


def _made(text: str, geometric: Any, place: str) -> dict[str, np.ndarray]:
    """The arrays of a set that is fetched and processed in the folder `place`."""
    family, _, name = text.partition("/")
    make = getattr(importlib.import_module("torch_geometric.datasets"), family)
    known = inspect.signature(make).parameters
    given = {key: value for key, value in (("root", place), ("name", name)) if key in known}
    if bool(name) != ("name" in known):
        raise UsageError(f"pyg:{text} names {'a' if name else 'no'} set of {family}.",
                         "Nothing was loaded.", f"Write pyg:{family}{'' if name else '/SET'}")
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)  # torch_geometric would wait for ever
    try:
        graphs = list(make(**given))
    except (OSError, ValueError, AssertionError, IndexError, zipfile.BadZipFile) as error:
        raise lookup.not_fetched(f"pyg:{text}", error) from error
    finally:
        socket.setdefaulttimeout(patience)
    data = geometric.data.Batch.from_data_list(graphs) if len(graphs) > 1 else graphs[0]
    arrays = {key: data[key].numpy() for key in _ARRAYS if data.get(key) is not None}
    return arrays | ({"graph": data.batch.numpy()} if len(graphs) > 1 else {})
