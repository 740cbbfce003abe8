"""Data sets by name: split and licence known, nothing substituted silently.

A set is looked for under the path in its name, in the folder `SSLBOOK_DATA`, then in `data/` at
home; published image sets are downloaded into `data/` when they are in none of these, unless
`SSLBOOK_OFFLINE` forbids it. Nothing is written into `SSLBOOK_DATA`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sslbook.core import paths
from sslbook.core.lazy import lazy
from sslbook.datasets import lookup
from sslbook.datasets.known import BUNDLED, DIGITS, GRAPHS, KNOWN, PLANETOID, WHOLE_SPLITS, WORLDS
from sslbook.errors import DataError, UsageError, printable

if TYPE_CHECKING:
    from sslbook.datasets.graphs import GraphSet as GraphSet
    from sslbook.datasets.types import ImageSet as ImageSet
    from sslbook.datasets.types import TableSet as TableSet
    from sslbook.datasets.types import split_off as split_off

# Loaded when first used, so that listing names imports no torch.
__getattr__, _types = lazy(__name__, {
    "graphs": ("GraphSet",), "types": ("ImageSet", "TableSet", "split_off")})
__all__ = [*_types, "get", "kind", "load", "names", "present"]

# What follows a colon, a path or (pyg) a name, may have options: their values, any where it is ().
_OPTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "folder": {"skip_broken": ("0", "1")},
    "pack": {},
    "csv": {"label": (), "target": ("classes", "number"), "drop": (), "header": ("0", "1"),
            "missing": ("skip",), "split": ()},
    "graph": {},
    "pyg": {},
}


def names() -> dict[str, str]:
    """Every name that `load` knows, with one line: what it is, counts, shape, licence."""
    return {
        **{name: line for name, (_, line) in WORLDS.items()},
        "digits": DIGITS,
        **{name: known.description for name, known in KNOWN.items()},
        "folder:PATH": "your own images; a sub-folder per class, or none: "
                       "folder:PATH[?skip_broken=1]",
        "pack:FILE.npz": "many images in one file, written by `sslbook data pack`: pack:FILE.npz",
        **BUNDLED,
        **GRAPHS,
        "csv:FILE": "your own table, labelled by its last column: "
                    "csv:FILE[?label=COLUMN|none&drop=A,B&missing=skip&split=time]",
        "graph:FILE.npz": "your own graph: the arrays edge_index and, where there are, x, y, masks",
        "graph:FOLDER": "your own graph: edges.csv, features.csv (.json, .npz), labels.csv",
        "pyg:NAME": "a set of torch_geometric, such as pyg:TUDataset/MUTAG or pyg:Amazon/Photo "
                    "(needs the extra graphs)",
    }


def kind(name: str) -> str:
    """What a set is made of, "image", "table" or "graph"; nothing is loaded or looked for.

    Raises UsageError for an unknown name.
    """
    form = _parse(name)[0]
    if form in WORLDS:
        return WORLDS[form][0]
    if form in GRAPHS or form in ("graph", "pyg"):
        return "graph"
    return "table" if form in BUNDLED or form == "csv" else "image"


def load(
    name: str, split: str = "train", *, limit: int = 0, size: int = 0, seed: int = 0
) -> ImageSet | TableSet | GraphSet:
    """Load one split of a data set: "train", "test", or "all" (of most, see `names`).

    name: see `names`; what follows the first colon is a path.
    limit: n > 0 keeps the first n of a fixed order that knows nothing of classes; n and more than
    there are keeps all. size: the images' side in pixels; 0 keeps it, and gives a folder or a pack
    the median of its shortest sides, at most 64. seed: of what the package draws.
    Returns an ImageSet, a TableSet or a GraphSet. Raises UsageError (unknown name or value) and
    DataError (nowhere, damaged, in another layout, not usable).
    """
    from sslbook.datasets import folders, graphs, images, own_graphs, packs, pyg, tables, worlds

    kind, text, options = _parse(name)
    splits = ("train", "test") if name in WHOLE_SPLITS else ("train", "test", "all")
    lookup.one_of(kind, "split", split, splits)
    for key, value in (("limit", limit), ("size", size)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise UsageError(f"{key}={value!r} is no whole number from 0.", "Nothing was loaded.",
                             f"{key}=0")
    if kind in WORLDS:
        return worlds.load(kind, split, limit, size, seed)
    if kind == "digits":
        return images.load_digits(split, limit, size)
    if kind in KNOWN:
        return images.load(kind, split, limit, size)
    if kind in BUNDLED:
        return tables.load_bundled(kind, split, limit)
    if kind in GRAPHS:
        return graphs.load(kind, split, limit)
    if kind == "pyg":
        return pyg.load(text, split, limit)
    path = _located(kind, text)
    if kind == "graph":
        return own_graphs.load(path, split, limit)
    if kind == "csv":
        return tables.load_csv(path, split, limit, options)
    if kind == "pack":
        return packs.load(path, split, limit, size)
    return folders.load(path, split, limit, size, options.get("skip_broken") == "1")


def present(name: str) -> bool:
    """True when `load` needs no download: a published set lies somewhere, a path exists.

    Nothing is opened, so a damaged set counts as present; what may not be looked into holds none.
    Raises UsageError for an unknown name.
    """
    from sslbook.datasets import images, planetoid, pyg

    try:
        kind, text, _ = _parse(name)
        if kind in KNOWN:
            return images.find(kind) is not None
        if kind in PLANETOID:
            return planetoid.find(kind) is not None
        if kind == "pyg":
            return pyg.find(text) is not None
        return kind not in _OPTIONS or lookup.find(lookup.candidates(text)) is not None
    except DataError:
        return False


def get(name: str) -> Path:
    """Fetch a set ahead of its use; returns where it lies.

    A published set is downloaded into `data/` unless it lies somewhere whole; a path is looked up;
    a set that comes with the packages needs nothing (returns the data folder).
    Raises UsageError and DataError as `load` does.
    """
    from sslbook.datasets import images, planetoid, pyg

    kind, text, _ = _parse(name)
    if kind in KNOWN:
        return images.get(kind)
    if kind in PLANETOID:
        return planetoid.get(kind)
    if kind == "pyg":
        return pyg.get(text)
    return _located(kind, text) if kind in _OPTIONS else paths.data()


def _parse(name: str) -> tuple[str, str, dict[str, str]]:
    """The kind, the path after the first colon, and the options after that."""
    kind, colon, text = str(name).partition(":")
    known = [*(f"{one}:" for one in _OPTIONS), *(one for one in names() if ":" not in one)]
    if kind + colon not in known:
        raise UsageError(f"There is no data set {name!r}.", "Nothing was loaded.",
                         f"Known: {', '.join(names())}")
    if not colon:
        return kind, "", {}
    if kind == "pyg" and text.lower().removeprefix("planetoid/") in PLANETOID:
        return text.lower().removeprefix("planetoid/"), "", {}  # pickles, compared by checksum
    text, options = lookup.options(kind, text, _OPTIONS[kind])
    if not text:
        raise UsageError(f"{kind}: names no path.", "Nothing was loaded.", f"Write {kind}:PATH")
    if text != printable(text):  # no notebook and no record can hold it
        raise UsageError(f"The path of {name} is no UTF-8.", "Nothing was loaded.",
                         f"Rename it, or link to it: ln -s FOLDER photos; then {kind}:photos")
    return kind, text, options


def _located(kind: str, text: str) -> Path:
    """The file or folder that a name such as "pack:FILE" means."""
    tried = lookup.candidates(text)
    path = lookup.find(tried)
    if path is None:
        raise lookup.missing(f"{kind}:{text}", tried, f"Check the path: {kind}:PATH")
    return path.resolve()
