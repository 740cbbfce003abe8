"""What a data set is once it is loaded: images or table rows in memory, labels, and where from."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from sslbook.core.streams import derive
from sslbook.errors import UsageError


@dataclass(frozen=True, eq=False, kw_only=True)
class _Samples:
    """What image sets and tables share; `inputs` names the tensor that they do not.

    factors: what each sample was drawn from, where that is known, each tensor with N rows.
    ids: what each sample is called: its path in a folder, its line in a file; () without names.
    notes: one line each on what of the reader's data was passed over, changed or guessed.
    parts: int64 (N,), 0 training, 1 test, 2 neither; None where only whole splits are loaded.
    total: samples of the split before a limit cut it, 0 where that is not known.
    """

    name: str
    split: str
    labels: Tensor | None
    classes: tuple[str, ...]
    licence: str
    source: str
    description: str
    factors: dict[str, Tensor] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    parts: Tensor | None = None
    total: int = 0
    inputs: ClassVar[str]

    def __len__(self) -> int:
        return len(getattr(self, self.inputs))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample: (C, H, W) of an image, (F,) of a row."""
        return tuple(getattr(self, self.inputs).shape[1:])

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of the arrays and their shapes (on first use)."""
        digest = hashlib.sha256()
        for array in self._arrays():
            if array is not None:
                digest.update(f"{tuple(array.shape)} {array.dtype};".encode())
                digest.update(array.contiguous().numpy())
        return digest.hexdigest()

    def _arrays(self) -> tuple[Tensor | None, ...]:
        """What `sha256` is taken of."""
        return getattr(self, self.inputs), self.labels

    def take(self, which: int | Tensor) -> Self:
        """The first `which` samples (an int; no copy), or those of an index or boolean tensor."""
        index = slice(0, which) if isinstance(which, int) else which
        labels, parts = (None if one is None else one[index] for one in (self.labels, self.parts))
        factors = {key: value[index] for key, value in self.factors.items()}
        inputs = {self.inputs: getattr(self, self.inputs)[index]}
        ids = tuple(np.array(self.ids, dtype=object)[index]) if self.ids else ()
        return dataclasses.replace(self, labels=labels, parts=parts, factors=factors, ids=ids,
                                   **inputs)


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageSet(_Samples):
    """Images of one split, all of one size.

    images: uint8 (N, 3, H, W), possibly backed by a memory map (changes never reach the file);
    grey images are repeated over the three channels. labels: int64 (N,), or None where there are
    none. mean, std: per channel on the 0-1 scale, of the training split, whichever split this is.
    """

    inputs: ClassVar[str] = "images"
    images: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class TableSet(_Samples):
    """Rows of a table, raw: values (N, F), float64 of a CSV file, where float32 loses seconds.

    labels: int64 (N,) classes, float64 (N,) numbers to predict (`classes` is then empty), or None.
    columns: F names. mean, std: (F,) of the training split, whichever split this is; the std of a
    constant column is 1.
    """

    inputs: ClassVar[str] = "values"
    values: Tensor
    columns: tuple[str, ...]
    mean: Tensor
    std: Tensor

    def standardise(self) -> TableSet:
        """The same rows with zero mean and unit std per column, by the training split's statistics.

        float32. Standardising twice changes nothing: the result's statistics are 0 and 1.
        """
        values = ((self.values - self.mean) / self.std).float()
        return dataclasses.replace(self, values=values, mean=values.new_zeros(self.shape),
                                   std=values.new_ones(self.shape))

    def _arrays(self) -> tuple[Tensor | None, ...]:
        """In float32, as tables once were: their hashes in the book's records still hold."""
        return self.values.float(), self.labels


AnySet = TypeVar("AnySet", ImageSet, TableSet)


def permutation(n: int, purpose: str = "limit", seed: int = 0) -> np.ndarray:
    """A fixed order of n items, int64 (n,), equal on every machine.

    Sorted by the raw output of PCG64, which NumPy's compatibility promise covers (that of
    `Generator.permutation` is not covered).
    """
    keys = np.random.PCG64(derive(seed, "datasets", purpose)).random_raw(n)
    return np.argsort(keys, kind="stable")


def first(n: int, limit: int) -> np.ndarray | slice:
    """Which of n items `limit` leaves: a prefix of a fixed order that knows nothing of classes.

    limit=100 is therefore contained in limit=200; 0, or n and more, keeps all in their own order.
    """
    return permutation(n)[:limit] if 0 < limit < n else slice(None)


def hold_out(n: int) -> np.ndarray:
    """The parts of a set that comes without a split, int64 (n,): 1 (test) for a fixed fifth."""
    parts = np.zeros(n, dtype=np.int64)
    parts[permutation(n, "test")[: max(1, round(n / 5))]] = 1
    return parts


def rows_of(parts: np.ndarray, split: str, limit: int = 0) -> np.ndarray:
    """Row numbers of a split, int64 (m,), the `first` of them where there is a limit.

    parts: (n,): 0 training, 1 test, 2 in "all" alone.
    """
    rows = {"train": parts == 0, "test": parts == 1, "all": parts >= 0}[split].nonzero()[0]
    return rows[first(len(rows), limit)]


def mixed(rows: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """Rows in an order of which every beginning holds the classes in about their proportions.

    Strips, maps, online probes and held-out losses show the first samples of a split, while files
    are often ordered by class. rows: int64 (m,). labels: of these rows, (m,), or None: the order
    is then random. Returns int64 (m,), the same rows; what comes mixed stays as it is.
    """
    order = permutation(len(rows), "mixed")
    if labels is None:
        return rows[order]
    shares = np.unique(labels, return_counts=True)[1] / len(rows)
    changes = np.count_nonzero(np.diff(labels))  # by chance one minus the sum of squared shares
    if changes > (1 - (shares**2).sum()) * len(rows) / 2:
        return rows
    place, jitter = np.empty(len(rows)), permutation(len(rows), "jitter") / len(rows)
    for label in np.unique(labels):
        mine = order[labels[order] == label]
        place[mine] = (np.arange(len(mine)) + jitter[mine]) / len(mine)
    return rows[np.argsort(place, kind="stable")]


def split_off(dataset: AnySet, fraction: float, seed: int) -> tuple[AnySet, AnySet]:
    """Cut a random part off a (training) set, for tuning without touching the test split.

    fraction: the part held out, between 0 and 1. Returns (rest, held_out); the two are disjoint
    and together the whole; held_out.split is "validation".
    Raises UsageError when a part would be empty.
    """
    n = len(dataset)
    cut = round(n * fraction)
    if not 0 < cut < n:
        raise UsageError(f"Cannot hold out {fraction:g} of {n} samples: one part would be empty.",
                         "Nothing was split.", "Give a fraction between 0 and 1.")
    order = torch.from_numpy(permutation(n, "split_off", seed))
    held_out = dataset.take(order[:cut].sort().values)
    rest = dataset.take(order[cut:].sort().values)
    return rest, dataclasses.replace(held_out, split="validation")


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std of each channel on the 0-1 scale; images: uint8 (N, C, H, W).

    The std of a constant channel is 1.
    """
    values = images.float() / 255
    mean, std = values.mean(dim=(0, 2, 3)), values.std(dim=(0, 2, 3), correction=0)
    return tuple(mean.tolist()), tuple(torch.where(std > 0, std, 1.0).tolist())
