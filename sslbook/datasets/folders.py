"""A folder of the reader's own images: sub-folders are classes, `train/` and `test/` are splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sslbook.datasets import lookup, pixels
from sslbook.datasets.collection import Collection
from sslbook.datasets.types import ImageSet, hold_out

_TEST = ("test", "val", "valid", "validation")


def load(path: Path, split: str, limit: int, size: int, skip_broken: bool) -> ImageSet:
    """The images of one split; for size 0 see `Collection.own_size`.

    skip_broken: leave out images that cannot be decoded (the description names them) instead of
    raising DataError. Raises DataError: no images, one class only, a broken image.
    """
    found = scan(path, skip_broken)
    side = size or found.own_size()

    def images(rows: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.stack(list(found.decode(rows, side))))

    return found.load(split, limit, images)


def scan(root: Path, skip_broken: bool = False) -> Collection:
    """List the images below `root`, with their classes and splits.

    `train/` and `test/` (or `val/`, `valid/`, `validation/`) are the splits where both hold
    images, and what lies beside them is left out; without them a fixed fifth is the test split.
    Images are opened for skip_broken alone. Hidden files and files of other kinds are passed over.
    """
    if not root.is_dir():
        raise lookup.unusable(f"{root} is not a folder.", "Give folder:PATH of a folder of images.")
    every = _images(root)
    found = [path for path in every if not skip_broken or _decodes(root / path)]
    found, parts, depth = _splits(found)
    groups = [path.parts[depth] if len(path.parts) > depth + 1 else "" for path in found]
    classes = sorted(set(groups))
    if "" in classes and len(classes) > 1:
        raise lookup.unusable(
            f"{root} holds {groups.count('')} images beside class folders such as {classes[1]}.",
            "Move every image into a class folder, or all of them out to use them unlabelled.",
        )
    labelled = any(classes)
    left_out = sorted({path.as_posix() for path in every} - {path.as_posix() for path in found})
    note = f"; {len(left_out)} images left out, first {', '.join(left_out[:5])}"
    return Collection(
        kind="folder", path=root, encoded=[root / path for path in found],
        names=[path.as_posix() for path in found], parts=parts,
        labels=np.array([classes.index(group) for group in groups]) if labelled else None,
        classes=tuple(classes) if labelled else (), note=note if left_out else "",
        todo=f"Mend or add images, or leave broken ones out: folder:{root}?skip_broken=1",
    )


def _images(root: Path) -> list[Path]:
    """The images below `root`, relative to it, in the order of their paths."""
    below = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    found = [
        path for path in below
        if path.suffix.lower() in pixels.SUFFIXES
        and not any(part.startswith((".", "__MACOSX")) for part in path.parts)
    ]
    return sorted(found, key=Path.as_posix)


def _decodes(path: Path) -> bool:
    try:
        pixels.decode(path)
    except Exception:  # Pillow has no common base for damaged images
        return False
    return True


def _splits(found: list[Path]) -> tuple[list[Path], np.ndarray, int]:
    """The images of the splits, the part of each (n,), and how deep in them classes begin."""
    top = [path.parts[0].lower() if len(path.parts) > 1 else "" for path in found]
    test = next((name for name in _TEST if name in top), "")
    if "train" not in top or not test:
        return found, hold_out(len(found)), 0
    chosen = [path for path, name in zip(found, top, strict=True) if name in ("train", test)]
    return chosen, np.array([int(name == test) for name in top if name in ("train", test)]), 1
