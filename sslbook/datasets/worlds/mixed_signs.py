"""Mixed signs: a table whose classes no single column, and no sum of columns, shows.

Each class is a pattern over 24 columns; a row is the pattern of its class, as it is or with all its
signs turned, times a size of its own, plus noise. The mean of every class is therefore zero, and a
linear probe finds nothing in the rows; but the columns of a row say much about each other, and
whoever learns to fill hidden ones has learned the patterns. Twelve further columns say nothing.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from sslbook.datasets.known import WORLDS
from sslbook.datasets.types import TableSet, hold_out, rows_of
from sslbook.datasets.worlds import drawing

CLASSES = tuple(f"pattern {letter}" for letter in "ABCDEF")
COLUMNS = tuple(f"{kind}{i:02}" for kind, count in (("pattern", 24), ("noise", 12))
                for i in range(count))
ROWS = 6000

SIZE = (0.7, 1.3)
NOISE = 1.5  # standard deviation; the patterns' is 1
_WORLD = 3  # the seed of the patterns themselves


def mixed_signs(n: int = ROWS, seed: int = 0, split: str = "train", limit: int = 0) -> TableSet:
    """Draw n rows, of which a fixed fifth is the test split; `limit` keeps the first of a split.

    The rows of a smaller call are the first of a larger one, as split "all" has them; every 6 from
    the start hold each class once. values: float32 (N, 36); labels: int64 (N,). factors:
    pattern int64 (N,), the class; sign int64 (N,), 1 or -1; size float32 (N,).
    """
    draws = drawing.uniform(drawing.rounded_up(n, 6), 3, seed, "mixed_signs", "factors")
    pattern, draws = drawing.balanced(draws[:, 0], 6)[:n], draws[:n]
    sign = np.where(draws[:, 1] < 0.5, -1, 1)
    size = drawing.between(draws[:, 2], *SIZE)
    values = NOISE * _bell(drawing.words(n, len(COLUMNS), seed, "mixed_signs", "noise"))
    patterns = _bell(drawing.words(6, 24, _WORLD, "mixed_signs", "patterns"))
    values[:, :24] += (sign * size)[:, None] * patterns[pattern]
    values, parts = torch.from_numpy(values.astype(np.float32)), hold_out(n)
    known = values[torch.from_numpy(parts == 0)].double()
    factors = {"pattern": pattern, "sign": sign, "size": size}
    whole = TableSet(
        name="mixed_signs", split=split, values=values, labels=torch.from_numpy(pattern),
        classes=CLASSES, columns=COLUMNS, mean=known.mean(dim=0).float(),
        std=known.std(dim=0, correction=0).float(), parts=torch.from_numpy(parts),
        factors={key: torch.from_numpy(value) for key, value in factors.items()},
        licence=drawing.LICENCE, source="sslbook.datasets.worlds.mixed_signs",
        description=WORLDS["mixed_signs"][1],
    )
    found = whole.take(torch.from_numpy(rows_of(parts, split, limit)))
    return dataclasses.replace(found, total=len(rows_of(parts, split)))


def _bell(words: np.ndarray) -> np.ndarray:
    """Nearly normal numbers of mean 0 and standard deviation 1, float64, from words (n, k).

    The four quarters of a word, added up: exact, unlike logarithms, on every machine.
    """
    quarters = words.astype("<u8").view("<u2").reshape(*words.shape, 4).astype(np.int64)
    return (quarters.sum(axis=-1) - 2 * (2**16 - 1)) / (2**16 / 3**0.5)
