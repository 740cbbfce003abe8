"""`python -m tools.bench captured`: does a step captured in a CUDA graph train as an eager one?

A small net is trained twice from one seed, and the losses are compared step by step. In float64: a
training multiplies rounding by some ten thousand in 200 steps, which in float32 hides mistakes. The
result is kept for the kind of device, and `train` reads it where accelerate is "auto".
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sslbook.core import files, paths
from sslbook.errors import UsageError, UserError
from sslbook.methods.simclr import nt_xent_loss
from tools.bench.step import NETS, pretrain
from tools.bench.timing import Options

SCHEMA, STEPS, TOLERANCE = 1, 200, 1e-6


def losses(options: Options, accelerate: str, steps: int) -> list[float]:
    """The loss of each step. Raises UserError where "graph" was asked for and did not last."""
    last = torch.zeros((), dtype=torch.float64, device=options.device)  # a replay fills it too
    seen: list[Tensor] = []

    def loss(z1: Tensor, z2: Tensor) -> Tensor:
        value = nt_xent_loss(z1, z2)
        last.copy_(value.detach())
        return value

    history = pretrain(NETS["ResNet-8 w16"], options, lambda *_: seen.append(last.clone()), steps,
                       accelerate, loss=loss, dtype=last.dtype,
                       precision="float32")  # fmt: skip
    if accelerate == "graph" and history.mode != "graph":
        raise UserError(f"the steps ran as {history.mode} ones; nothing was compared.")
    return torch.stack(seen).tolist()


def compare(eager: list[float], captured: list[float]) -> dict[str, Any]:
    """{"equal", "steps", "largest_difference"} (None where a loss is not finite) of two trainings.

    Raises ValueError for lists of different lengths.
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
    """Compare, print, keep the record: 0 where the losses are equal, else 1."""
    if not options.cuda:
        raise UsageError("captured steps need a CUDA device, and there is none here.")
    eager, again, graph = (losses(options, way, STEPS) for way in ("off", "off", "graph"))
    found, name = compare(eager, graph), torch.cuda.get_device_name(options.device)
    files.write_json(record_file(name), record(found, name))
    print(f"{name}: the losses of {found['steps']} captured steps are equal: {found['equal']}\n"
          f"largest difference {found['largest_difference']} (two eager trainings: "
          f"{compare(eager, again)['largest_difference']}; tolerance {TOLERANCE:g})")  # fmt: skip
    return 0 if found["equal"] else 1
