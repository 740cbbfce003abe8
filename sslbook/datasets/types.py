"""What a data set is once it is loaded: images or table rows in memory, labels, and where from."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from sslbook.errors import UsageError
from sslbook.streams import derive


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one split, all of one size.

    images: uint8 (N, 3, H, W), possibly backed by a memory map (changes never reach the file);
    grey images are repeated over the three channels. labels: int64 (N,), or None where there are
    none. mean, std: per channel on the 0-1 scale, of the training split, whichever split this is.
    factors: what each image was drawn from (`shapes` only), each tensor with N rows.
    """

    name: str
    split: str
    images: Tensor
    labels: Tensor | None
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    licence: str
    source: str
    description: str
    factors: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) of one image."""
        return tuple(self.images.shape[1:])

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of the arrays: images, labels and their shapes (on first use)."""
        return digest([self.images] if self.labels is None else [self.images, self.labels])

    def take(self, which: int | Tensor) -> ImageSet:
        """The first `which` images (an int; no copy), or those of an index or boolean tensor."""
        index = slice(0, which) if isinstance(which, int) else which
        labels = None if self.labels is None else self.labels[index]
        factors = {key: value[index] for key, value in self.factors.items()}
        return dataclasses.replace(self, images=self.images[index], labels=labels, factors=factors)


@dataclass(frozen=True, eq=False)
class TableSet:
    """Rows of a table, raw: values float32 (N, F), labels int64 (N,).

    columns: F names. mean, std: float32 (F,) of the training split, whichever split this is; the
    std of a constant column is 1.
    """

    name: str
    split: str
    values: Tensor
    labels: Tensor
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    mean: Tensor
    std: Tensor
    licence: str
    source: str
    description: str

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """(F,) of one row."""
        return tuple(self.values.shape[1:])

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of values, labels and their shapes (on first use)."""
        return digest([self.values, self.labels])

    def take(self, which: int | Tensor) -> TableSet:
        """The first `which` rows (an int), or those of an index or boolean tensor."""
        index = slice(0, which) if isinstance(which, int) else which
        return dataclasses.replace(self, values=self.values[index], labels=self.labels[index])

    def standardise(self) -> TableSet:
        """The same rows with zero mean and unit std per column, by the training split's statistics.

        Standardising twice changes nothing: the result's statistics are 0 and 1.
        """
        return dataclasses.replace(
            self,
            values=(self.values - self.mean) / self.std,
            mean=torch.zeros_like(self.mean),
            std=torch.ones_like(self.std),
        )


AnySet = TypeVar("AnySet", ImageSet, TableSet)


def digest(arrays: Iterable[Tensor]) -> str:
    """Hex SHA-256 of shapes, types and bytes of some tensors, in order, 64 MiB at a time."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{tuple(array.shape)} {array.dtype};".encode())
        rows = max(1, (1 << 26) // max(1, array[:1].numel() * array.element_size()))
        for block in array.split(rows):
            total.update(block.contiguous().numpy())
    return total.hexdigest()


def permutation(n: int, purpose: str = "limit") -> np.ndarray:
    """A fixed order of n items, int64 (n,), equal on every machine and for every seed.

    Sorted by the raw output of PCG64, which NumPy's compatibility promise covers (that of
    `Generator.permutation` is not covered).
    """
    keys = np.random.PCG64(derive(0, "datasets", purpose)).random_raw(n)
    return np.argsort(keys, kind="stable")


def first(n: int, limit: int) -> np.ndarray | slice:
    """Which of n items `limit` leaves: a prefix of a fixed order that knows nothing of classes.

    limit=100 is therefore contained in limit=200; 0, or n and more, keeps all in their own order.
    """
    return permutation(n)[:limit] if 0 < limit < n else slice(None)


def hold_out(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of training and test for a set that comes without a split: 80 and 20 %."""
    order = permutation(n, "test")
    cut = max(1, round(n / 5))
    return np.sort(order[cut:]), np.sort(order[:cut])


def split_off(dataset: AnySet, fraction: float, seed: int) -> tuple[AnySet, AnySet]:
    """Cut a random part off a (training) set, for tuning without touching the test split.

    fraction: the part held out, between 0 and 1. Returns (rest, held_out); the two are disjoint
    and together the whole; held_out.split is "validation".
    Raises UsageError when a part would be empty.
    """
    n = len(dataset)
    cut = round(n * fraction)
    if not 0 < cut < n:
        raise UsageError(
            f"Cannot hold out {fraction:g} of {n} samples: one part would be empty.",
            "Nothing was split.",
            "Give a fraction between 0 and 1.",
        )
    keys = np.random.PCG64(derive(seed, "datasets", "split_off")).random_raw(n)
    order = torch.from_numpy(np.argsort(keys, kind="stable"))
    held_out = dataset.take(order[:cut].sort().values)
    return (
        dataset.take(order[cut:].sort().values),
        dataclasses.replace(held_out, split="validation"),
    )


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std of each channel on the 0-1 scale; images: uint8 (N, C, H, W).

    Exact whatever N is: it counts the 256 levels instead of adding up floats.
    """
    channels = images.shape[1]
    counts = np.zeros((channels, 256), dtype=np.int64)
    for block in images.split(2048):
        for c in range(channels):
            counts[c] += np.bincount(block[:, c].reshape(-1).numpy(), minlength=256)
    levels = np.arange(256) / 255
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ levels
    std = np.sqrt((share * (levels - mean[:, None]) ** 2).sum(axis=1))
    # A channel that never changes would divide by zero later.
    return tuple(mean.tolist()), tuple(np.where(std > 0, std, 1.0).tolist())
