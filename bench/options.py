"""What a run of the bench is told."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from sslbook.errors import UsageError
from sslbook.training import precision

_WORKERS = 8  # of a data loader beside a GPU, as the peers' examples have it


@dataclass(frozen=True)
class Options:
    """threads: counts to measure with. rounds: 0 takes each part's own. seconds: after these a
    group of alternated functions stops, once it has three rounds. data: a pack of real images;
    None: the drawn shapes. quick: tiny sizes, which show that every path runs and no more.
    """

    device: torch.device
    threads: tuple[int, ...] = (1, 2)
    rounds: int = 0
    seconds: float = 20.0
    quick: bool = False
    data: Path | None = None

    @property
    def precision(self) -> str:
        """What a training takes by default on this device."""
        return precision.choose(self.device)

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def least(self) -> float:
        """Seconds that one figure is measured over, at least."""
        return 0.0 if self.quick else 0.05

    def turns(self, own: int) -> int:
        """Rounds of a part that would take `own`; one in a quick run."""
        return self.rounds or (1 if self.quick else own)


def workers(threads: int) -> int:
    """Loader processes beside `threads` threads: none beside one, which then does the work."""
    return 0 if threads == 1 else threads


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def choose_device(name: str) -> torch.device:
    """auto, cpu or cuda. Raises UsageError where there is no CUDA device."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"--device cuda: torch {torch.__version__} finds no CUDA device here.")
    found = torch.cuda.is_available() if name == "auto" else name == "cuda"
    return torch.device("cuda" if found else "cpu")


def choose_threads(text: str, device: torch.device) -> tuple[int, ...]:
    """The counts in "1,2". Empty: 1 and 2 on a CPU that has two cores; up to 8 beside a GPU."""
    if not text:
        here = cores()
        return (min(_WORKERS, here),) if device.type == "cuda" else (1, 2)[:here]
    try:
        counts = tuple(int(part) for part in text.split(","))
    except ValueError:
        counts = (0,)
    if min(counts) < 1:
        raise UsageError(f"--threads takes counts from 1 on with commas between, not {text!r}.")
    return counts
