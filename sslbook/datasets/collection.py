"""The encoded images of a folder or a pack: checked in one place, and made an ImageSet."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslbook.datasets import lookup, pixels
from sslbook.datasets.types import ImageSet, channel_statistics, mixed, rows_of
from sslbook.errors import printable

LARGEST = 64  # pixels; images whose size nobody chose are at most this wide
_SAMPLE = 512  # training images that size, mean and std are measured on
_BLOCK = 512  # images worked on ahead of their use: bounds the memory, and the wait after an error


@dataclass(frozen=True, kw_only=True)
class Collection:
    """n encoded images, none of them decoded yet.

    path: the folder or pack. encoded: n files, or the contents of n files. names: of the images,
    for messages. labels: int64 (n,) or None. parts: int64 (n,): 0 training, 1 test, 2 neither
    (validation beside a test split). notes: what was passed over or guessed. todo: what to type
    when the collection cannot be used. columns: what else a pack holds.
    Raises DataError where there is not enough to train or to test on, or one class only.
    """

    kind: str
    path: Path
    encoded: Sequence[pixels.Encoded]
    names: Sequence[str]
    labels: np.ndarray | None
    classes: tuple[str, ...]
    parts: np.ndarray
    todo: str
    notes: tuple[str, ...] = ()
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        train, test = self._counts()
        done = "; ".join(("Nothing was loaded", *self.notes)) + "."
        if train < 2 or not test:
            raise lookup.unusable(f"The {self.kind} {self.path} holds {train} images to train on "
                                  f"and {test} to test on; at least 2 and 1 are needed.", self.todo,
                                  done)
        if self.labels is not None and len(found := np.unique(self.labels[self.parts == 0])) == 1:
            every = len(np.unique(self.labels)) == 1
            raise lookup.unusable(f"The {self.kind} {self.path} holds one class only"
                                  f"{'' if every else ' to train on'}: {self.classes[found[0]]} "
                                  f"({len(self) if every else train} images).",
                                  "Add images of another class, or use the images without classes.",
                                  done)

    def __len__(self) -> int:
        return len(self.encoded)

    def _counts(self) -> tuple[int, int]:
        """Images to train on, and to test on."""
        return int((self.parts == 0).sum()), int((self.parts == 1).sum())

    def each(self, function: Callable[[pixels.Encoded], Any], rows: Iterable[int]) -> Iterator[Any]:
        """function(image) of some rows, in order, computed by threads.

        Raises DataError that names an image on which it fails.
        """

        def one(i: int) -> Any:
            try:
                return function(self.encoded[i])
            except Exception as error:  # Pillow has no common base for damaged images
                reason = " ".join(str(error).split())[:120] or type(error).__name__
                what = f"{self.names[i]} in {self.path} cannot be decoded: {reason}"
                raise lookup.unusable(what, self.todo) from error

        rest = iter(rows)
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            while block := list(itertools.islice(rest, _BLOCK)):
                yield from pool.map(one, block)

    def decode(self, rows: Iterable[int], size: int) -> Iterator[np.ndarray]:
        """Images uint8 (3, size, size) of some rows, of their own sizes where size is 0."""
        return self.each(partial(pixels.decode, size=size, ranges=self.ranges), rows)

    @cached_property
    def _headers(self) -> list[pixels.Header]:
        """Of at most 512 training images: they decide for all of the collection."""
        return list(self.each(pixels.header, rows_of(self.parts, "train", _SAMPLE)))

    def own_size(self) -> int:
        """The side for images nobody chose a size for: the median shortest side, at most 64.

        The median is that of at most 512 training images.
        """
        return min(LARGEST, int(np.median([header.short for header in self._headers])))

    @cached_property
    def ranges(self) -> pixels.Ranges:
        """The ranges that the collection's deep images are read in, one for all of a kind.

        They are those of at most 512 training images; full 16 bits need none.
        """
        found = {}
        for kind in {header.deep for header in self._headers} - {""}:
            alike = [header for header in self._headers if header.deep == kind]
            span = pixels.span(kind, min(one.low for one in alike), max(one.high for one in alike))
            if span != pixels.FULL:
                found[kind] = span
        return found

    def measured(self) -> tuple[str, ...]:
        """Notes on the pixels: in which range deep images are read, and which keep their middle."""
        about = {"I": "whole numbers beyond 8 bits", "F": "floats"}
        notes = [f"images of {about[kind]}: {low:.6g} is black, {high - (kind == 'I'):.6g} white"
                 for kind, (low, high) in sorted(self.ranges.items())]
        rows = rows_of(self.parts, "train", _SAMPLE)
        long = [self.names[i] for i, one in zip(rows, self._headers, strict=True)
                if one.long > pixels.LONG * one.short]
        if long:
            notes.append(f"of images over {pixels.LONG} times as long as wide, such as {long[0]}, "
                         "only the middle is used")
        return tuple(notes)

    def _rare(self) -> Iterator[str]:
        """Notes on classes that a split has no image of."""
        for part, use in enumerate(("train", "test") if self.labels is not None else ()):
            missing = set(self.labels.tolist()) - set(self.labels[self.parts == part].tolist())
            if missing:
                names = ", ".join(self.classes[i] for i in sorted(missing)[:5])
                yield f"no images to {use} on of {len(missing)} of the classes: {names}"

    def load(self, split: str, limit: int, images: Callable[[np.ndarray], Tensor]) -> ImageSet:
        """The images of one split; `images` gives those of some rows, uint8 (m, 3, H, W).

        Mean and std come from at most 512 training images, whichever split is loaded.
        """
        mean, std = channel_statistics(images(rows_of(self.parts, "train", _SAMPLE)))
        rows = rows_of(self.parts, split, limit)
        # A pack without labels was mixed when it was written; "all" is not trained on, but named.
        if split != "all" and (self.labels is not None or self.kind == "folder"):
            rows = mixed(rows, None if self.labels is None else self.labels[rows])
        chosen = images(rows)
        train, test = self._counts()
        kinds = f"{len(self.classes)} classes" if self.classes else "no labels"
        name = printable(self.path.name)
        counts = f"{train:,} + {test:,} images {tuple(chosen.shape[1:])}, {kinds}"
        return ImageSet(
            name=f"{self.kind}:{name}", split=split, images=chosen,
            labels=None if self.labels is None else torch.from_numpy(self.labels[rows]),
            classes=self.classes, mean=mean, std=std, licence="not stated",
            source=f"{self.kind} {name}", ids=tuple(self.names[i] for i in rows),
            description=f"{counts}; licence not stated",
            notes=(*self.notes, *self.measured(), *self._rare()),
            parts=torch.from_numpy(self.parts[rows]),
            total=len(rows_of(self.parts, split)),
        )
