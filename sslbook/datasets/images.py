"""digits from scikit-learn; MNIST, Fashion-MNIST, CIFAR and STL-10 in torchvision's layouts.

Files are read where they lie and nothing is written beside them; only `get` writes, and only into
`data/` at home.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import socket
import tarfile
import tempfile
import zlib
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sslbook.core import files, paths
from sslbook.core.screen import bars_if_watched
from sslbook.datasets import lookup, pixels
from sslbook.datasets.known import DIGITS, IDX, KNOWN
from sslbook.datasets.types import ImageSet, channel_statistics, first, hold_out, rows_of
from sslbook.errors import DataError

_PATIENCE = 60  # seconds that a server may be silent
Arrays = tuple[np.ndarray, np.ndarray, tuple[str, ...]]  # images, labels (N,), class names


def load_digits(split: str, limit: int, size: int) -> ImageSet:
    """scikit-learn's digits (levels 0-16 scaled to 0-255); a fixed fifth is the test split."""
    from sklearn.datasets import load_digits as bundled

    table = bundled()
    grey = np.rint(table.images * (255 / 16)).astype(np.uint8)
    images = np.repeat(grey[:, None], 3, axis=1)
    parts = hold_out(len(images))
    mean, std = channel_statistics(torch.from_numpy(images[parts == 0]))
    rows = rows_of(parts, split, limit)
    return ImageSet(
        name="digits", split=split, images=pixels.resize(torch.from_numpy(images[rows]), size),
        labels=torch.from_numpy(table.target[rows].astype(np.int64)),
        parts=torch.from_numpy(parts[rows]),
        classes=tuple(map(str, table.target_names)), mean=mean, std=std,
        licence="CC BY 4.0", source="scikit-learn load_digits (UCI)", description=DIGITS,
    )


def load(name: str, split: str, limit: int, size: int) -> ImageSet:
    """A published set, from the first place that holds it, else downloaded into `data/`.

    Raises DataError: nowhere and no network, in another layout, incomplete or damaged.
    """
    known = KNOWN[name]
    root = find(name)
    if root is None:
        _refuse_other_layout(name)
        root = get(name)
    images, labels, classes = _read(name, root, split)
    chosen = first(len(images), limit)
    images = np.ascontiguousarray(images[chosen])
    return ImageSet(
        name=name, split=split, images=pixels.resize(torch.from_numpy(images), size),
        labels=torch.from_numpy(labels[chosen].astype(np.int64)), classes=classes,
        mean=known.mean, std=known.std, licence=known.licence,
        source=f"torchvision.datasets.{known.torchvision}", description=known.description,
    )


def find(name: str) -> Path | None:
    """The root below which a set lies in torchvision's layout, or None where it is nowhere."""
    return lookup.find(_roots(name), KNOWN[name].folder)


def get(name: str) -> Path:
    """Download a set into `data/` unless it lies somewhere, whole; returns its root.

    A damaged set at home is replaced. Raises DataError as `load` does.
    """
    root, home = find(name), paths.data() / name
    if root:
        try:
            for split in ("train", "test"):
                _read(name, root, split)
            return root
        except DataError:
            if root != home or lookup.offline():
                raise
    lookup.refuse_offline(name, _roots(name))
    _download(name, home)
    return home


def _torchvision(name: str) -> Any:
    import torchvision

    return getattr(torchvision.datasets, KNOWN[name].torchvision)


def _roots(name: str) -> list[Path]:
    """Each place, with the set in a folder of its own or directly below it."""
    return [root for place in lookup.places() for root in (place / name, place)]


def _refuse_other_layout(name: str) -> None:
    """Something else under the set's name is neither read as the set nor passed over."""
    for root in (place / name for place in lookup.places()):
        # What an interrupted download leaves is not another layout.
        inside = sorted(path for path in root.glob("*") if not path.name.endswith(".tar.gz"))
        if inside:
            raise lookup.unusable(
                f"The data set {name} lies in {root} in another layout: {inside[0].name} instead "
                f"of {KNOWN[name].folder}.",
                f"An image pack is loaded as pack:{inside[0]}. For the set itself type: "
                f"sslbook data get {name}", "Nothing was read and nothing downloaded.",
            )


def _damaged(name: str, path: Path) -> DataError:
    return lookup.unusable(
        f"The data set {name} is damaged: {path} is missing or fails its checksum.",
        f"Type: sslbook data get {name} (where it is not in data/ at home, delete it first).",
    )


def _read(name: str, root: Path, split: str) -> Arrays:
    """Images uint8 (N, 3, H, W) of a split, every file compared with its checksum."""
    return (_read_idx if KNOWN[name].sha256 else _read_batches)(name, root, split)


def _read_idx(name: str, root: Path, split: str) -> Arrays:
    """MNIST's kind, plain or straight from the .gz, which torchvision would extract."""
    contents = []
    for file in IDX[:2] if split == "train" else IDX[2:]:
        path = root / KNOWN[name].folder / file
        if not path.exists():
            path = path.with_name(f"{file}.gz")
        try:
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix else content
        except (OSError, EOFError, zlib.error) as error:
            raise _damaged(name, path) from error
        if hashlib.sha256(content).hexdigest() != KNOWN[name].sha256[IDX.index(file)]:
            raise _damaged(name, path)
        contents.append(content)
    # An idx file begins with 4 bytes, and 4 more for the size of each axis.
    grey = np.frombuffer(contents[0], np.uint8, offset=16).reshape(-1, 1, 28, 28)
    classes = tuple(label.split(" - ")[0] for label in _torchvision(name).classes)
    return grey.repeat(3, axis=1), np.frombuffer(contents[1], np.uint8, offset=8), classes


def _read_batches(name: str, root: Path, split: str) -> Arrays:
    """CIFAR and STL-10, through torchvision."""
    chosen = {"split": split} if name == "stl10" else {"train": split == "train"}
    try:
        # CIFAR's batches are pickles, the one format of the book that can run code when read.
        # torchvision compares every file with its published md5 before it unpickles the first.
        dataset = _torchvision(name)(root, download=False, **chosen)
    except RuntimeError as error:
        raise _damaged(name, root / KNOWN[name].folder) from error
    if name == "stl10":
        return dataset.data, dataset.labels, tuple(dataset.classes)
    return dataset.data.transpose(0, 3, 1, 2), np.array(dataset.targets), tuple(dataset.classes)


def _download(name: str, root: Path) -> None:
    """By torchvision, which checks the md5 of what it fetched; only a whole set comes to `root`."""
    folder, patience = KNOWN[name].folder, socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)  # torchvision would wait for ever
    try:
        with bars_if_watched(), files.explained(root):
            root.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{name}.") as temporary:
                _torchvision(name)(temporary, download=True)
                shutil.rmtree(root / folder, ignore_errors=True)
                (root / folder).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(temporary, folder), root / folder)
    except (OSError, EOFError, RuntimeError, HTTPException, tarfile.TarError) as error:
        raise lookup.not_fetched(name, error) from error
    finally:
        socket.setdefaulttimeout(patience)
