"""Emblems: a world in which masked prediction learns, because what is hidden can be guessed.

Eight fixed random blobs, each over half of the picture, so that some patches tell which emblem it
is and therefore what the others hold. Place, size and turn vary a little, polarity and colours at
random; the emblems themselves are the world's, the same for every seed.
"""

from __future__ import annotations

import numpy as np

from sslbook.datasets.types import ImageSet
from sslbook.datasets.worlds import drawing
from sslbook.datasets.worlds.drawing import between, either_way
from sslbook.datasets.worlds.painting import COLOURS, NOISE, colours, painted

CLASSES = tuple(f"emblem {letter}" for letter in "ABCDEFGH")
# Of 24,000 images at 16 pixels, seeds 0-3; a test compares.
MEAN = (0.4996, 0.4997, 0.5006)
STD = (0.2293, 0.2291, 0.2291)

SHIFT = 0.12  # of the emblem from the middle, in half-widths, either way
TURN = 8.0  # degrees, either way
SCALE = (0.9, 1.1)
FIELD = 0.25
_WORLD = 7  # the seed of the emblems themselves
_REACH = 1.5  # an emblem is drawn this far, in half-widths, so that it fills every picture
_CELLS, _RESOLUTION = 7, 97  # random heights of an emblem, and entries of its table, along a side


def emblems(n: int, seed: int = 0, size: int = 16, split: str = "train") -> ImageSet:
    """Draw n emblems; `seed` and `split` choose the stream: train and test share no draw.

    A smaller call returns the first images of a larger one; every 8 images from the start hold
    each class once. images: uint8 (n, 3, size, size); labels: int64 (n,). factors, float32 (n,)
    unless said: emblem int64, the class; x, y in half-widths, rightwards and downwards; angle in
    degrees, clockwise; scale; polarity, tone, step and field as in `painting.colours`; cover, the
    share of each pixel that the emblem covers, of 255, uint8 (n, 1, size, size).
    """
    draws = drawing.uniform(drawing.rounded_up(n, 8), 5 + COLOURS, seed, "emblems", split,
                            "factors")
    emblem, draws = drawing.balanced(draws[:, 0], 8)[:n], draws[:n]
    factors = {
        "emblem": emblem,
        "x": either_way(draws[:, 1], SHIFT),
        "y": either_way(draws[:, 2], SHIFT),
        "angle": either_way(draws[:, 3], TURN),
        "scale": between(draws[:, 4], *SCALE),
    } | colours(draws[:, 5:], FIELD)
    heights = _heights()

    def paint(part: drawing.Factors, size: int) -> tuple[np.ndarray, np.ndarray]:
        across, down = (one / np.float32(_REACH)
                        for one in drawing.frame(part, part["scale"], size))
        height = drawing.looked_up(heights, part["emblem"], across, down)
        # An emblem is what lies above height 0; its edge is as soft as a pixel is wide.
        return painted(part, np.clip(0.5 + height * np.float32(3 * size / 16), 0, 1))

    return drawing.image_set("emblems", seed, split, size, factors, "emblem", paint, NOISE,
                             classes=CLASSES, mean=MEAN, std=STD)


def _heights() -> np.ndarray:
    """The emblems as landscapes (8, R, R): in the picture, half of each lies above 0, its std 1."""
    draws = drawing.uniform(8, _CELLS**2, _WORLD, "emblems", "heights").reshape(8, _CELLS, _CELLS)
    heights = drawing.stretched(2 * draws - 1, _RESOLUTION)
    edge = round(_RESOLUTION * (1 - 1 / _REACH) / 2)
    inside = heights[:, edge:-edge, edge:-edge].reshape(8, -1).astype(np.float64)
    middle, std = np.median(inside, axis=1), inside.std(axis=1)
    return ((heights - middle[:, None, None]) / std[:, None, None]).astype(np.float32)
