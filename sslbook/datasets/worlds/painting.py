"""How a figure given as a cover is painted: in any two colours, over a smooth random ground."""

from __future__ import annotations

import numpy as np

from sslbook.datasets.worlds import drawing
from sslbook.datasets.worlds.drawing import between, either_way

TONE = 0.15  # the mean of figure and ground lies so far around one half, in each channel
STEP = (0.30, 0.45)  # from ground to figure, root mean square over the channels
TINT = 0.6  # how far the step's channels differ: its direction is (1, 1, 1) give or take this
COLOURS = 8 + 27  # numbers between 0 and 1 that `colours` takes
NOISE = 5.0  # standard deviation, in grey levels of 255


def colours(draws: np.ndarray, field: float) -> drawing.Factors:
    """The factors of colour; draws: (n, COLOURS). field: how far the ground's patches go.

    polarity int64 (n,), 1 for a figure lighter than its ground; tone (n, 3), the mean of both;
    step (n, 3), from ground to figure; field (n, 3, 3, 3), what its nine patches add to each
    channel; 0-1 is black to white.
    """
    n, polarity = len(draws), (draws[:, 0] < 0.5).astype(np.int64)
    direction = (2 * polarity - 1)[:, None] + TINT * (2 * draws[:, 1:4] - 1)
    length = STEP[0] + (STEP[1] - STEP[0]) * draws[:, 4]
    length = length / np.sqrt((direction * direction).sum(axis=1) / 3)
    return {
        "polarity": polarity,
        "step": (direction * length[:, None]).astype(np.float32),
        "tone": between(draws[:, 5:8], 0.5 - TONE, 0.5 + TONE),
        "field": either_way(draws[:, 8:].reshape(n, 3, 3, 3), field),
    }


def painted(factors: drawing.Factors, cover: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pictures of some covers, float32 (n, size, size) from 0 to 1; see `drawing.Paint`."""
    cover = cover[:, None]
    tone, step = (factors[key][:, :, None, None] for key in ("tone", "step"))
    ground = tone + drawing.stretched(factors["field"], cover.shape[-1])
    return 255 * (ground + (cover - np.float32(0.5)) * step), cover
