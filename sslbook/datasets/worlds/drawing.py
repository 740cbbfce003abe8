"""What the drawn worlds share: numbers from bits, smooth fields, a figure's own frame, and noise.

Everything comes from PCG64's raw output, which NumPy promises to keep, a fixed count of numbers per
sample: a smaller call returns the first samples of a larger one, on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from sslbook.core.streams import derive
from sslbook.datasets.known import WORLDS
from sslbook.datasets.types import ImageSet

LICENCE = "CC0 1.0 (drawn by sslbook)"
_BLOCK = 512  # images painted at once: bounds the memory at large sizes

Factors = dict[str, np.ndarray]
# From some factors and the images' side to pictures (n, 3, S, S) in grey levels of 255, and the
# share of each pixel that the figure covers, (n, 1, S, S) from 0 to 1; both float32.
Paint = Callable[[Factors, int], tuple[np.ndarray, np.ndarray]]


def words(rows: int, columns: int, *stream: Any) -> np.ndarray:
    """Random words, uint64 (rows, columns). stream: the seed, and the parts that name it."""
    return np.random.PCG64(derive(*stream)).random_raw(rows * columns).reshape(rows, columns)


def uniform(rows: int, columns: int, *stream: Any) -> np.ndarray:
    """Numbers from 0 to 1, float64 (rows, columns)."""
    return (words(rows, columns, *stream) >> np.uint64(11)) * 2.0**-53


def rounded_up(n: int, classes: int) -> int:
    """The rows that `balanced` needs for n of them."""
    return -(-n // classes) * classes


def balanced(draws: np.ndarray, classes: int) -> np.ndarray:
    """Labels, int64: every `classes` samples from the start hold each class once.

    draws: (m,), m a multiple of `classes`; the order of so many numbers is that of the classes.
    """
    return np.argsort(draws.reshape(-1, classes), axis=1).reshape(-1).astype(np.int64)


def between(draws: np.ndarray, low: float, high: float) -> np.ndarray:
    """Numbers from 0 to 1 as numbers from low to high, float32."""
    return (low + (high - low) * draws).astype(np.float32)


def either_way(draws: np.ndarray, most: float) -> np.ndarray:
    """Numbers from 0 to 1 as numbers from -most to most, float32."""
    return between(draws, -most, most)


def stretched(cells: np.ndarray, size: int) -> np.ndarray:
    """Smooth fields (..., m, m) -> (..., size, size), corner on corner, float32.

    Cubic interpolation as torch's "bicubic" (Keys 1981, a = -3/4), summed in a fixed order.
    """
    m = cells.shape[-1]
    away = np.abs(np.linspace(0, m - 1, size)[:, None] - np.arange(-1, m + 1))
    near = (1.25 * away - 2.25) * away**2 + 1
    far = -0.75 * (((away - 5) * away + 8) * away - 4)
    weight = np.where(away < 1, near, np.where(away < 2, far, 0.0))
    weight[:, 1] += weight[:, 0]  # beyond an edge, the cells at the edge come again
    weight[:, -2] += weight[:, -1]
    weight = weight[:, 1:-1].astype(np.float32)
    cells = cells.astype(np.float32)
    rows = sum(weight[:, k, None] * cells[..., k, None, :] for k in range(m))
    return sum(rows[..., k, None] * weight[:, k] for k in range(m))


def frame(factors: Factors, scale: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Every pixel in the figure's own frame: rightwards and downwards, float32 (n, size, size).

    factors: x, y, the figure's place in half-widths of the image; angle, clockwise, in degrees.
    scale: (n,), the half-widths that are 1 in its own frame.
    """
    middle = ((2 * np.arange(size) + 1) / size - 1).astype(np.float32)  # pixel centres
    u = middle[None, None, :] - factors["x"][:, None, None]
    v = middle[None, :, None] - factors["y"][:, None, None]
    angle, share = np.deg2rad(factors["angle"].astype(np.float64)), 1 / scale
    cos, sin = (one.astype(np.float32)[:, None, None]
                for one in (np.cos(angle) * share, np.sin(angle) * share))
    return cos * u + sin * v, cos * v - sin * u


def looked_up(tables: np.ndarray, which: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Values between the entries of tables (k, R, R), bilinear: float32, of the shape of x.

    which: (n,), the table of each image. x, y: (n, size, size), from -1 to 1 over a table; what
    lies outside has the value at the edge.
    """
    side = tables.shape[-1]
    x, y = (np.clip((one + 1) * np.float32((side - 1) / 2), 0, side - 1) for one in (x, y))
    left, top = (np.minimum(one.astype(np.int64), side - 2) for one in (x, y))
    x, y = x - left.astype(np.float32), y - top.astype(np.float32)
    first = (which[:, None, None] * side + top) * side + left
    values = tables.astype(np.float32).reshape(-1)
    a, b, c, d = (values[first + step] for step in (0, 1, side, side + 1))
    upper, lower = a + x * (b - a), c + x * (d - c)
    return upper + y * (lower - upper)


def noise(generator: np.random.PCG64, n: int, size: int, std: float) -> np.ndarray:
    """Noise of a standard deviation in grey levels, float32 (n, 3, size, size).

    The two halves of a random byte, added up: a triangle from -15 to 15, of variance 42.5.
    """
    count = -(-3 * size * size // 8)
    raw = generator.random_raw(n * count).astype("<u8").view(np.uint8).reshape(n, count * 8)
    raw = raw[:, : 3 * size * size].reshape(n, 3, size, size)
    table = np.array([(b >> 4) + (b & 15) - 15 for b in range(256)]) * (std / 42.5**0.5)
    return table.astype(np.float32)[raw]


def image_set(
    name: str, seed: int, split: str, size: int, factors: Factors, label: str, paint: Paint,
    grain: float, **about: Any,
) -> ImageSet:
    """The set of what some factors show, painted block by block, with a factor `cover` added.

    label: the factor that is the class. grain: the noise's standard deviation, in grey levels.
    cover: uint8 (N, 1, size, size), the share of each pixel that the figure covers, of 255.
    """
    n, generator = len(factors[label]), np.random.PCG64(derive(seed, name, split, "noise"))
    images, covers = (np.empty((n, c, size, size), dtype=np.uint8) for c in (3, 1))
    for start in range(0, n, _BLOCK):
        block = slice(start, start + _BLOCK)
        picture, cover = paint({key: value[block] for key, value in factors.items()}, size)
        images[block] = _levels(picture + noise(generator, len(picture), size, grain))
        covers[block] = _levels(255 * cover)
    tensors = {key: torch.from_numpy(value) for key, value in (factors | {"cover": covers}).items()}
    about = {"licence": LICENCE, "source": f"sslbook.datasets.worlds.{name}"} | about
    return ImageSet(name=name, split=split, images=torch.from_numpy(images), factors=tensors,
                    labels=tensors[label], description=WORLDS[name][1], **about)


def _levels(values: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)
