"""What every loop of part (c) is given and gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import Dataset

from bench.timing import Clock


class Measured(NamedTuple):
    """Seconds of so many steps."""

    seconds: float
    steps: int


@dataclass(frozen=True)
class Task:
    """The same for everybody: method, architecture, images, batch size, optimiser (plain SGD).

    backbone: makes a new one. images: uint8 (n, 32, 32, 3). warm, steps: steps before and while
    the clock runs. workers: loader processes of those who use a loader. precision: "float32",
    "bf16" or "fp16".
    """

    method: str
    backbone: Callable[[], nn.Module]
    images: np.ndarray
    mean: tuple[float, ...]
    std: tuple[float, ...]
    batch: int
    warm: int
    steps: int
    workers: int
    device: torch.device
    precision: str
    clock: Clock
    lr: float = 0.06

    @property
    def half(self) -> torch.dtype | None:
        """The number type of autocast; None where nothing is cast."""
        return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.precision)


def projector(task: Task, backbone: nn.Module) -> tuple[int, ...]:
    """Widths from the features to the embedding, as lightly's examples have them for CIFAR-10.

    There the features are those of a ResNet-18: 512-512-128 and 512-2048-2048-2048.
    """
    width = backbone.out_dim
    return (width, width, 128) if task.method == "simclr" else (width, *(4 * width,) * 3)


class Cifar(Dataset):
    """Images in memory, opened by PIL one at a time, as torchvision's CIFAR10 does it."""

    def __init__(self, images: np.ndarray, transform: Callable[[Any], Any] | None = None):
        self.images, self.transform = images, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image = Image.fromarray(self.images[index])
        return (image if self.transform is None else self.transform(image)), 0
