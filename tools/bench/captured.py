"""`python -m tools.bench captured`: does a step captured in a CUDA graph train as an eager one?

A small net is trained from one seed in float32, eager and captured, and the losses are compared
step by step. Rounding may differ (a capture makes its views without branches), so equal means
within TOLERANCE; a frozen random number, learning rate or input is far outside. The result is kept
for the kind of device, and `train` reads it where accelerate is "auto".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sslbook import files, paths
from sslbook.errors import UsageError, UserError
from tools.bench.step import NETS, pretrain
from tools.bench.timing import Options

SCHEMA, STEPS, TOLERANCE = 1, 200, 1e-3


class KeepsLoss(nn.Module):
    """A module, and a buffer `last` with the loss of its last step: a replay fills it too."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module
        self.register_buffer("last", torch.zeros(()))

    def forward(self, batch: Any, loss: Callable[..., Tensor]) -> dict[str, Any]:
        out = self.module(batch, loss)
        self.last.copy_(out["loss"].detach())
        return out


def losses(options: Options, accelerate: str, steps: int) -> list[float]:
    """The loss of each step. Raises UserError where "graph" was asked for and did not last."""
    seen: list[Tensor] = []
    history = pretrain(
        NETS["ResNet-8 w16"], options, lambda module, *_: seen.append(module.last.clone()), steps,
        accelerate, wrap=KeepsLoss, precision="float32",
    )  # fmt: skip
    if accelerate == "graph" and history.mode != "graph":
        raise UserError(f"the steps ran as {history.mode} ones; nothing was compared.")
    return torch.stack(seen).tolist()


def compare(eager: list[float], captured: list[float]) -> dict[str, Any]:
    """{"equal", "steps", "largest_difference"} of the losses of the same steps.

    The difference is None where a loss is not finite. Raises ValueError for lists of different
    lengths.
    """
    largest = max(abs(a - b) for a, b in zip(eager, captured, strict=True))
    finite = all(map(math.isfinite, eager + captured))
    return {"equal": finite and largest <= TOLERANCE, "steps": len(eager),
            "largest_difference": largest if finite else None}  # fmt: skip


def record(compared: dict[str, Any], name: str) -> dict[str, Any]:
    """What is kept of a comparison on a device of this name."""
    about = {"torch": torch.__version__.split("+")[0], "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    return {"schema": SCHEMA, "device": {"kind": "cuda", "name": name},
            "captured": {**compared, **about}}  # fmt: skip


def record_file(name: str) -> Path:
    """Where the record of a device lies: nvidia-h200.json for NVIDIA H200."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return paths.records() / "bench" / f"{slug}.json"


def run(options: Options) -> int:
    """Compare, print, keep the record. Returns 0 where the losses are equal, else 1.

    Raises UsageError without CUDA, UserError where the steps were not captured.
    """
    if not options.cuda:
        raise UsageError("captured steps need a CUDA device, and there is none here.")
    eager, again, graph = (losses(options, way, STEPS) for way in ("off", "off", "graph"))
    found, name = compare(eager, graph), torch.cuda.get_device_name(options.device)
    files.write_json(record_file(name), record(found, name))
    print(f"{name}: the losses of {found['steps']} captured steps are equal: {found['equal']}\n"
          f"largest difference {found['largest_difference']} (two eager trainings: "
          f"{compare(eager, again)['largest_difference']}; tolerance {TOLERANCE:g})")  # fmt: skip
    return 0 if found["equal"] else 1
