"""Data sets by name: images and tables, split and licence known, nothing substituted silently.

A set is looked for under the explicit path in its name, then in the folder `SSLBOOK_DATA`, then in
`data/` at home; published image sets are downloaded into `data/` when they are in none of these,
unless `SSLBOOK_OFFLINE` forbids it. Nothing is written into `SSLBOOK_DATA`.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from sslbook import paths
from sslbook.datasets import folders, images, lookup, packs, shapes, tables
from sslbook.datasets.known import KNOWN
from sslbook.datasets.types import ImageSet, TableSet, split_off
from sslbook.errors import DataError, UsageError

__all__ = ["ImageSet", "TableSet", "get", "load", "names", "split_off"]

_PATHS = {
    "folder": "your own images; a sub-folder per class, or none: folder:PATH[?skip_broken=1]",
    "pack": "many images in one file, written by `sslbook data pack`: pack:FILE.npz",
    "csv": "your own table: csv:FILE[?label=COLUMN&header=1&missing=skip]",
}
_PACK_TODO = "Check the path, or write a pack: sslbook data pack FOLDER OUT.npz"


def names() -> dict[str, str]:
    """Every name that `load` knows, with one line: what it is, counts, shape, licence."""
    return {
        "shapes": shapes.DESCRIPTION,
        "digits": images.DIGITS,
        **{name: known.description for name, known in KNOWN.items()},
        "folder:PATH": _PATHS["folder"],
        "pack:FILE.npz": _PATHS["pack"],
        **tables.BUNDLED,
        "csv:FILE": _PATHS["csv"],
    }


def load(
    name: str, split: str = "train", *, limit: int = 0, size: int = 0, seed: int = 0
) -> ImageSet | TableSet:
    """Load one split, "train" or "test", of a data set (of a folder or a pack also "all").

    name: see `names`; what follows the first colon is a path (`cifar10:PATH` looks there alone).
    limit: n > 0 keeps the first n of a fixed order that knows nothing of classes; n and more than
    there are keeps all. size: the images' side in pixels; 0 keeps it, and for images of mixed sizes
    takes 64 where every shortest side has 64, else 32. seed: `shapes` only.
    Returns an ImageSet or a TableSet. Raises UsageError (unknown name or value) and DataError
    (nowhere, damaged, in another layout, not usable).
    """
    kind, rest = _split_name(name)
    _check_arguments(kind, split, limit, size)
    if kind == "shapes":
        return shapes.load(split, limit, size, seed)
    if kind == "digits":
        return images.load_digits(split, limit, size)
    if kind in KNOWN:
        return images.load(kind, split, limit, size, rest)
    if kind in tables.BUNDLED:
        return tables.load_bundled(kind, split, limit)
    if kind == "csv":
        path, options = _csv(rest)
        return tables.load_csv(path, split, limit, options)
    if kind == "pack":
        return packs.load(_pack(rest), split, limit, size)
    text, options = lookup.options("folder", rest, {"skip_broken"})
    skip = options.get("skip_broken", "0")
    if skip not in ("0", "1"):
        raise UsageError(f"skip_broken={skip!r} is neither 0 nor 1.", "Nothing was read.")
    path = lookup.resolve("folder", text, "Check the path: folder:PATH")
    return folders.load(path, split, limit, size, skip == "1")


def get(name: str) -> Path:
    """Fetch a set ahead of its use; returns where it lies.

    A published set is downloaded into `data/` unless it lies somewhere whole; a path is looked up;
    a set that comes with the packages needs nothing (returns the data folder).
    Raises UsageError and DataError as `load` does.
    """
    kind, rest = _split_name(name)
    if kind in KNOWN:
        return images.get(kind, rest)
    if kind == "pack":
        return _pack(rest)
    if kind == "csv":
        return _csv(rest)[0]
    if kind == "folder":
        text, _ = lookup.options("folder", rest, {"skip_broken"})
        return lookup.resolve("folder", text, "Check the path: folder:PATH")
    return paths.data()


def _split_name(name: str) -> tuple[str, str]:
    """The kind and what follows the first colon."""
    kinds = [one.partition(":")[0] for one in names()]
    kind, colon, rest = str(name).partition(":")
    takes_path = kind in _PATHS or kind in KNOWN
    if not isinstance(name, str) or kind not in kinds or (colon and not takes_path):
        close = difflib.get_close_matches(kind.lower(), kinds, 3, 0.5)
        raise UsageError(
            f"There is no data set {name!r}.",
            f"Did you mean {' or '.join(close)}?" if close else "Nothing was loaded.",
            f"Known: {', '.join(names())}",
        )
    return kind, rest


def _check_arguments(kind: str, split: str, limit: int, size: int) -> None:
    splits = ("train", "test", *(("all",) if kind in ("folder", "pack") else ()))
    if split not in splits:
        known = ", ".join(splits)
        raise UsageError(
            f"{kind} has no split {split!r}.", "Nothing was loaded.", f"Known: {known}"
        )
    for key, value in (("limit", limit), ("size", size)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise UsageError(
                f"{key}={value!r} is no whole number from 0.", "Nothing was loaded.", f"{key}=0"
            )


def _pack(text: str) -> Path:
    """The file of a pack; a folder that holds exactly one .npz stands for it."""
    path = lookup.resolve("pack", text, _PACK_TODO)
    inside = sorted(path.glob("*.npz")) if path.is_dir() else [path]
    if len(inside) == 1:
        return inside[0]
    found = ", ".join(p.name for p in inside[:4]) or "none"
    raise DataError(
        f"{path} is a folder and holds {len(inside)} packs: {found}.",
        "Nothing was read.",
        "Name the file: pack:FILE.npz",
    )


def _csv(rest: str) -> tuple[Path, dict[str, str]]:
    text, options = lookup.options("csv", rest, tables.CSV_OPTIONS)
    return lookup.resolve("csv", text, "Check the path: csv:FILE"), options
