"""Coloured shapes drawn from their formulas: the image set that every machine has.

Eight plain shapes differ in nothing but their outline: colours, place, size and turn are random,
so raw pixels and a random network say little about the class, and what a method learns is visible.
"""

from __future__ import annotations

import numpy as np
import torch

from sslbook.core.streams import derive
from sslbook.datasets.known import SHAPES
from sslbook.datasets.types import ImageSet

CLASSES = ("disc", "square", "triangle", "ring", "plus", "star", "half-disc", "two bars")
COUNTS = {"train": 6000, "test": 2000}
LICENCE = "CC0 1.0 (drawn by sslbook)"
# Of 24,000 images at 32 pixels, seeds 0-3; a test compares.
MEAN = (0.5004, 0.4998, 0.5010)
STD = (0.2868, 0.2898, 0.2880)

RADIUS = (0.5, 0.75)  # of the image's half-width; every shape lies inside a disc of this radius
TURN = 26.0  # degrees, either way
NOISE = 4.0  # standard deviation, in grey levels of 255
CONTRAST = 0.5  # least distance of the two colours in the RGB cube, whose edge is 1
LUMA = 0.15  # least difference of their brightness, so that a grey copy still shows the shape
_CANDIDATES = 8  # foreground colours drawn per image; the first with enough contrast is taken
_LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114])
_BLOCK = 512  # images painted at once: bounds the memory at large sizes


def shapes(n: int, seed: int = 0, size: int = 32, split: str = "train") -> ImageSet:
    """Draw n shapes; `seed` and `split` choose the stream: train and test share no draw.

    A smaller call returns the first images of a larger one; every 8 images from the start hold
    each class once. images: uint8 (n, 3, size, size); labels: int64 (n,). factors: shape int64;
    x, y (centre, rightwards and downwards from the middle) and radius in half-widths, angle in
    degrees, clockwise, float32 (n,); fg, bg (the two colours, 0-1) float32 (n, 3).
    """
    factors = _factors(seed, split, n)
    noise = np.random.PCG64(derive(seed, "shapes", split, "noise"))
    images = np.empty((n, 3, size, size), dtype=np.uint8)
    for start in range(0, n, _BLOCK):
        block = {key: value[start : start + _BLOCK] for key, value in factors.items()}
        images[start : start + _BLOCK] = _paint(block, size, noise)
    tensors = {key: torch.from_numpy(value) for key, value in factors.items()}
    return ImageSet(
        name="shapes", split=split, images=torch.from_numpy(images), labels=tensors["shape"],
        classes=CLASSES, mean=MEAN, std=STD, licence=LICENCE, source="sslbook.datasets.shapes",
        description=SHAPES, factors=tensors,
    )


def load(split: str, limit: int, size: int, seed: int) -> ImageSet:
    """The first `limit` (0: all) of a split's 6,000 or 2,000 shapes; no others are drawn."""
    n = min(limit or COUNTS[split], COUNTS[split])
    return shapes(n, seed, size or 32, split)


def _factors(seed: int, split: str, n: int) -> dict[str, np.ndarray]:
    """What each image shows; names, shapes and units as in `shapes`.

    From PCG64's raw output, which NumPy promises to keep, a fixed count of numbers per image.
    """
    rows = -(-n // 8) * 8
    columns = 8 + 3 * _CANDIDATES
    raw = np.random.PCG64(derive(seed, "shapes", split, "factors")).random_raw(rows * columns)
    draws = ((raw >> np.uint64(11)) * 2.0**-53).reshape(rows, columns)
    # Eight images at a time: the order of eight random numbers is a random order of the classes.
    shape = np.argsort(draws[:, 0].reshape(-1, 8), axis=1).reshape(-1)[:n].astype(np.int64)
    draws = draws[:n]
    radius = RADIUS[0] + (RADIUS[1] - RADIUS[0]) * draws[:, 1]
    room = 1 - radius  # the outline stays inside the image
    factors = {
        "x": (2 * draws[:, 2] - 1) * room,
        "y": (2 * draws[:, 3] - 1) * room,
        "radius": radius,
        "angle": (2 * draws[:, 4] - 1) * TURN,
        "fg": _contrasting(draws[:, 5:8], draws[:, 8:].reshape(n, _CANDIDATES, 3)),
        "bg": draws[:, 5:8],
    }
    return {"shape": shape} | {key: value.astype(np.float32) for key, value in factors.items()}


def _contrasting(colour: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Of each row's candidates (n, k, 3) the first far enough from `colour` (n, 3).

    Where all miss, in fewer than one image of a hundred, black or white, whichever is farther.
    """
    extreme = np.where(colour @ _LUMA_WEIGHTS < 0.5, 1.0, 0.0)[:, None, None].repeat(3, axis=2)
    candidates = np.concatenate([candidates, extreme], axis=1)
    gap = candidates - colour[:, None]
    far = (gap**2).sum(axis=2) >= CONTRAST**2
    far &= np.abs(gap @ _LUMA_WEIGHTS) >= LUMA
    return candidates[np.arange(len(colour)), far.argmax(axis=1)]


def _paint(factors: dict[str, np.ndarray], size: int, noise: np.random.PCG64) -> np.ndarray:
    """The images of some factors, uint8 (n, 3, size, size).

    A pixel is covered in proportion to its signed distance from the outline, from half a pixel
    outside to half a pixel inside: smooth edges without drawing at a higher resolution.
    """
    n = len(factors["shape"])
    middle = ((2 * np.arange(size) + 1) / size - 1).astype(np.float32)  # pixel centres, half-widths
    u = middle[None, None, :] - factors["x"][:, None, None]
    v = middle[None, :, None] - factors["y"][:, None, None]
    angle = np.deg2rad(factors["angle"].astype(np.float64))
    scale = 1 / factors["radius"]
    cos = (np.cos(angle) * scale).astype(np.float32)[:, None, None]
    sin = (np.sin(angle) * scale).astype(np.float32)[:, None, None]
    x, y = cos * u + sin * v, sin * u - cos * v  # the shape's own frame, y upwards
    distance = np.empty((n, size, size), dtype=np.float32)
    for k, outline in enumerate(_OUTLINES):
        rows = factors["shape"] == k
        distance[rows] = outline(x[rows], y[rows])
    pixels = distance * (factors["radius"] * np.float32(size / 2))[:, None, None]
    cover = np.clip(0.5 - pixels, 0, 1)[:, None]
    fg, bg = (255 * factors[key][:, :, None, None] for key in ("fg", "bg"))
    picture = bg + cover * (fg - bg) + _noise(noise, n, size)
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8)


def _noise(generator: np.random.PCG64, n: int, size: int) -> np.ndarray:
    """Noise of standard deviation NOISE, float32 (n, 3, size, size).

    The two halves of a random byte, added up: a triangle from -15 to 15, of variance 42.5.
    """
    words = -(-3 * size * size // 8)
    raw = generator.random_raw(n * words).astype("<u8").view(np.uint8).reshape(n, words * 8)
    raw = raw[:, : 3 * size * size].reshape(n, 3, size, size)
    table = np.array([(b >> 4) + (b & 15) - 15 for b in range(256)]) * (NOISE / 42.5**0.5)
    return table.astype(np.float32)[raw]


# The outlines, as signed distances in the frame where the shape's radius is 1 (negative inside).


def _box(x: np.ndarray, y: np.ndarray, width: float, height: float) -> np.ndarray:
    """A box of these half-sizes; exact along the edges, sharp at the corners."""
    return np.maximum(np.abs(x) - width, np.abs(y) - height)


def _edges(x: np.ndarray, y: np.ndarray, k: int, inner: float) -> np.ndarray:
    """Distances from the k lines around the middle at distance `inner`, (k, ...).

    The first line lies below the middle, so a regular polygon stands on one side.
    """
    angles = 2 * np.pi * np.arange(k) / k - np.pi / 2
    return np.stack([np.float32(np.cos(a)) * x + np.float32(np.sin(a)) * y for a in angles]) - inner


def _polygon(x: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
    """A regular polygon: inside all of its k edges."""
    return _edges(x, y, k, np.float32(np.cos(np.pi / k))).max(axis=0)


def _star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A five-pointed star: inside at least four of five lines, so the second largest decides."""
    return np.partition(_edges(x, y, 5, np.float32(np.cos(0.4 * np.pi))), 3, axis=0)[3]


def _ring(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.abs(np.sqrt(x * x + y * y) - np.float32(0.75)) - np.float32(0.25)


def _half_disc(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    lifted = y + np.float32(0.4)  # so that its middle, not its flat side, is in the middle
    return np.maximum(np.sqrt(x * x + lifted * lifted) - np.float32(0.91), -lifted)


_OUTLINES = (
    lambda x, y: np.sqrt(x * x + y * y) - 1,
    lambda x, y: _polygon(x, y, 4),
    lambda x, y: _polygon(x, y, 3),
    _ring,
    lambda x, y: np.minimum(_box(x, y, 0.94, 0.32), _box(x, y, 0.32, 0.94)),
    _star,
    _half_disc,
    lambda x, y: _box(x, np.abs(y) - np.float32(0.5), 0.7, 0.21),
)
