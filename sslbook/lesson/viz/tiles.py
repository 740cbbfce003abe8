"""Pictures made of image tiles, laid out in whole pixels so that small images stay crisp."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from sslbook.errors import UsageError
from sslbook.lesson.viz import style

GUTTER = 2  # white pixels between tiles
MARGIN = 6  # pixels around the picture


def as_array(values: object) -> np.ndarray:
    """A NumPy array from a tensor (any device, gradient or not), array or nested list."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":  # NumPy has no such type
            values = values.float()
        values = values.numpy()
    return np.asarray(values)


def to_rgb(images: object) -> np.ndarray:
    """uint8 (N, H, W, 3) from uint8 or 0-1 float images of shape (N, C, H, W) or (C, H, W).

    C is 1 or 3. Raises UsageError for another shape, for NaN, and for normalised images
    (values far outside 0-1), which would look wrong without a word.
    """
    array = as_array(images)
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or array.shape[1] not in (1, 3):
        raise UsageError(
            f"Images of shape {tuple(array.shape)} cannot be drawn.",
            "Nothing was drawn.",
            "Give images as (N, 3, H, W) or (N, 1, H, W).",
        )
    if array.dtype != np.uint8:
        array = _levels(array.astype(np.float64))
    if array.shape[1] == 1:
        array = np.repeat(array, 3, axis=1)
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1))


def _levels(array: np.ndarray) -> np.ndarray:
    if not np.isfinite(array).all():
        raise UsageError("The images hold NaN or infinite values.", "Nothing was drawn.",
                         "Look at the step that made them.")
    if array.size and (array.min() < -0.75 or array.max() > 1.75):
        raise UsageError(
            f"The images range from {array.min():.2g} to {array.max():.2g}, not from 0 to 1.",
            "Nothing was drawn.",
            "Undo the normalisation first (augment.pictures gives views in 0-1).",
        )
    return (np.clip(array, 0, 1) * 255 + 0.5).astype(np.uint8)


def fit(image: np.ndarray, size: int) -> np.ndarray:
    """A tile of at most `size` pixels: enlarged without smoothing, or shrunk smoothly.

    image: uint8 (H, W, 3). Enlarged by a whole number where that fills 3/4 of the size, else by
    any factor with pixel edges that stay sharp to one screen pixel.
    """
    high, wide = image.shape[:2]
    longest = max(high, wide)
    times = size // longest
    if times and times * longest >= 0.75 * size:
        return image.repeat(times, axis=0).repeat(times, axis=1)
    new = (max(1, round(wide * size / longest)), max(1, round(high * size / longest)))
    if not times:
        return np.asarray(Image.fromarray(image).resize(new, Image.Resampling.LANCZOS))
    times = 4 * (times + 1)
    large = Image.fromarray(image.repeat(times, axis=0).repeat(times, axis=1))
    return np.asarray(large.resize(new, Image.Resampling.BOX))


def mosaic(rows: Sequence[Sequence[np.ndarray]], tile: int, foot: int = 0) -> np.ndarray:
    """Rows of uint8 (H, W, 3) images on one white canvas, GUTTER pixels apart.

    foot: white pixels below every row, for marks.
    """
    tiles = [[fit(image, tile) for image in row] for row in rows]
    high = max(t.shape[0] for row in tiles for t in row)
    wide = max(t.shape[1] for row in tiles for t in row)
    across = max(len(row) for row in tiles)
    tall = len(rows) * (high + foot + GUTTER) - GUTTER
    canvas = np.full((tall, across * (wide + GUTTER) - GUTTER, 3), 255, np.uint8)
    for r, row in enumerate(tiles):
        for c, picture in enumerate(row):
            top, left = r * (high + foot + GUTTER), c * (wide + GUTTER)
            canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


class PixelPage:
    """A figure on which pictures and text are placed in pixels from the top left corner."""

    def __init__(self, width: int, height: int):
        sizes = style.active()
        self.dpi, self.width, self.height = sizes.dpi, width, height
        self.figure: Figure = style.figure(width / self.dpi, height / self.dpi, layout="none")

    def picture(self, canvas: np.ndarray, left: int, top: int, name: str = "") -> Axes:
        """Place uint8 (h, w, 3) one to one; the axes use its pixel coordinates."""
        high, wide = canvas.shape[:2]
        box = [left / self.width, 1 - (top + high) / self.height,
               wide / self.width, high / self.height]
        ax = self.figure.add_axes(box, label=name)
        # Unsmoothed, and the extent equals the pixels: what is in the array is on the page.
        ax.imshow(canvas, interpolation="none", aspect="auto", extent=(0, wide, high, 0))
        ax.set_axis_off()
        return ax

    def text(self, text: str, x: float, y: float, **style_of_text: object) -> None:
        """Write text at pixel x, y (from the top left)."""
        self.figure.text(x / self.width, 1 - y / self.height, text, **style_of_text)
