"""Pictures made of image tiles, laid out in whole pixels so that small images stay crisp."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from sslbook.errors import UsageError
from sslbook.lesson.viz import style

GUTTER = 2  # white pixels between tiles
MARGIN = 6  # pixels around the picture


def as_array(values: object) -> np.ndarray:
    """A NumPy array from a tensor (any device, gradient or not), array or nested list."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def as_matrix(values: object, what: str) -> np.ndarray:
    """Finite float64 (N, D); UsageError for another shape or NaN. what: its name there."""
    array = as_array(values).astype(np.float64)
    if array.ndim != 2 or not np.isfinite(array).all():
        raise UsageError(f"Cannot draw {what}: of shape {array.shape}, or it holds NaN.")
    return array


def to_rgb(images: object) -> np.ndarray:
    """uint8 (N, H, W, 3) from uint8 or 0-1 float images of shape (N, C, H, W) or (C, H, W).

    C is 1 or 3. Raises UsageError for another shape, and for NaN or normalised images (values
    far outside 0-1), which would look wrong without a word.
    """
    array = as_array(images)
    array = array[None] if array.ndim == 3 else array
    if array.ndim != 4 or array.shape[1] not in (1, 3):
        raise UsageError(f"Images of shape {array.shape} cannot be drawn.", "Nothing was drawn.",
                         "Give images as (N, 3, H, W) or (N, 1, H, W).")
    if array.dtype != np.uint8:
        low, high = array.min(), array.max()
        if not (low >= -0.75 and high <= 1.75):  # so it is for NaN, too
            raise UsageError(f"The images range from {low:.2g} to {high:.2g}, not from 0 to 1.",
                             "Nothing was drawn.",
                             "Undo the normalisation first (augment.pictures gives views in 0-1).")
        array = (np.clip(array, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.broadcast_to(array.transpose(0, 2, 3, 1), (len(array), *array.shape[2:], 3))


def fit(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 (H, W, 3) with a longer side of `size`: enlarged without smoothing, or shrunk."""
    high, wide = image.shape[:2]
    scale = size / max(high, wide)
    method = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    new = max(1, round(wide * scale)), max(1, round(high * scale))
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(new, method))


def mosaic(rows: Sequence[Sequence[np.ndarray]], tile: int, foot: int = 0) -> np.ndarray:
    """Rows of uint8 (H, W, 3) images on one white canvas, GUTTER pixels apart.

    foot: white pixels below every row, for marks.
    """
    step, down = tile + GUTTER, tile + foot + GUTTER
    across = max(len(row) for row in rows)
    canvas = np.full((len(rows) * down - GUTTER, across * step - GUTTER, 3), 255, np.uint8)
    for r, row in enumerate(rows):
        for c, image in enumerate(row):
            picture = fit(image, tile)
            high, wide = picture.shape[:2]
            canvas[r * down : r * down + high, c * step : c * step + wide] = picture
    return canvas


def page(high: int, title: str) -> tuple[Figure, int]:
    """A figure as wide as a strip for pictures `high` pixels high in all, and where they begin.

    Pixels are counted from the top left corner; the title stands above the pictures.
    """
    sizes = style.active()
    text = style.wrapped(title, sizes.strip[0]) if title else ""
    top = MARGIN + round((text.count("\n") + 1.8) * style.TITLE * sizes.dpi / 72 if text else 0)
    fig = style.figure(sizes.strip[0], (top + high + MARGIN) / sizes.dpi, "none")
    write(fig, text, MARGIN, MARGIN, va="top", fontsize=style.TITLE)
    return fig, top


def place(fig: Figure, canvas: np.ndarray, left: int, top: int) -> None:
    """Put uint8 (h, w, 3) on the page, one to one."""
    fig.figimage(canvas, left, round(fig.bbox.height) - top - canvas.shape[0])


def write(fig: Figure, text: str, x: float, y: float, **look: object) -> None:
    """Write text at pixel x, y."""
    fig.text(x, fig.bbox.height - y, text, transform=None, **look)
