"""Decoded images on disk: `data/cache/<sha256 of the pack>-<size>.npy`, opened as a memory map."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from sslbook import files, paths
from sslbook.datasets import pixels
from sslbook.errors import UserError

_LARGE = 1 << 14  # bytes of an encoded image on average, from which threads pay


class Undecodable(Exception):
    """Image `index` of a pack cannot be decoded."""

    def __init__(self, index: int, reason: object):
        super().__init__(" ".join(str(reason).split())[:120] or type(reason).__name__)
        self.index = index


def place(sha256: str, size: int) -> Path:
    """Where the decoded images of a pack lie; size 0 is the size chosen by `pixels.choose_size`."""
    return paths.data() / "cache" / f"{sha256}-{size}.npy"


def opened(path: Path, n: int, size: int) -> np.ndarray | None:
    """The cached images uint8 (n, 3, H, W) as a memory map, None where they are not whole.

    Copy-on-write (mode "c"): torch takes it without a warning, and no change reaches the file.
    """
    try:
        images = np.load(path, mmap_mode="c", allow_pickle=False)
        whole = (
            images.dtype == np.uint8
            and images.ndim == 4
            and images.shape[:2] == (n, 3)
            and images.shape[2:] == ((size, size) if size else images.shape[2:])
            and images.flags.c_contiguous
            and images.offset + images.nbytes == os.path.getsize(path)
        )
    except Exception:  # a damaged header can raise nearly anything; the cache is then built anew
        return None
    return images if whole else None


def build(path: Path, encoded: list[bytes], size: int) -> np.ndarray:
    """Decode into the cache and open it.

    Two processes may do so at once: each publishes a whole file, equal to the other's.
    Raises Undecodable, and UserError where the cache cannot be written.
    """
    wanted = size or _chosen(encoded)
    try:
        with files.publish(path) as temporary, open(temporary, "wb") as file:
            # Written as a stream, not through a map: a full disk is then an error, not a signal.
            shape = (len(encoded), 3, wanted, wanted)
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            threads = sum(map(len, encoded)) > _LARGE * len(encoded)
            for index, image in enumerate(pixels.decode_many(encoded, wanted, threads)):
                if isinstance(image, Exception):
                    raise Undecodable(index, image) from image
                file.write(image)
    except UserError:
        # Windows lets nobody replace a file that another process has mapped.
        if not path.exists() or opened(path, len(encoded), size) is None:
            raise
    images = opened(path, len(encoded), size)
    if images is None:
        raise OSError(f"{path.name} changed while it was being opened")
    return images


def _chosen(encoded: list[bytes]) -> int:
    """The one size for images of their own sizes."""
    extents = []
    for index, one in enumerate(encoded):
        try:
            extents.append(pixels.extent(one))
        except Exception as error:  # Pillow has no common base for these
            raise Undecodable(index, error) from error
    return pixels.choose_size(extents)
