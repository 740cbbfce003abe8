"""From encoded images to arrays: orientation, grey and transparent images, mixed sizes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")

LONG = 10  # of an image that is longer than so many times its width, nothing but the middle is read

Encoded = Path | bytes | np.ndarray  # a file, or the content of one
Ranges = Mapping[str, tuple[float, float]]  # "I" or "F" -> black, just past white
FULL = (0, 2**16)  # of 16 bits


@dataclass(frozen=True)
class Header:
    """What an image says before it is used: its sides in pixels, and the values of a deep one.

    deep: "I" for whole numbers beyond 8 bits, "F" for floats, "" for every other image. low, high:
    the extremes of a deep one, without what is not finite or marks a gap (beyond 1e30).
    """

    short: int
    long: int
    deep: str = ""
    low: float = 0
    high: float = 0


def header(encoded: Encoded) -> Header:
    """Reads the pixels of deep images alone. Raises as `decode` does."""
    with _opened(encoded) as image:
        sides = sorted(image.size)
        if image.mode[0] not in "IF":
            return Header(*sides)
        values = np.asarray(image, dtype=np.float64)
        values = values[np.abs(values) < 1e30]
        ends = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
        return Header(*sides, image.mode[0], *ends)


def span(deep: str, low: float, high: float) -> tuple[float, float]:
    """The range that values from low to high are read in.

    0-1 (floats), 0-255 and 16 bits (above half of them) mean what they mean everywhere; anything
    else, 12 bits in 16 or heights, is read from its lowest to its highest value.
    """
    if deep == "F" and 0 <= low and high <= 1:
        return 0, 1
    if 0 <= low and high < 256:
        return 0, 256
    if deep == "I" and 0 <= low and 2**15 <= high < 2**16:
        return FULL
    return low, high + (deep == "I" or high == low)


def decodes(encoded: Encoded) -> bool:
    """False for a damaged image."""
    try:
        decode(encoded, ranges={"F": (0, 1)})
    except Exception:  # Pillow has no common base for damaged images
        return False
    return True


def decode(encoded: Encoded, size: int = 0, ranges: Ranges | None = None) -> np.ndarray:
    """One encoded image as uint8 (3, H, W).

    size > 0: the shortest side becomes `size` (bilinear with antialiasing, as torchvision's Resize
    on Pillow images), then the centre is cropped to (3, size, size). EXIF orientation is applied,
    grey repeated, transparency laid on white, the first frame taken. ranges: of deep images, scaled
    to 8 bits (whole numbers without one: as 16 bits).
    Raises whatever Pillow raises on a damaged image: OSError, SyntaxError, ValueError,
    struct.error, DecompressionBombError and more; the caller knows the image's name.
    """
    with _opened(encoded) as image:
        if size:
            # A JPEG can be decoded at a half, quarter or eighth, still at least twice as large as
            # needed: several times faster for photographs. Other formats ignore it.
            image.draft(None, (2 * size, 2 * size))
        ImageOps.exif_transpose(image, in_place=True)
        picture = _rgb(_levels(image, ranges or {}))
        picture = _crop(picture, size) if size else picture
        return np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))


def png(image: np.ndarray) -> bytes:
    """uint8 (3, H, W) as PNG, which loses nothing."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(buffer, format="png")
    return buffer.getvalue()


def _opened(encoded: Encoded) -> Image.Image:
    return Image.open(encoded if isinstance(encoded, Path) else io.BytesIO(encoded))


def _levels(image: Image.Image, ranges: Ranges) -> Image.Image:
    """A deep image as 8-bit grey, which convert("RGB") would clip at 0 and 255; others as is."""
    deep = image.mode[0]
    if deep not in "IF":
        return image
    if deep == "F" and deep not in ranges:
        raise ValueError("it holds floats, unlike the images measured for a range: convert it")
    low, high = ranges.get(deep, FULL)
    levels = np.floor((np.asarray(image, dtype=np.float64) - low) * (256 / (high - low)))
    return Image.fromarray(np.nan_to_num(levels).clip(0, 255).astype(np.uint8))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _crop(image: Image.Image, size: int) -> Image.Image:
    short = min(image.size)
    width, height = (max(size, int(size * side / short)) for side in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    if max(image.size) > LONG * short:  # resized whole, a line scan fills gigabytes
        across, down = image.width / width, image.height / height
        box = (left * across, top * down, (left + size) * across, (top + size) * down)
        return image.resize((size, size), Image.Resampling.BILINEAR, box)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    return image.crop((left, top, left + size, top + size))


def resize(images: Tensor, size: int) -> Tensor:
    """Square uint8 images (N, C, H, H) at another size, uint8 (N, C, size, size).

    Bilinear with antialiasing; 0 or their own size returns them as they are.
    """
    if not size or tuple(images.shape[-2:]) == (size, size):
        return images
    blocks = []
    for block in images.split(1024):
        floats = torch.nn.functional.interpolate(block.float(), (size, size), mode="bilinear",
                                                 antialias=True)
        blocks.append(floats.round_().clamp_(0, 255).to(torch.uint8))
    return torch.cat(blocks)
