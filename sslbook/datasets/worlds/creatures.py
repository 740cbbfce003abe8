"""Creatures: a world in which methods of two views learn within a minute or two.

A body with four of eight limbs. The eight classes are words of weight 4 of the extended Hamming
code [8, 4, 4]: all have the same number of limbs and the same amount of ink, and two of them differ
in four or eight of the eight places, so no single limb gives a class away. Place, size, turn,
polarity, brightness and a smooth field of colour are random; the colours have no luma, so they fill
the pixels but are gone once a view is grey. A mirrored creature may be another: views need flip=0.
"""

from __future__ import annotations

import numpy as np

from sslbook.datasets.types import ImageSet
from sslbook.datasets.worlds import drawing
from sslbook.datasets.worlds.drawing import between, either_way

# The limbs of each class: limb k points to 22.5 + 45 k degrees, clockwise from the right.
LIMBS = ((0, 5, 6, 7), (1, 4, 6, 7), (0, 1, 4, 5), (2, 4, 5, 7),
         (0, 2, 4, 6), (1, 2, 5, 6), (0, 1, 2, 7), (3, 4, 5, 6))
CLASSES = tuple("limbs " + " ".join(map(str, limbs)) for limbs in LIMBS)
# Of 24,000 images at 16 pixels, seeds 0-3; a test compares.
MEAN = (0.4992, 0.5018, 0.5003)
STD = (0.2935, 0.2557, 0.3161)

SHIFT = 0.25  # of the body from the middle, in half-widths, either way
RADIUS = (0.70, 0.82)  # from the body's middle to the tip of a longest limb, in half-widths
TURN = 8.0  # degrees, either way
WOBBLE = 4.0  # degrees, each limb by itself
LENGTH = (0.92, 1.0)  # of each limb, in radii
THICKNESS = (0.15, 0.20)  # half of it, in radii
BODY = 0.32  # its radius, in radii
CONTRAST = (0.30, 0.50)  # luma of figure and ground differ by this much, either way
BRIGHTNESS = 0.20  # the middle of both lies so far around one half
SLOPE = 0.08  # of the ground's luma, from the middle to an edge
FIELD = 0.35  # Cb and Cr of the ground's nine patches of colour
SPOT = 0.10  # Cb and Cr of the figure, on top of the field
NOISE = 5.0  # standard deviation, in grey levels of 255
# Cb and Cr as R, G, B without luma (JPEG's conversion).
_CHROMA = np.array([[0, -0.344136, 1.772], [1.402, -0.714136, 0]], np.float32)[..., None, None]


def creatures(n: int, seed: int = 0, size: int = 16, split: str = "train") -> ImageSet:
    """Draw n creatures; `seed` and `split` choose the stream: train and test share no draw.

    A smaller call returns the first images of a larger one; every 8 images from the start hold
    each class once. images: uint8 (n, 3, size, size); labels: int64 (n,). factors, float32 (n,)
    unless said: creature int64, the class; limbs int64 (n, 8), 1 where there is one; x, y, the
    body's middle, rightwards and downwards, and radius in half-widths; angle in degrees, clockwise;
    wobble (n, 4) in degrees and length (n, 4) in radii, limb by limb; thickness, half a limb's, in
    radii; polarity int64, 1 for light on dark; contrast and brightness, of luma 0-1; slope (n, 2),
    of the ground's luma, rightwards and downwards; field (n, 2, 3, 3) and spot (n, 2), Cb and Cr;
    cover, the share of each pixel that the creature covers, of 255, uint8 (n, 1, size, size).
    """
    return drawing.image_set("creatures", seed, split, size, _factors(seed, split, n), "creature",
                             _paint, NOISE, classes=CLASSES, mean=MEAN, std=STD)


def _factors(seed: int, split: str, n: int) -> drawing.Factors:
    draws = drawing.uniform(drawing.rounded_up(n, 8), 39, seed, "creatures", split, "factors")
    creature, draws = drawing.balanced(draws[:, 0], 8)[:n], draws[:n]
    limbs = np.zeros((len(LIMBS), 8), dtype=np.int64)
    np.put_along_axis(limbs, np.array(LIMBS), 1, axis=1)
    return {
        "creature": creature,
        "limbs": limbs[creature],
        "x": either_way(draws[:, 1], SHIFT),
        "y": either_way(draws[:, 2], SHIFT),
        "radius": between(draws[:, 3], *RADIUS),
        "angle": either_way(draws[:, 4], TURN),
        "thickness": between(draws[:, 5], *THICKNESS),
        "wobble": either_way(draws[:, 6:10], WOBBLE),
        "length": between(draws[:, 10:14], *LENGTH),
        "contrast": between(draws[:, 14], *CONTRAST),
        "polarity": (draws[:, 15] < 0.5).astype(np.int64),
        "brightness": 0.5 + either_way(draws[:, 16], BRIGHTNESS),
        "slope": either_way(draws[:, 17:19], SLOPE),
        "spot": either_way(draws[:, 19:21], SPOT),
        "field": either_way(draws[:, 21:39].reshape(n, 2, 3, 3), FIELD),
    }


def _paint(factors: drawing.Factors, size: int) -> tuple[np.ndarray, np.ndarray]:
    """What some factors show, see `drawing.Paint`; edges are smooth as those of shapes are."""
    radius = factors["radius"]
    across, down = drawing.frame(factors, radius, size)
    distance = np.sqrt(across * across + down * down) - np.float32(BODY)
    angles = 22.5 + 45 * np.array(LIMBS)[factors["creature"]] + factors["wobble"].astype(np.float64)
    thickness = factors["thickness"][:, None, None]
    for k in range(4):
        turn = np.deg2rad(angles[:, k])
        cos, sin = (wave(turn).astype(np.float32)[:, None, None] for wave in (np.cos, np.sin))
        reach = factors["length"][:, k, None, None] - thickness
        along = np.clip(cos * across + sin * down, 0, reach)
        across_limb, down_limb = across - along * cos, down - along * sin
        away = np.sqrt(across_limb * across_limb + down_limb * down_limb) - thickness
        distance = np.minimum(distance, away)
    cover = np.clip(0.5 - distance * (radius * np.float32(size / 2))[:, None, None], 0, 1)[:, None]
    gap = (factors["contrast"] * (2 * factors["polarity"] - 1).astype(np.float32))
    gap = gap[:, None, None, None]
    middle = ((2 * np.arange(size) + 1) / size - 1).astype(np.float32)
    right, low = (one[:, None, None, None] for one in factors["slope"].T)
    ground = factors["brightness"][:, None, None, None] - gap / 2
    ground = ground + right * middle + low * middle[:, None]
    colour = drawing.stretched(factors["field"], size)
    colour = colour + factors["spot"][:, :, None, None] * cover
    picture = ground + gap * cover
    picture = picture + colour[:, :1] * _CHROMA[0] + colour[:, 1:] * _CHROMA[1]
    return 255 * picture, cover
