"""Randomness: every stream derives from (seed, name, stream, step), never from a global generator.

A draw therefore depends on what it is for, not on what was drawn before: an extra figure, a
second probe or a resumed run changes nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


def derive(seed: int, *parts: object) -> int:
    """A 63-bit seed from the run's seed and the parts that name the stream."""
    text = "/".join([str(int(seed)), *map(str, parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class Streams:
    """The random streams of one named part of a run.

    seed: the run's SEED. name: the part, such as "pretrain".
    """

    def __init__(self, seed: int, name: str = ""):
        self.seed, self.name = int(seed), name

    def child(self, name: str) -> Streams:
        """The streams of another part of the same run."""
        return Streams(self.seed, f"{self.name}.{name}" if self.name else name)

    def number(self, stream: str, step: int = 0) -> int:
        """The 63-bit seed of a stream at a step."""
        return derive(self.seed, self.name, stream, step)

    def torch(
        self, stream: str, step: int = 0, device: str | torch.device = "cpu"
    ) -> torch.Generator:
        """A fresh torch generator on `device` for a stream at a step."""
        import torch

        return torch.Generator(device=device).manual_seed(self.number(stream, step))

    def numpy(self, stream: str, step: int = 0) -> np.random.Generator:
        """A fresh NumPy generator for a stream at a step."""
        import numpy as np

        return np.random.default_rng(self.number(stream, step))

    def reseed(self, stream: str, step: int = 0) -> None:
        """Seed torch's global generators; inside a `seeded` block only, which puts them back."""
        import torch

        torch.manual_seed(self.number(stream, step))

    @contextlib.contextmanager
    def seeded(self, stream: str, step: int = 0) -> Iterator[None]:
        """Seed torch's global generators inside the block and put them back after it.

        For code that cannot take a generator: parameter initialisation, dropout.
        """
        import torch

        devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices=devices):
            self.reseed(stream, step)
            yield
