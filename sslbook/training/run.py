"""What a training is part of."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import torch

from sslbook.core.streams import Streams
from sslbook.training.history import History


class Run(Protocol):
    """What `train` asks of a run.

    `curves(history)` may be there too: a context manager that gives `draw(step, loss)`.
    """

    seed: int
    settings: SimpleNamespace
    streams: Streams
    device: torch.device
    precision: str
    folder: Path
    def log(self, row: dict[str, Any]) -> None: ...
    def note_training(self, history: History) -> None: ...
