"""Image packs: many encoded images in one .npz, decoded once into a memory-mapped array.

Format (`data/README.md`): `data` uint8, all encoded images one after the other; `offsets` int64
(n + 1); and optionally `labels` (n,), `split` (n,: 0 train, 1 test or validation, 2 test),
`classes`, and further columns. Nothing in it is pickled.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sslbook import files
from sslbook.datasets import cache, folders, pixels
from sslbook.datasets.types import ImageSet, channel_statistics, first, hold_out, permutation
from sslbook.errors import DataError, UsageError

_STATISTICS = 5000  # training images that mean and std are measured on
_OWN = frozenset({"data", "offsets", "labels", "split", "classes"})


@dataclass(frozen=True)
class Pack:
    """A pack's checked content: n images; `columns` holds what is not of the format, as it is.

    data: uint8, or None where it was not read. offsets: int64 (n + 1,). labels: int64 (n,) or
    None. split: uint8 (n,).
    """

    path: Path
    data: np.ndarray | None
    offsets: np.ndarray
    labels: np.ndarray | None
    split: np.ndarray
    classes: tuple[str, ...]
    columns: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def encoded(self, i: int) -> bytes:
        """The bytes of image i."""
        return self.data[self.offsets[i] : self.offsets[i + 1]].tobytes()

    def rows(self, split: str) -> np.ndarray:
        """Row numbers of a split. Test is 2 where there is a 2, else 1, else a fixed fifth."""
        if split == "all":
            return np.arange(len(self))
        last = self.split.max()
        if last == 0:
            return hold_out(len(self))[split == "test"]
        return np.flatnonzero(self.split == (0 if split == "train" else last))


def read_pack(path: Path, data: bool = True) -> Pack:
    """Read and check a pack; data=False leaves the encoded images out.

    Raises DataError that says what is wrong: no zip file, a checksum that fails, pickled or missing
    columns, wrong types, offsets that do not increase or point past the end, labels without class.
    """
    columns = _columns(path, {"data"} if not data else set())
    encoded, offsets = columns.get("data"), columns.get("offsets")
    if offsets is None or (data and encoded is None):
        names = ", ".join(sorted(columns)[:6])
        raise _damaged(path, f"it has the columns {names}, but data and offsets are needed")
    if offsets.dtype.kind not in "iu" or offsets.ndim != 1 or len(offsets) < 2:
        raise _damaged(path, "offsets are not a list of at least two whole numbers")
    offsets = offsets.astype(np.int64)
    if offsets[0] < 0 or not (offsets[1:] > offsets[:-1]).all():
        raise _damaged(path, "offsets do not increase")
    if data:
        if encoded.dtype != np.uint8 or encoded.ndim != 1:
            raise _damaged(path, f"data are {encoded.dtype} {encoded.shape}, not a row of uint8")
        if offsets[-1] > len(encoded):
            raise _damaged(path, f"offsets reach {offsets[-1]}, but data end at {len(encoded)}")
    n = len(offsets) - 1
    labels = _whole(path, columns, "labels", n)
    split = _whole(path, columns, "split", n)
    split = np.zeros(n, dtype=np.int64) if split is None else split
    if split.max() > 2 or not (split == 0).any():
        raise _damaged(path, "split must be 0, 1 or 2, and 0 (training) must occur")
    classes = _classes(path, columns, labels)
    others = {key: value for key, value in columns.items() if key not in _OWN}
    return Pack(path, encoded, offsets, labels, split, classes, others)


def write_pack(folder: Path | str, out: Path | str, size: int = 0) -> Path:
    """Pack the images of a folder (classes and splits as in `folders.scan`); returns `out`.

    size 0 keeps every file's bytes, its EXIF data too (photographs may name the place they were
    taken at); size > 0 stores the cropped (size, size) image without loss (PNG), and nothing else.
    Raises DataError for a broken image, UsageError where `out` is no .npz.
    """
    folder, out = Path(folder).expanduser(), Path(out).expanduser()
    if out.suffix != ".npz":
        raise UsageError(f"{out.name} is no .npz file.", "Nothing was written.", "Name it OUT.npz")
    listing = folders.scan(folder)
    order = sorted(range(len(listing.paths)), key=lambda i: (listing.test[i], listing.paths[i]))
    names = [listing.paths[i] for i in order]
    encoded = []
    sources = (folder / name for name in names)
    for name, image in zip(names, pixels.decode_many(sources, size, threads=True), strict=True):
        if isinstance(image, Exception):
            raise folders.broken(folder, name, image) from image
        encoded.append(pixels.png(image) if size else (folder / name).read_bytes())
    columns = {
        "data": np.frombuffer(b"".join(encoded), dtype=np.uint8),
        "offsets": np.cumsum([0, *map(len, encoded)], dtype=np.int64),
        "split": listing.test[order].astype(np.uint8),
        "source_path": np.array(names),
    }
    if listing.labels is not None:
        columns["labels"] = listing.labels[order].astype(np.int64)
        columns["classes"] = np.array(listing.classes)
    with files.publish(out) as temporary, open(temporary, "wb") as file:
        np.savez(file, **columns)
    return out


def load(path: Path, split: str, limit: int, size: int) -> ImageSet:
    """The images of one split, from the decoded cache, by memory map where the rows are in a row.

    size 0 chooses by the rule of `pixels.choose_size`. Mean and std come from at most 5,000
    training images. Raises DataError: damaged, no pack, one class only, an undecodable image.
    """
    pack, images = _decoded(path, size)
    train = pack.rows("train")
    sample = np.sort(train[permutation(len(train))[:_STATISTICS]])
    mean, std = channel_statistics(torch.from_numpy(images[sample]))
    rows = pack.rows(split)
    rows = rows[first(len(rows), limit)]
    span = slice(rows[0], rows[-1] + 1) if (np.diff(rows) == 1).all() else rows
    kinds = f"{len(pack.classes)} classes" if pack.classes else "no labels"
    counts = f"{len(train):,} + {len(pack.rows('test')):,} images {images.shape[1:]}, {kinds}"
    stated = pack.columns.get("licence", np.array("not stated"))
    licence = str(stated) if stated.ndim == 0 and stated.dtype.kind == "U" else "not stated"
    return ImageSet(
        name=f"pack:{path.name}",
        split=split,
        images=torch.from_numpy(images[span]),
        labels=None if pack.labels is None else torch.from_numpy(pack.labels[rows]),
        classes=pack.classes,
        mean=mean,
        std=std,
        licence=licence,
        source=f"image pack {path.name}",
        description=f"{counts}; licence {licence}",
    )


def _decoded(path: Path, size: int) -> tuple[Pack, np.ndarray]:
    """The pack, and its decoded images uint8 (n, 3, H, W) mapped from the cache."""
    place = cache.place(files.sha256(path), size)
    if place.exists():
        # The name holds the pack's sha256: what was decoded once had been checked as a whole.
        pack = read_pack(path, data=False)
        images = cache.opened(place, len(pack), size)
        if images is not None:
            return pack, images
    pack = read_pack(path)
    encoded = [pack.encoded(i) for i in range(len(pack))]
    try:
        return pack, cache.build(place, encoded, size)
    except cache.Undecodable as error:
        name = pack.columns.get("source_path", [""] * len(pack))
        named = f" ({name[error.index]})" if len(name) == len(pack) and name[error.index] else ""
        raise _damaged(path, f"image {error.index}{named} cannot be decoded: {error}") from error


def _columns(path: Path, without: set[str]) -> dict[str, np.ndarray]:
    """The arrays of an .npz. Each member is read to its end, so that its checksum is compared."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist()}
            if len(members) != _announced(path):
                raise ValueError("its directory does not list what its end announces")
            return {
                key: np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
                for key, name in members.items()
                if key not in without
            }
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


def _whole(path: Path, columns: dict[str, np.ndarray], key: str, n: int) -> np.ndarray | None:
    """A column of n whole numbers from 0 as int64 (n,), None where there is no such column."""
    column = columns.get(key)
    if column is None:
        return None
    if column.dtype.kind not in "iu" or column.shape != (n,):
        raise _damaged(path, f"{key} are {column.dtype} {column.shape}, not {n} whole numbers")
    column = column.astype(np.int64)
    if column.min() < 0:
        raise _damaged(path, f"{key} hold {column.min()}, below 0")
    return column


def _classes(
    path: Path, columns: dict[str, np.ndarray], labels: np.ndarray | None
) -> tuple[str, ...]:
    if labels is None:
        return ()
    if len(np.unique(labels)) == 1:
        raise DataError(
            f"The pack {path.name} holds one class only.",
            "Nothing was read. A measure with labels needs two classes.",
            "Pack a folder without class folders to use its images unlabelled.",
        )
    if labels.max() >= max(len(labels), 100_000):
        raise _damaged(path, f"labels reach {labels.max()}")
    names = columns.get("classes")
    if names is None:
        return tuple(map(str, range(int(labels.max()) + 1)))
    if names.ndim != 1 or names.dtype.kind not in "US" or len(names) <= labels.max():
        raise _damaged(path, f"label {labels.max()} has no name in classes")
    return tuple(n.decode("utf-8", "replace") if isinstance(n, bytes) else str(n) for n in names)


def _damaged(path: Path, why: str) -> DataError:
    return DataError(
        f"The pack {path.name} is damaged or no pack: {why}.",
        f"Nothing of it was used ({path}).",
        "Get it again, or write it anew: sslbook data pack FOLDER OUT.npz",
    )
