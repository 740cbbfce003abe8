"""Small values that many tests start from: a claim, a record, a pack of images."""

from __future__ import annotations

import copy
import io
from pathlib import Path

import numpy as np
from PIL import Image

from sslbook import records
from sslbook.datasets.known import IDX
from sslbook.records.claims import Claim, Rule


def claim(op=">=", bound=0.0, seeds=True, **more):
    return Claim("a", "text", "paper", "a difference", Rule(op, bound, seeds), **more)


def record(seed=0, value=0.05, **changes):
    """A finished record with one claim, as `Run.record` writes it."""
    made = {
        "schema": records.SCHEMA, "chapter": "one", "status": "finished", "preset": "lesson",
        "seed": seed, "started": f"2026-01-0{seed % 8 + 1}T00:00:00+00:00", "tried": 1,
        "parameters": {"epochs": 3, "lambd": 0.01, "seed": seed},
        "code": {"version": "0.1", "digest": "abc", "commit": "1"},
        "data": {"train": {"name": "cifar10", "count": 10, "sha256": "d1"}},
        "device": {"kind": "cpu", "name": "x"}, "seconds": {"wall": 1.0}, "scores": {},
        "claims": {"a": {"claim": claim().as_dict(), "value": value, "precondition": None}},
        "trained_with": "notebook",
    }
    made = copy.deepcopy(made)
    for path, new in changes.items():
        *parents, last = path.split("__")
        place = made
        for parent in parents:
            place = place[parent]
        place[last] = new
    return made


def encoded(n: int, ending: str = "png") -> dict[str, np.ndarray]:
    """The columns of a small pack."""
    parts = []
    for i in range(n):
        buffer = io.BytesIO()
        pixels = np.random.default_rng(i).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, ending)
        parts.append(buffer.getvalue())
    return {
        "data": np.frombuffer(b"".join(parts), np.uint8),
        "offsets": np.cumsum([0, *map(len, parts)], dtype=np.int64),
        "labels": np.arange(n, dtype=np.uint8) % 3,
        "split": (np.arange(n) % 4 == 0).astype(np.uint8),
        "classes": np.array(["a", "b", "c"]),
    }


def picture(seed: int, size: tuple[int, int] = (40, 40)) -> Image.Image:
    """A smooth picture: eight by eight random colours, enlarged; size is (width, height)."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def photos(root: Path, classes: tuple[str, ...] = ("cat", "dog"), each: int = 10) -> Path:
    """A folder of pictures, one sub-folder per class ("": directly in it)."""
    for c, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            picture(100 * c + i).save(root / name / f"{i}.png")
    return root


def noise_photos(root: Path, width: int, height: int, grows: bool = False) -> Path:
    """Twelve pictures of noise in two classes; `grows`: each is a pixel higher than the last."""
    rng = np.random.default_rng(0)
    for i in range(12):
        folder = root / ("cat" if i % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (height + i * grows, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02d}.png")
    return root


def idx(array: np.ndarray) -> bytes:
    sizes = np.array(array.shape, dtype=">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def idx_files() -> dict[str, bytes]:
    """MNIST's four files with a few images."""
    rng = np.random.default_rng(0)
    arrays = (
        rng.integers(0, 256, (20, 28, 28), dtype=np.uint8),
        np.arange(20, dtype=np.uint8) % 10,
        rng.integers(0, 256, (10, 28, 28), dtype=np.uint8),
        np.arange(10, dtype=np.uint8),
    )
    return {name: idx(array) for name, array in zip(IDX, arrays, strict=True)}
