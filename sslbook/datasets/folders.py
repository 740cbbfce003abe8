"""A folder of the reader's own images: sub-folders are classes, `train/` and `test/` are splits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sslbook.datasets import pixels
from sslbook.datasets.types import ImageSet, channel_statistics, first, permutation
from sslbook.errors import DataError

_TEST = ("test", "val", "valid", "validation")
_STATISTICS = 256  # training images that mean and std are measured on


@dataclass(frozen=True)
class Listing:
    """What lies in a folder: n images in the order of their paths.

    paths: below `root`, with "/" on every system. labels: int64 (n,) or None. test: bool (n,).
    """

    root: Path
    paths: tuple[str, ...]
    labels: np.ndarray | None
    classes: tuple[str, ...]
    test: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)


def load(path: Path, split: str, limit: int, size: int, skip_broken: bool) -> ImageSet:
    """The images of one split; size 0 chooses by the rule of `pixels.choose_size`.

    Mean and std come from at most 256 training images, whichever split is loaded.
    skip_broken: leave out images that cannot be decoded (the description names them) instead of
    raising DataError. Raises DataError: no images, one class only, a broken image.
    """
    listing = scan(path)
    skipped: list[str] = []
    size = size or _own_size(listing, skipped if skip_broken else None)
    train = np.flatnonzero(~listing.test)
    sample = train[permutation(len(train))[:_STATISTICS]]
    mean, std = channel_statistics(_decode(listing, sample, size, skip_broken)[0])
    parts = {"train": train, "test": np.flatnonzero(listing.test), "all": np.arange(len(listing))}
    rows = parts[split]
    rows = rows[first(len(rows), limit)]
    images, kept = _decode(listing, rows, size, skip_broken)
    skipped += [listing.paths[i] for i in np.setdiff1d(rows, kept)]
    labels = None if listing.labels is None else torch.from_numpy(listing.labels[kept])
    return ImageSet(
        name=f"folder:{path.name}",
        split=split,
        images=images,
        labels=labels,
        classes=listing.classes,
        mean=mean,
        std=std,
        licence="not stated",
        source=f"folder {path.name}",
        description=_describe(listing, tuple(images.shape[1:]), sorted(set(skipped))),
    )


def scan(root: Path) -> Listing:
    """List the images below `root`, with their classes and splits, without opening them.

    `train/` and `test/` (or `val/`, `valid/`, `validation/`) are the splits; without them a fixed
    fifth is the test split, chosen by a hash of each image's path, so that an added image
    moves no other. Where both `test/` and a validation folder lie there, the latter is left out.
    Hidden files and files that are no images are passed over.
    """
    if not root.is_dir():
        raise DataError(
            f"{root} is not a folder.",
            "Nothing was read.",
            "Give folder:PATH of a folder of images.",
        )
    parts = _splits(root)
    found = {test: _groups(folder) for test, folder in parts.items()}
    groups = sorted({group for by_class in found.values() for group in by_class})
    entries = sorted(
        (path.relative_to(root).as_posix(), group, test)
        for test, by_class in found.items()
        for group, images in by_class.items()
        for path in images
    )
    _check(root, groups, found, len(entries))
    names = tuple(name for name, _, _ in entries)
    if True in parts:
        test = np.array([is_test for _, _, is_test in entries])
    else:
        test = _hash_split(names, parts[False].relative_to(root).as_posix())
    labels = None if groups == [""] else np.array([groups.index(g) for _, g, _ in entries])
    classes = () if labels is None else tuple(groups)
    return Listing(root, names, labels, classes, test)


def _splits(root: Path) -> dict[bool, Path]:
    """Folders by "is it the test split"; only {False: ...} where there is no test folder."""
    names = {child.name.lower(): child for child in root.iterdir() if child.is_dir()}
    test = next((names[name] for name in _TEST if name in names), None)
    others = sorted(name for name in _groups(root) if name.lower() not in ("train", *_TEST))
    if "train" not in names or (others and not test):  # a class may well be called "train"
        return {False: root}
    if others:
        raise DataError(
            f"{root} holds other images ({others[0] or 'directly in it'}) beside train/ and test/.",
            "Nothing was read.",
            "Keep the splits only (train/, test/), or the classes only.",
        )
    return {False: names["train"]} | ({True: test} if test else {})


def _groups(folder: Path) -> dict[str, list[Path]]:
    """Images by class: those of each sub-folder (at any depth), and "" for those beside them."""
    groups: dict[str, list[Path]] = {}
    for path in folder.rglob("*"):
        inside = path.relative_to(folder).parts
        hidden = any(part.startswith((".", "__MACOSX")) for part in inside)
        if path.suffix.lower() in pixels.SUFFIXES and not hidden and path.is_file():
            groups.setdefault(inside[0] if len(inside) > 1 else "", []).append(path)
    return groups


def _check(root: Path, groups: list[str], found: dict, n: int) -> None:
    done = "Nothing was read."
    if n == 0 or not all(found.values()):
        where = root if n == 0 else f"a split of {root}"
        raise DataError(
            f"No images in {where}.",
            f"{done} Known endings: {', '.join(sorted(pixels.SUFFIXES))}.",
            "Put images into it, or into one sub-folder per class.",
        )
    if "" in groups and len(groups) > 1:
        beside = len(found[False].get("", [])) or len(found.get(True, {}).get("", []))
        raise DataError(
            f"{root} holds {beside} images beside class folders ({', '.join(groups[1:4])}).",
            done,
            "Move every image into a class folder, or all of them out to use them unlabelled.",
        )
    if len(groups) == 1 and groups != [""]:
        raise DataError(
            f"{root} holds one class only: {groups[0]}.",
            f"{done} A measure with labels needs two classes.",
            "Add a class, or put the images directly into the folder to use them unlabelled.",
        )
    if n == 1:
        raise DataError(
            f"{root} holds one image only.", done, "Add more: a split needs at least two."
        )


def _hash_split(names: tuple[str, ...], below: str) -> np.ndarray:
    """True for about a fifth of the paths (below the split's folder), and for at least one."""
    relative = [name if below == "." else name.removeprefix(f"{below}/") for name in names]
    keys = np.array([int(hashlib.sha256(r.encode()).hexdigest()[:12], 16) for r in relative])
    test = keys % 5 == 0
    if test.all() or not test.any():  # a handful of images
        test = keys == keys.min()
    return test


def _own_size(listing: Listing, skipped: list[str] | None) -> int:
    extents = []
    for name in listing.paths:
        try:
            extents.append(pixels.extent(listing.root / name))
        except Exception as error:  # Pillow has no common base for these
            if skipped is None:
                raise broken(listing.root, name, error) from error
            skipped.append(name)
    if not extents:
        raise _all_broken(listing)
    return pixels.choose_size(extents)


def _decode(
    listing: Listing, rows: np.ndarray, size: int, skip_broken: bool
) -> tuple[torch.Tensor, np.ndarray]:
    """Images uint8 (m, 3, size, size) of some rows, and the m <= len(rows) rows that decoded."""
    images = np.empty((len(rows), 3, size, size), dtype=np.uint8)
    kept: list[int] = []
    sources = (listing.root / listing.paths[i] for i in rows)
    for row, image in zip(rows, pixels.decode_many(sources, size, threads=True), strict=True):
        if not isinstance(image, Exception):
            images[len(kept)] = image
            kept.append(row)
        elif not skip_broken:
            raise broken(listing.root, listing.paths[row], image) from image
    if not kept:
        raise _all_broken(listing)
    return torch.from_numpy(images[: len(kept)]), np.array(kept)


def broken(root: Path, name: str, error: Exception) -> DataError:
    """The error for an image `name` below `root` that cannot be decoded."""
    return DataError(
        f"{name} in {root} cannot be decoded: {' '.join(str(error).split())[:120]}",
        "Nothing was left out and nothing loaded.",
        f"Replace it, or skip such images: folder:{root}?skip_broken=1",
    )


def _all_broken(listing: Listing) -> DataError:
    return DataError(
        f"No image in {listing.root} can be decoded.", "All were tried.", "Replace the images."
    )


def _describe(listing: Listing, shape: tuple[int, ...], skipped: list[str]) -> str:
    kinds = f"{len(listing.classes)} classes" if listing.classes else "no labels"
    test = int(listing.test.sum())
    text = f"{len(listing.test) - test} + {test} images {shape}, {kinds}; licence not stated"
    if skipped:
        more = ", ..." if len(skipped) > 5 else ""
        text += f"; {len(skipped)} broken images skipped: {', '.join(skipped[:5])}{more}"
    return text
