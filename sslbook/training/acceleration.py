"""Which step a training takes: eager, or captured in a CUDA graph."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sslbook.core import paths
from sslbook.errors import UsageError
from sslbook.training import cudagraph
from sslbook.training.optim import OptimizerConfig
from sslbook.training.step import Step

MODES = ("auto", "graph", "off")


def make_step(
    module: nn.Module, batches: Any, loss: Callable[..., Tensor], config: OptimizerConfig,
    device: torch.device, precision_name: str = "float32", accelerate: str = "off",
) -> Step:
    """The step of a training on one device, as `Step` and `train` describe it.

    batches: for a capture also `inputs` and `make`, as in `Batches`. accelerate: "graph" (CUDA),
    "off", or "auto": a graph where `graph_is_proven`, else off. What cannot be had is eager, and
    the step's `reason` says why. Raises UsageError for another value of accelerate.
    """
    if accelerate not in MODES:
        raise UsageError(f"accelerate is one of {', '.join(MODES)}, got {accelerate!r}.")
    kind, reason = Step, ""
    if accelerate == "graph" or accelerate == "auto" and graph_is_proven(device):
        reason = cudagraph.unavailable(device, batches)
        kind = Step if reason else cudagraph.CapturedStep
    step = kind(module, batches, loss, config, device, precision_name)
    step.reason = reason
    return step


def graph_is_proven(device: torch.device) -> bool:
    """Whether the bench's records of this GPU say that captured steps give equal losses."""
    if device.type != "cuda":
        return False
    name = torch.cuda.get_device_name(device)
    files = sorted((paths.records() / "bench").glob("*.json"))
    records = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    equal = [record["captured"]["equal"] for record in records
             if "captured" in record and record["device"]["name"] == name]
    return bool(equal) and all(equal)
