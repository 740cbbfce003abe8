"""From encoded images to arrays: orientation, grey and transparent images, mixed sizes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")

Encoded = Path | bytes | np.ndarray  # a file, or the content of one


def decode(encoded: Encoded, size: int = 0) -> np.ndarray:
    """One encoded image as uint8 (3, H, W).

    size > 0: the shortest side becomes `size` (bilinear with antialiasing, as torchvision's Resize
    on Pillow images), then the centre is cropped to (3, size, size). EXIF orientation is applied,
    grey repeated, transparency laid on white, 16-bit grey scaled to 8 bits, the first frame taken.
    Raises whatever Pillow raises on a damaged image: OSError, SyntaxError, ValueError,
    struct.error, DecompressionBombError and more; the caller knows the image's name.
    """
    with _opened(encoded) as image:
        if size:
            # A JPEG can be decoded at a half, quarter or eighth, still at least twice as large as
            # needed: several times faster for photographs. Other formats ignore it.
            image.draft(None, (2 * size, 2 * size))
        ImageOps.exif_transpose(image, in_place=True)
        picture = _rgb(image)
        picture = _crop(picture, size) if size else picture
        return np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))


def shortest_side(encoded: Encoded) -> int:
    """In pixels, read from the image's header. Raises as `decode` does."""
    with _opened(encoded) as image:
        return min(image.size)


def png(image: np.ndarray) -> bytes:
    """uint8 (3, H, W) as PNG, which loses nothing."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(buffer, format="png")
    return buffer.getvalue()


def _opened(encoded: Encoded) -> Image.Image:
    return Image.open(encoded if isinstance(encoded, Path) else io.BytesIO(encoded))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, which convert("RGB") would clip at 255
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _crop(image: Image.Image, size: int) -> Image.Image:
    short = min(image.size)
    width, height = (max(size, int(size * side / short)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - size) // 2, (height - size) // 2
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
