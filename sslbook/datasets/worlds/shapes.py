"""Coloured shapes drawn from their formulas: the image set that every machine has.

Eight plain shapes differ in nothing but their outline: colours, place, size and turn are random,
so raw pixels and a random network say little about the class, and what a method learns is visible.
"""

from __future__ import annotations

import numpy as np

from sslbook.datasets.types import ImageSet
from sslbook.datasets.worlds import drawing

CLASSES = ("disc", "square", "triangle", "ring", "plus", "star", "half-disc", "two bars")
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


def shapes(n: int, seed: int = 0, size: int = 32, split: str = "train") -> ImageSet:
    """Draw n shapes; `seed` and `split` choose the stream: train and test share no draw.

    A smaller call returns the first images of a larger one; every 8 images from the start hold
    each class once. images: uint8 (n, 3, size, size); labels: int64 (n,). factors: shape int64;
    x, y (centre, rightwards and downwards from the middle) and radius in half-widths, angle in
    degrees, clockwise, float32 (n,); fg, bg (the two colours, 0-1) float32 (n, 3); cover, the share
    of each pixel inside the outline, of 255, uint8 (n, 1, size, size).
    """
    return drawing.image_set("shapes", seed, split, size, _factors(seed, split, n), "shape", _paint,
                             NOISE, classes=CLASSES, mean=MEAN, std=STD)


def _factors(seed: int, split: str, n: int) -> drawing.Factors:
    """What each image shows; names, shapes and units as in `shapes`."""
    draws = drawing.uniform(drawing.rounded_up(n, 8), 8 + 3 * _CANDIDATES, seed, "shapes", split,
                            "factors")
    shape = drawing.balanced(draws[:, 0], 8)[:n]
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


def _paint(factors: drawing.Factors, size: int) -> tuple[np.ndarray, np.ndarray]:
    """What some factors show, see `drawing.Paint`.

    A pixel is covered in proportion to its signed distance from the outline, from half a pixel
    outside to half a pixel inside: smooth edges without drawing at a higher resolution.
    """
    n = len(factors["shape"])
    x, down = drawing.frame(factors, factors["radius"], size)
    distance = np.empty((n, size, size), dtype=np.float32)
    for k, outline in enumerate(_OUTLINES):
        rows = factors["shape"] == k
        distance[rows] = outline(x[rows], -down[rows])  # their frame has y upwards
    pixels = distance * (factors["radius"] * np.float32(size / 2))[:, None, None]
    cover = np.clip(0.5 - pixels, 0, 1)[:, None]
    fg, bg = (255 * factors[key][:, :, None, None] for key in ("fg", "bg"))
    return bg + cover * (fg - bg), cover


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
