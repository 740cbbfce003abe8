"""Image packs: many encoded images in one .npz, decoded once into a memory-mapped array.

That array is `data/cache/<sha256 of the pack>-<size>.npy`.

Format (`data/README.md`): `data` uint8, all encoded images one after the other; `offsets` int64
(n + 1); and optionally `labels` (n,), `split` (n,: 0 train, 1 test or validation, 2 test),
`classes`, `notes` (of the folder it was made from), and further columns. Nothing in it is pickled.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import torch

from sslbook.core import files, paths
from sslbook.datasets import folders, lookup, pixels
from sslbook.datasets.collection import Collection
from sslbook.datasets.types import ImageSet, hold_out, mixed
from sslbook.errors import DataError

_OWN = frozenset({"data", "offsets", "labels", "split", "classes", "notes"})
_TODO = "Get it again, or write it anew: sslbook data pack FOLDER OUT.npz"


def load(path: Path, split: str, limit: int, size: int) -> ImageSet:
    """The images of one split, from the decoded cache, by memory map where the rows are in a row.

    For size 0 see `Collection.own_size`. Raises DataError: damaged, no pack, one class only, an
    undecodable image.
    """
    pack = read_pack(path)
    cache = place(path, size, deep=bool(pack.ranges))
    decoded = _mapped(cache, len(pack), size)
    if decoded is None:  # two processes may come here at once: each publishes a whole, equal file
        _write(cache, pack, size or pack.own_size())
        decoded = _mapped(cache, len(pack), size)

    def images(rows: np.ndarray) -> torch.Tensor:
        in_a_row = (np.diff(rows) == 1).all()
        return torch.from_numpy(decoded[rows[0] : rows[-1] + 1] if in_a_row else decoded[rows])

    return pack.load(split, limit, images)


def place(pack: Path, size: int, deep: bool = False) -> Path:
    """Where the decoded images of a pack lie; size 0 is the pack's own size.

    deep: some are read in a range of their own (earlier versions decoded them otherwise).
    """
    return paths.data() / "cache" / f"{files.sha256(pack)}-{size}{'-deep' * deep}.npy"


def read_pack(path: Path) -> Collection:
    """Read and check a pack.

    Raises DataError that says what is wrong: no zip file, a checksum that fails, pickled or missing
    columns, wrong types, offsets that do not increase or point past the end, labels without class.
    """
    columns = _columns(path)
    if not {"data", "offsets"} <= set(columns):
        raise _damaged(path, "it has no columns data and offsets")
    data, offsets = columns["data"], _whole(path, columns, "offsets")
    if data.dtype != np.uint8 or data.ndim != 1:
        raise _damaged(path, f"data are {data.dtype} {data.shape}, not a row of uint8")
    if len(offsets) == 0 or (np.diff(offsets) <= 0).any() or offsets[-1] > len(data):
        raise _damaged(path, f"offsets do not increase within the {len(data)} bytes of data")
    n = len(offsets) - 1
    labels = _whole(path, columns, "labels", n) if "labels" in columns else None
    parts = _parts(path, columns, n)
    return Collection(
        kind="pack", path=path, names=_names(columns, n), labels=labels,
        parts=parts, todo=_TODO, notes=_notes(columns, parts),
        encoded=[data[start:end] for start, end in zip(offsets[:-1], offsets[1:], strict=True)],
        classes=() if labels is None else _classes(path, columns, labels),
        columns={key: value for key, value in columns.items() if key not in _OWN},
    )


def write_pack(folder: Path | str, out: Path | str, size: int = 0) -> Path:
    """Pack the images of a folder (classes and splits as in `folders.scan`); returns `out`.

    size 0 keeps every file's bytes, its EXIF data too (photographs may name the place they were
    taken at); size > 0 stores the cropped (size, size) image without loss (PNG), and nothing else.
    Raises DataError for a folder that cannot be used or a broken image.
    """
    folder, out = paths.expanded(folder), paths.expanded(out)
    found = folders.scan(folder)
    order = _mixed_parts(found)
    images = zip(order, found.decode(order, size or 32), strict=True)
    encoded = [pixels.png(image) if size else found.encoded[i].read_bytes() for i, image in images]
    columns = {
        "data": np.frombuffer(b"".join(encoded), dtype=np.uint8),
        "offsets": np.cumsum([0, *map(len, encoded)], dtype=np.int64),
        "split": found.parts[order].astype(np.uint8),
        "source_path": np.array(found.names)[order],
    }
    if notes := found.notes + (found.measured() if size else ()):
        columns["notes"] = np.array(notes)
    if found.labels is not None:
        columns["labels"] = found.labels[order].astype(np.int64)
        columns["classes"] = np.array(found.classes)
    with files.publish(out) as temporary, open(temporary, "wb") as file:
        np.savez(file, **columns)
    return out


def _mixed_parts(found: Collection) -> np.ndarray:
    """Row numbers split by split, each in a mixed order: so every split is a memory map later."""
    splits = (np.flatnonzero(found.parts == part) for part in range(3))
    return np.concatenate([
        mixed(rows, None if found.labels is None else found.labels[rows]) for rows in splits])


def _mapped(cache: Path, n: int, size: int) -> np.ndarray | None:
    """The cached images as a memory map, None where they are not whole.

    Copy-on-write (mode "c"): torch takes it without a warning, and no change reaches the file.
    """
    try:
        images = np.load(cache, mmap_mode="c", allow_pickle=False)
        side = size or images.shape[-1]
        whole = images.dtype == np.uint8 and images.shape == (n, 3, side, side)
    except Exception:  # a damaged header can raise nearly anything; the cache is then made anew
        return None
    return images if whole else None


def _write(cache: Path, pack: Collection, size: int) -> None:
    with files.publish(cache) as temporary, open(temporary, "wb") as file:
        # Written as a stream, not through a map: a full disk is then an error, not a signal.
        shape = (len(pack), 3, size, size)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for image in pack.decode(range(len(pack)), size):
            file.write(image)


def _columns(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz. Each member is read to its end, so that its checksum is compared."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            if len(members) != _announced(path):
                raise ValueError("its directory does not list what its end announces")
            contents = {name: io.BytesIO(archive.read(name)) for name in members}
            found = {name.removesuffix(".npy"): np.load(content, allow_pickle=False)
                     for name, content in contents.items()}
        for column in found.values():
            if column.dtype.kind == "U":  # four bytes can be no character at all
                "".join(column.ravel().tolist()).encode()
        return found
    except Exception as error:  # zipfile, zlib and NumPy have no common base for damage
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise _damaged(path, reason) from error


def _announced(path: Path) -> int:
    """The number of members that the end record of a zip file states.

    zipfile does not compare it: one wrong length in the directory can swallow the entries behind
    it, and a pack would lose its labels without a word.
    """
    with open(path, "rb") as file:
        file.seek(-min(path.stat().st_size, 65_557), io.SEEK_END)  # the record, a longest comment
        tail = file.read()
    at = tail.rfind(b"PK\5\6")
    return int.from_bytes(tail[at + 10 : at + 12], "little")


def _whole(path: Path, columns: dict[str, np.ndarray], key: str, n: int = -1) -> np.ndarray:
    """A column of n (-1: any number of) whole numbers from 0, as int64 (n,)."""
    column = columns[key]
    fine = column.dtype.kind in "iu" and column.ndim == 1 and n in (-1, len(column))
    if not fine or (column.astype(np.int64) < 0).any():
        raise _damaged(path, f"{key} are not one whole number from 0 for each image")
    return column.astype(np.int64)


def _parts(path: Path, columns: dict[str, np.ndarray], n: int) -> np.ndarray:
    """Test is 2 where there is a 2, else 1, else a fixed fifth; int64 (n,) as in Collection."""
    if "split" not in columns:
        return hold_out(n)
    split = _whole(path, columns, "split", n)
    if (split > 2).any():
        raise _damaged(path, "split must be 0, 1 or 2")
    test = split.max(initial=0)
    return np.where(split == 0, 0, np.where(split == test, 1, 2)) if test else hold_out(n)


def _names(columns: dict[str, np.ndarray], n: int) -> list[str]:
    """What the images were called in their folder, where the pack says so."""
    names = columns.get("source_path", np.empty(0))
    fine = names.dtype.kind == "U" and names.shape == (n,)
    return names.tolist() if fine else [f"image {i}" for i in range(n)]


def _notes(columns: dict[str, np.ndarray], parts: np.ndarray) -> tuple[str, ...]:
    """What was said when the pack was written, and how many images are in no split."""
    written = columns.get("notes", np.array([""]))
    beside = int((parts == 2).sum())
    return (*(str(note) for note in written.ravel() if written.dtype.kind == "U" and note),
            *([f"left out: {beside:,} images to validate on"] if beside else []))


def _classes(path: Path, columns: dict[str, np.ndarray], labels: np.ndarray) -> tuple[str, ...]:
    """The names of the labels; without such a column their numbers."""
    most = int(labels.max(initial=0))
    names = columns.get("classes", np.arange(len(labels)).astype(str)[: most + 1])
    if names.ndim != 1 or names.dtype.kind != "U" or len(names) <= most:
        raise _damaged(path, f"label {most} has no name in classes")
    return tuple(names.tolist())


def _damaged(path: Path, why: str) -> DataError:
    return lookup.unusable(f"The pack {path.name} is damaged or no pack: {why}.", _TODO,
                           f"Nothing of it was used ({path}).")
