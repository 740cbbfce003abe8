"""The images that the bench works on: drawn shapes, or real ones from a pack."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sslbook import datasets
from sslbook.datasets import packs
from sslbook.datasets.types import ImageSet
from sslbook.errors import DataError


class Pictures(NamedTuple):
    """images: uint8 (n, 3, size, size). mean, std: of the channels, in 0-1."""

    images: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def pil(self) -> list[Image.Image]:
        """The same images as PIL's."""
        return [Image.fromarray(one) for one in self.arrays()]

    def arrays(self) -> np.ndarray:
        """The same images as (n, size, size, 3)."""
        return self.images.permute(0, 2, 3, 1).contiguous().numpy()


def pictures(pack: Path | None, n: int, size: int = 32) -> Pictures:
    """n training images of a pack, or drawn shapes where there is none.

    Fewer than n are repeated; of another size they are resized (bilinear), so that the source
    image is as large as the view. Raises DataError where the pack cannot be used.
    """
    found = _from_pack(pack, n) if pack else datasets.load("shapes", "train", limit=n, size=size)
    images = found.images[torch.arange(n) % len(found.images)]
    if images.shape[2:] != (size, size):
        larger = functional.interpolate(
            images.float(), (size, size), mode="bilinear", antialias=True, align_corners=False
        )
        images = larger.round().clamp(0, 255).to(torch.uint8)
    return Pictures(images, found.mean, found.std)


_opened = functools.lru_cache(maxsize=1)(packs.read_pack)


@functools.lru_cache(maxsize=2)
def _from_pack(path: Path, n: int) -> ImageSet:
    """The first n training images in their own size, decoded here: no cache is left behind."""
    if not path.is_file():
        raise DataError(f"There is no pack {path}.")
    pack = _opened(path)
    side = pack.own_size()

    def images(rows: np.ndarray) -> Tensor:
        return torch.from_numpy(np.stack(list(pack.decode(rows, side))))

    return pack.load("train", n, images)
