"""digits from scikit-learn; MNIST, Fashion-MNIST, CIFAR and STL-10 in torchvision's layouts.

Files are read where they lie and nothing is written beside them; only `get` writes, and only into
`data/` at home.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import tarfile
import zlib
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sslbook import files, paths
from sslbook.datasets import lookup, pixels
from sslbook.datasets.known import KNOWN
from sslbook.datasets.types import ImageSet, channel_statistics, first, hold_out
from sslbook.errors import DataError

DIGITS = "handwritten digits, 1,438 + 359 grey images (3, 8, 8), 10 classes; CC BY 4.0"


def load_digits(split: str, limit: int, size: int) -> ImageSet:
    """scikit-learn's digits (levels 0-16 scaled to 0-255); a fixed fifth is the test split."""
    from sklearn.datasets import load_digits as bundled

    table = bundled()
    grey = np.rint(table.images * (255 / 16)).astype(np.uint8)
    train, test = hold_out(len(grey))
    mean, std = channel_statistics(torch.from_numpy(grey[train])[:, None])
    rows = train if split == "train" else test
    rows = rows[first(len(rows), limit)]
    return ImageSet(
        name="digits",
        split=split,
        images=pixels.resize(_three(grey[rows]), size),
        labels=torch.from_numpy(table.target[rows].astype(np.int64)),
        classes=tuple(map(str, table.target_names)),
        mean=mean * 3,
        std=std * 3,
        licence="CC BY 4.0",
        source="scikit-learn load_digits (UCI, optical recognition of handwritten digits)",
        description=DIGITS,
    )


def load(name: str, split: str, limit: int, size: int, explicit: str = "") -> ImageSet:
    """A published set, from the first place that holds it, else downloaded into `data/`.

    explicit: a folder to look in instead of the usual places (and no download then).
    Raises DataError: nowhere and no network, in another layout, incomplete or damaged.
    """
    known = KNOWN[name]
    root = find(name, explicit)
    if root is None:
        _refuse_other_layout(name, explicit)
        root = get(name, explicit)
    read = _read_idx if known.sha256 else _read_checked
    data, labels, classes = read(name, root, split)
    chosen = first(len(data), limit)
    data = np.ascontiguousarray(data[chosen])
    return ImageSet(
        name=name,
        split=split,
        images=pixels.resize(_three(data) if data.ndim == 3 else torch.from_numpy(data), size),
        labels=torch.from_numpy(labels[chosen].astype(np.int64)),
        classes=classes,
        mean=known.mean,
        std=known.std,
        licence=known.licence,
        source=f"torchvision.datasets.{known.torchvision}",
        description=known.description,
    )


def find(name: str, explicit: str = "") -> Path | None:
    """The root below which a set lies in torchvision's layout, or None where it is nowhere."""
    folder = KNOWN[name].folder
    return next((root for root in _roots(name, explicit) if (root / folder).is_dir()), None)


def get(name: str, explicit: str = "") -> Path:
    """Download a set into `data/` unless it lies somewhere, whole; returns its root.

    Files at home that fail their checksums are deleted first. Raises DataError as `load` does.
    """
    root = find(name, explicit)
    home = paths.data() / name
    broken = problems(name, root) if root else []
    if root and not broken:
        return root
    if root and (root != home or lookup.offline()):
        raise _damaged(name, broken)
    if not root and (explicit or lookup.offline()):
        _refuse_other_layout(name, explicit)
        why = "" if explicit else "; download is off (SSLBOOK_OFFLINE is set)"
        raise lookup.missing(name, _roots(name, explicit), f"Type: {command(name)}", why)
    for path in broken:
        for twin in (path, path.with_suffix("")) if path.suffix == ".gz" else (path,):
            twin.unlink(missing_ok=True)
    _download(name, home)
    return home


def command(name: str) -> str:
    """What gets a set ahead of time."""
    return f"sslbook data get {name}"


def problems(name: str, root: Path) -> list[Path]:
    """Files of a set that are missing or fail their checksum."""
    known = KNOWN[name]
    if known.sha256:
        return [
            path
            for path in (_idx_path(name, root, file) for file in known.sha256)
            if _idx_content(path, known.sha256) is None
        ]
    from torchvision.datasets.utils import check_integrity

    cls = _torchvision(name)
    listed = [*cls.train_list, *cls.test_list]
    if hasattr(cls, "meta"):
        listed.append([cls.meta["filename"], cls.meta["md5"]])
    every = [(root / known.folder / file, md5) for file, md5 in listed]
    return [path for path, md5 in every if not check_integrity(path, md5)]


def _torchvision(name: str) -> Any:
    import torchvision

    return getattr(torchvision.datasets, KNOWN[name].torchvision)


def _three(grey: np.ndarray) -> torch.Tensor:
    """Grey (N, H, W) as (N, 3, H, W)."""
    return torch.from_numpy(np.repeat(grey[:, None], 3, axis=1))


def _roots(name: str, explicit: str) -> list[Path]:
    """Each place, with the set in a folder of its own or directly below it."""
    places = [Path(explicit).expanduser().resolve()] if explicit else lookup.places()
    return [root for place in places for root in (place / name, place)]


def _refuse_other_layout(name: str, explicit: str) -> None:
    """Something else under the set's name is neither read as the set nor passed over."""
    known = KNOWN[name]
    for root in _roots(name, explicit):
        if root.name != name or not root.is_dir():
            continue
        # What an interrupted download leaves is not another layout.
        own = {known.archive, Path(known.folder).parts[0]}
        found = sorted(path for path in root.iterdir() if path.name not in own)
        if found:
            packs = [path for path in found if path.suffix == ".npz"]
            use = f"For what lies there: pack:{packs[0]}. Or type" if packs else "Type"
            raise DataError(
                f"The data set {name} lies in {root} in another layout: "
                f"{', '.join(path.name for path in found[:4])} instead of {known.folder}.",
                "Nothing was read and nothing downloaded.",
                f"{use}: {command(name)}",
            )


def _damaged(name: str, broken: list[Path]) -> DataError:
    path = broken[0]
    state = "fails its checksum" if path.exists() else "is missing"
    more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    return DataError(
        f"The data set {name} is damaged: {path.name} in {path.parent} {state}{more}.",
        "Nothing was read from it.",
        f"Type: {command(name)} (after deleting the file, where it is not in data/ at home).",
    )


def _idx_path(name: str, root: Path, file: str) -> Path:
    """The .gz where there is one, else the uncompressed file, else the .gz that should be there."""
    folder = root / KNOWN[name].folder
    packed = folder / f"{file}.gz"
    return folder / file if (folder / file).exists() and not packed.exists() else packed


def _idx_content(path: Path, sha256: dict[str, str]) -> bytes | None:
    """The uncompressed bytes of an idx file, None where it is missing or not the published one."""
    try:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error):
        return None
    expected = sha256[path.name.removesuffix(".gz")]
    return content if hashlib.sha256(content).hexdigest() == expected else None


def _read_idx(name: str, root: Path, split: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Images (N, H, W) and labels (N,) straight from the .gz, which torchvision would extract."""
    arrays = []
    prefix = "train" if split == "train" else "t10k"
    for file in KNOWN[name].sha256:
        if file.startswith(prefix):
            path = _idx_path(name, root, file)
            content = _idx_content(path, KNOWN[name].sha256)
            if content is None:
                raise _damaged(name, [path])
            # idx: two zero bytes, the type (8: uint8), the number of axes, their big-endian sizes.
            shape = np.frombuffer(content, ">u4", count=content[3], offset=4).tolist()
            start = 4 + 4 * len(shape)
            arrays.append(np.frombuffer(content, np.uint8, math.prod(shape), start).reshape(shape))
    classes = tuple(label.split(" - ")[0] for label in _torchvision(name).classes)
    return arrays[0], arrays[1], classes


def _read_checked(
    name: str, root: Path, split: str
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """CIFAR and STL-10 through torchvision: images (N, 3, H, W), labels (N,)."""
    cls = _torchvision(name)
    chosen = {"split": split} if name == "stl10" else {"train": split == "train"}
    try:
        # CIFAR's batches are pickles, the one format of the book that can run code when read.
        # torchvision compares every file with its published md5 before it unpickles the first.
        dataset = cls(root, download=False, **chosen)
    except RuntimeError as error:
        raise _damaged(name, problems(name, root) or [root / KNOWN[name].folder]) from error
    data = np.asarray(dataset.data)
    data = data if name == "stl10" else data.transpose(0, 3, 1, 2)
    labels = dataset.labels if name == "stl10" else dataset.targets
    return data, np.asarray(labels), tuple(dataset.classes)


def _download(name: str, root: Path) -> None:
    """Into `root`, by torchvision, which checks the md5 of what it fetched."""
    try:
        with files.explained(root):
            root.mkdir(parents=True, exist_ok=True)
            _torchvision(name)(root, download=True)
    except (OSError, EOFError, RuntimeError, HTTPException, tarfile.TarError) as error:
        raise DataError(
            f"The data set {name} could not be downloaded: {' '.join(str(error).split())[:160]}",
            f"Looked at before: {', '.join(map(str, _roots(name, '')))}.",
            f"Try again later: {command(name)}",
        ) from error
