"""What a training leaves behind: its rows, its snapshots and the trained module."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from sslbook.core import files

_COLUMNS = 80
_ROWS = 11  # and the header


@dataclass
class History:
    """The course of one training.

    rows: dicts with `step` (updates done), `epoch`, `loss` (mean since the row before), `lr` and
    what the probe measured. snapshots: arrays that the probe returned, by name, with their steps.
    module: the trained module, in eval mode. seconds: of the updates alone; probe_seconds: of
    the probes. mode: how the last step ran, "eager" or "graph". images: samples it was trained on.
    optimizer: its settings. initial: a digest of the encoder's first weights.
    """

    name: str
    steps: int = 0
    batch_size: int = 0
    steps_per_epoch: int = 1
    rows: list[dict[str, float]] = field(default_factory=list)
    snapshots: dict[str, list[np.ndarray]] = field(default_factory=dict)
    snapshot_steps: dict[str, list[int]] = field(default_factory=dict)
    seconds: float = 0.0
    probe_seconds: float = 0.0
    peak_memory_mb: float = 0.0
    status: str = "running"
    mode: str = "eager"
    images: int = 0
    optimizer: dict[str, Any] = field(default_factory=dict)
    initial: str = ""
    module: nn.Module | None = None

    @property
    def samples_per_second(self) -> float:
        """Source samples (not views) that a second of training takes in."""
        done = self.rows[-1]["step"] if self.rows else 0
        return done * self.batch_size / self.seconds if self.seconds else math.nan

    def column(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """(steps, values) of the rows that have `key`."""
        rows = [row for row in self.rows if key in row]
        return np.array([r["step"] for r in rows]), np.array([r[key] for r in rows])

    def last(self, key: str) -> float:
        """The newest value of `key`. Raises IndexError where no row has it."""
        return [row[key] for row in self.rows if key in row][-1]

    def add(self, row: dict[str, float], arrays: dict[str, np.ndarray]) -> None:
        self.rows.append(row)
        for key, array in arrays.items():
            self.snapshots.setdefault(key, []).append(array)
            self.snapshot_steps.setdefault(key, []).append(int(row["step"]))

    def summary(self) -> dict[str, Any]:
        """The plain values of a history, as they go into records and checkpoints."""
        skip = {"module", "snapshots"}
        return {k: v for k, v in vars(self).items() if k not in skip}

    def save(self, folder: Path) -> None:
        """Write snapshots first and history.json last: where it lies, all is whole."""
        with files.publish(folder / "snapshots.npz") as path, open(path, "wb") as file:
            np.savez(file, **{k: np.stack(v) for k, v in self.snapshots.items()})
        files.write_json(folder / "history.json", self.summary())

    @classmethod
    def load(cls, folder: Path) -> History:
        history = cls(**json.loads((folder / "history.json").read_text(encoding="utf-8")))
        with np.load(folder / "snapshots.npz", allow_pickle=False) as stored:
            history.snapshots = {key: list(stored[key]) for key in stored.files}
        return history


def row_steps(steps: int, every: int) -> set[int]:
    """The numbers of updates after which a row is written: every so many, or (0) ten times."""
    return {*range(0, steps, every), steps} if every else {round(steps * i / 10) for i in range(11)}


class Log:
    """Prints rows as they come: at most 12 lines of 80 columns, whatever the training's length.

    marks: the steps at which rows come, ascending; none of them, and nothing is printed.
    """

    def __init__(self, marks: list[int]):
        last = max(0, len(marks) - 1)
        chosen = np.linspace(0, last, min(_ROWS, len(marks))).round().astype(int)
        self.shown = {marks[i] for i in chosen}
        self.widths: dict[str, int] = {}

    def print(self, row: dict[str, float]) -> None:
        if row["step"] not in self.shown:
            return
        if not self.widths:
            for key in dict.fromkeys(("step", "epoch", "loss", *row)):
                width = max(9, len(key) + 2)
                if sum(self.widths.values()) + width <= _COLUMNS:
                    self.widths[key] = width
            print("".join(f"{key:>{width}}" for key, width in self.widths.items()))
        cells = (f"{_short(key, row.get(key)):>{width}}" for key, width in self.widths.items())
        print("".join(cells), flush=True)


def split(measured: dict[str, Any]) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Numbers and arrays of what a probe or module returned, on the host."""
    numbers: dict[str, float] = {}
    arrays: dict[str, np.ndarray] = {}
    for key, value in measured.items():
        value = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
        if value.ndim:
            arrays[key] = value
        else:
            numbers[key] = float(value)
    return numbers, arrays


def _short(key: str, value: float | None) -> str:
    if value is None:
        return ""
    if key == "step":
        return str(int(value))
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3f}"
