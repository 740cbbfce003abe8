"""From encoded images to arrays: orientation, grey and transparent images, mixed sizes."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)
KEEP = 96  # images that are all square, of one size, and at most this wide keep their size
_ORIENTATION = 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height
_BLOCK = 512  # images decoded ahead of their use: bounds the memory


def decode(encoded: bytes | Path, size: int = 0) -> np.ndarray:
    """One encoded image (bytes or a file) as uint8 (3, H, W).

    size > 0: the shortest side becomes `size` (bilinear with antialiasing, as torchvision's Resize
    on Pillow images), then the centre is cropped to (3, size, size). EXIF orientation is applied,
    grey repeated, transparency laid on white, 16-bit grey scaled to 8 bits, the first frame taken.
    Raises whatever Pillow raises on a damaged image: OSError, SyntaxError, ValueError,
    struct.error, DecompressionBombError and more; the caller knows the image's name.
    """
    with Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded) as image:
        if size:
            # A JPEG can be decoded at a half, quarter or eighth, still at least twice as large as
            # needed: several times faster for photographs. Other formats ignore it.
            image.draft(None, (2 * size, 2 * size))
        ImageOps.exif_transpose(image, in_place=True)
        picture = _rgb(image)
        picture = _crop(picture, size) if size else picture
        return np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))


def decode_many(
    encoded: Iterable[bytes | Path], size: int, threads: bool
) -> Iterator[np.ndarray | Exception]:
    """`decode` for many images, in order; a failure is yielded, not raised.

    threads: worth it for photographs only; thumbnails spend their time in Python itself.
    """

    def attempt(one: bytes | Path) -> np.ndarray | Exception:
        try:
            return decode(one, size)
        except Exception as error:  # see decode: Pillow has no common base for these
            return error

    if not threads:
        yield from map(attempt, encoded)
        return
    rest = iter(encoded)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        while block := list(itertools.islice(rest, _BLOCK)):
            yield from pool.map(attempt, block)


def png(image: np.ndarray) -> bytes:
    """uint8 (3, H, W) as PNG, which loses nothing."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(buffer, format="png")
    return buffer.getvalue()


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, which convert("RGB") would clip at 255
        levels = np.asarray(image).astype(np.int64) >> 8
        image = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _crop(image: Image.Image, size: int) -> Image.Image:
    width, height = image.size
    short = min(width, height)
    if short != size:
        width, height = (max(size, int(size * side / short)) for side in (width, height))
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    if width == height:
        return image
    left, top = (width - size) // 2, (height - size) // 2
    return image.crop((left, top, left + size, top + size))


def extent(encoded: bytes | Path) -> tuple[int, int]:
    """Width and height of an image as it is meant to be seen, read from its header."""
    with Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded) as image:
        width, height = image.size
        turned = image.getexif().get(_ORIENTATION) in _SIDEWAYS
    return (height, width) if turned else (width, height)


def choose_size(extents: Iterable[tuple[int, int]]) -> int:
    """The side of the square that images of these (width, height) become when none is asked for.

    Square images of one size of at most 96 pixels keep it. Otherwise 64 pixels where every
    shortest side has 64, else 32.
    """
    found = set(extents)
    width, height = next(iter(found))
    if len(found) == 1 and width == height <= KEEP:
        return width
    return 64 if min(map(min, found)) >= 64 else 32


def resize(images: Tensor, size: int) -> Tensor:
    """Square uint8 images (N, C, H, H) at another size, uint8 (N, C, size, size).

    Bilinear with antialiasing; 0 or their own size returns them as they are.
    """
    if not size or tuple(images.shape[-2:]) == (size, size):
        return images
    result = torch.empty((*images.shape[:2], size, size), dtype=torch.uint8)
    for start in range(0, len(images), 1024):
        block = torch.nn.functional.interpolate(
            images[start : start + 1024].float(),
            size=(size, size),
            mode="bilinear",
            antialias=True,
            align_corners=False,
        )
        result[start : start + 1024] = block.round_().clamp_(0, 255).to(torch.uint8)
    return result
