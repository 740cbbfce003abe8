"""Optimiser, learning rate schedule, gradient clipping and length of a training."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import nn

from sslbook.errors import UsageError


@dataclass(frozen=True)
class OptimizerConfig:
    """How weights are updated.

    optimizer: "adamw", "sgd" or "lars" (timm's Lars). lr: peak learning rate. weight_decay: not
    applied to biases and norms. momentum: of SGD and LARS. warmup: share of the steps in which
    the rate rises linearly; after it a half cosine down to zero. clip: largest norm of the
    gradient, 0 for none.
    """

    optimizer: str = "adamw"
    lr: float = 2e-3
    weight_decay: float = 1e-4
    momentum: float = 0.9
    warmup: float = 0.06
    clip: float = 0.0

    @classmethod
    def of(cls, settings: Any) -> OptimizerConfig:
        """What a run's settings name; what they leave out keeps its default."""
        return cls(**{f.name: getattr(settings, f.name) for f in fields(cls)
                      if hasattr(settings, f.name)})

    @property
    def fused(self) -> bool:
        """Whether one kernel moves all weights, and the rate may be a tensor on the device."""
        return self.optimizer in ("adamw", "sgd")

    def build(self, module: nn.Module) -> torch.optim.Optimizer:
        """The optimiser over the trainable parameters. Raises UsageError for an unknown name."""
        trained = [p for p in module.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        where = {p.device.type for p in trained}
        fused = self.fused and where <= {"cpu", "cuda"}
        if self.optimizer == "adamw":
            # capturable: the number of updates is counted on the device.
            capturable = where == {"cuda"}
            return torch.optim.AdamW(groups, lr=self.lr, fused=fused, capturable=capturable)
        if self.optimizer == "sgd":
            return torch.optim.SGD(groups, lr=self.lr, momentum=self.momentum, fused=fused)
        if self.optimizer == "lars":
            from timm.optim import Lars

            return Lars(groups, lr=self.lr, momentum=self.momentum)
        raise UsageError(f"Unknown optimizer {self.optimizer!r}.", "", "Known: adamw, sgd, lars.")

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step (0 <= step < steps)."""
        warm = round(self.warmup * steps)
        if step < warm:
            return self.lr * (step + 1) / warm
        done = (step - warm) / max(1, steps - warm)
        return self.lr * (1 + math.cos(math.pi * done)) / 2


def planned_steps(settings: Any, per_epoch: int, seconds_per_step: Callable[[], float]) -> int:
    """Steps from a run's settings: epochs, or what fits into `minutes`; at most `max_steps`.

    Two at least: figures show the beginning, the middle and the end of a training.
    """
    steps = max(2, round(getattr(settings, "epochs", 1) * per_epoch))
    if minutes := getattr(settings, "minutes", 0.0):
        steps = max(2, int(minutes * 60 / seconds_per_step()))
    limit = getattr(settings, "max_steps", 0)
    return min(steps, limit) if limit else steps
