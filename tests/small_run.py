"""The smallest run that `train` takes, without a chapter around it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import torch

from sslbook.core.streams import Streams


class SmallRun:
    """What `train` asks of a run, without a chapter around it."""

    def __init__(self, folder: Path, seed: int = 0, **settings: object):
        self.folder, self.seed = folder, seed
        self.settings = SimpleNamespace(**{"lr": 1e-2, "epochs": 1, **settings})
        self.streams, self.device = Streams(seed, "test"), torch.device("cpu")
        self.precision = "float32"
        self.logged: list[dict] = []
        self.trainings: list[object] = []

    def log(self, row: dict) -> None:
        self.logged.append(row)

    def note_training(self, history: object) -> None:
        self.trainings.append(history)
