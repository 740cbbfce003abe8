"""Painted digits: real handwriting in any colours, for masked prediction; offline on every machine.

scikit-learn's digits of 8 x 8 pixels, moved and turned a little, over a smooth random ground. The
paintings of train and test show the digits of the two splits of `digits`: no digit is in both.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from sslbook.datasets.types import ImageSet, hold_out
from sslbook.datasets.worlds import drawing
from sslbook.datasets.worlds.drawing import either_way
from sslbook.datasets.worlds.painting import COLOURS, NOISE, colours, painted

LICENCE = "CC BY 4.0 (the digits); the painting CC0 1.0 (drawn by sslbook)"
# Of 24,000 images at 16 pixels, seeds 0-3; a test compares.
MEAN = (0.5013, 0.5007, 0.5009)
STD = (0.1894, 0.1903, 0.1908)

SHIFT = 0.05  # of the digit from the middle, in half-widths, either way
TURN = 4.0  # degrees, either way
SCALE = 0.95  # of all digits
FIELD = 0.15
_STEPS = 8  # entries of a digit's table for each of its pixels, along a side


def painted_digits(n: int, seed: int = 0, size: int = 16, split: str = "train") -> ImageSet:
    """Paint n digits; `seed` and `split` choose the stream.

    A smaller call returns the first images of a larger one. images: uint8 (n, 3, size, size);
    labels: int64 (n,). factors, float32 (n,) unless said: digit int64, the class; row int64, of
    scikit-learn's table; x, y in half-widths, rightwards and downwards; angle in degrees,
    clockwise; polarity, tone, step and field as in `painting.colours`; cover, how much ink each
    pixel has, of 255, uint8 (n, 1, size, size).
    """
    ink, digits = _handwriting()
    pool = np.flatnonzero(hold_out(len(digits)) == (split == "test"))
    draws = drawing.uniform(n, 4 + COLOURS, seed, "painted_digits", split, "factors")
    row = pool[(draws[:, 0] * len(pool)).astype(np.int64)]
    factors = {
        "digit": digits[row],
        "row": row,
        "x": either_way(draws[:, 1], SHIFT),
        "y": either_way(draws[:, 2], SHIFT),
        "angle": either_way(draws[:, 3], TURN),
    } | colours(draws[:, 4:], FIELD)

    def paint(part: drawing.Factors, size: int) -> tuple[np.ndarray, np.ndarray]:
        scale = np.full(len(part["row"]), SCALE * 9 / 8, dtype=np.float32)  # 9: between 10 pixels
        across, down = drawing.frame(part, scale, size)
        return painted(part, drawing.looked_up(ink, part["row"], across, down))

    return drawing.image_set(
        "painted_digits", seed, split, size, factors, "digit", paint, NOISE, licence=LICENCE,
        classes=tuple("0123456789"), mean=MEAN, std=STD)


@cache
def _handwriting() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits as tables of ink (1797, R, R), 0 to 1, and what each is."""
    from sklearn.datasets import load_digits

    found = load_digits()
    # A frame of empty pixels around each, so that nothing but paper lies outside.
    ink = np.pad(found.images / 16, ((0, 0), (1, 1), (1, 1)))
    return np.clip(drawing.stretched(ink, 9 * _STEPS + 1), 0, 1), found.target.astype(np.int64)
